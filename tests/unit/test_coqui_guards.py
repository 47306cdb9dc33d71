import math

import pytest

from src.engines.coqui.guards import Pace, Trouble, Watch, in_two

PACE = Pace(seconds=0.023, most_steps=10_000)


def spoken(watch: Watch, characters: int, steps_each: int = 3) -> Trouble | None:
    """Attend every character in turn; the trouble that was seen, if any."""
    for position in range(characters):
        for _ in range(steps_each):
            if trouble := watch.see(position):
                return trouble
    return None


def test_a_sentence_spoken_from_first_to_last_character_is_no_trouble() -> None:
    watch = Watch(PACE, 60)

    assert spoken(watch, 60) is None
    assert watch.stop(59) is None


def test_closing_marks_that_are_not_attended_are_no_trouble() -> None:
    watch = Watch(PACE, 60)
    spoken(watch, 56)

    assert watch.stop(55) is None


def test_a_stop_in_the_middle_is_noticed() -> None:
    watch = Watch(PACE, 60)
    spoken(watch, 30)

    assert watch.stop(30) is Trouble.CUT_OFF


def test_more_characters_than_anyone_says_in_the_time_are_noticed() -> None:
    watch = Watch(PACE, 200)
    for position in range(0, 200, 40):
        watch.see(position)

    assert watch.stop(199) is Trouble.CUT_OFF


def test_attention_that_stands_still_is_noticed_within_three_seconds() -> None:
    watch = Watch(PACE, 60)
    spoken(watch, 20)

    seen = [watch.see(19) for _ in range(math.ceil(3 / PACE.seconds))]

    assert Trouble.STUCK in seen


def test_a_pause_of_a_second_is_no_trouble() -> None:
    watch = Watch(PACE, 60)
    spoken(watch, 20)

    assert [watch.see(20) for _ in range(round(1 / PACE.seconds))].count(None) == round(1 / PACE.seconds)


def test_attention_that_only_goes_back_and_forth_is_noticed() -> None:
    watch = Watch(PACE, 60)
    spoken(watch, 20)

    assert Trouble.STUCK in [watch.see(step % 20) for step in range(500)]


def test_a_voice_that_goes_on_after_the_end_is_noticed_and_its_end_is_known() -> None:
    watch = Watch(PACE, 30)
    spoken(watch, 30)

    seen = [watch.see(29) for _ in range(500)]

    assert Trouble.RUNAWAY in seen
    assert watch.end is not None
    assert 30 * 3 - 2 < watch.end < 30 * 3 + 20


def test_the_end_is_unknown_while_the_last_character_was_not_attended() -> None:
    watch = Watch(PACE, 30)
    spoken(watch, 29)

    assert watch.end is None


@pytest.mark.parametrize(
    ("pace", "limit"), [(PACE, math.ceil(27 / 0.023)), (Pace(seconds=0.023, most_steps=500), 500)]
)
def test_steps_are_bounded_by_the_text_and_by_the_models_own_limit(pace: Pace, limit: int) -> None:
    watch = Watch(pace, 100)

    seen = [watch.see(step // 12) for step in range(limit)]

    assert seen[:-1] == [None] * (limit - 1)
    assert seen[-1] is Trouble.RUNAWAY


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        ("One two, three four.", ("One two,", "three four.")),
        ("One, two three, four five six.", ("One, two three,", "four five six.")),
        ("One two three four", ("One two.", "three four")),
        ("¿Qué tal? Muy bien.", ("¿Qué tal?", "Muy bien.")),
        ("Prolog", None),
        ("Prolog.", None),
        ("- Prolog -", None),
    ],
)
def test_a_sentence_is_cut_between_clauses_or_words_near_its_middle(
    text: str, halves: tuple[str, str] | None
) -> None:
    assert in_two(text) == halves
