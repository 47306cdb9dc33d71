import math

import pytest

from src.engines.coqui.failure_detection import AttentionMonitor, DurationLimits, SynthesisFailure
from src.engines.coqui.text import split_text

LIMITS = DurationLimits(step_seconds=0.023, max_steps=10_000)


def spoken(monitor: AttentionMonitor, characters: int, steps_each: int = 3) -> SynthesisFailure | None:
    """Attend every character in turn; the failure that was detected, if any."""
    for position in range(characters):
        for _ in range(steps_each):
            if failure := monitor.step(position):
                return failure
    return None


def test_a_sentence_spoken_from_first_to_last_character_is_no_failure() -> None:
    monitor = AttentionMonitor(LIMITS, 60)

    assert spoken(monitor, 60) is None
    assert monitor.stop(59) is None


def test_closing_marks_that_are_not_attended_are_no_failure() -> None:
    monitor = AttentionMonitor(LIMITS, 60)
    spoken(monitor, 56)

    assert monitor.stop(55) is None


def test_a_stop_in_the_middle_is_noticed() -> None:
    monitor = AttentionMonitor(LIMITS, 60)
    spoken(monitor, 30)

    assert monitor.stop(30) is SynthesisFailure.CUT_OFF


def test_more_characters_than_anyone_says_in_the_time_are_noticed() -> None:
    monitor = AttentionMonitor(LIMITS, 200)
    for position in range(0, 200, 40):
        monitor.step(position)

    assert monitor.stop(199) is SynthesisFailure.CUT_OFF


def test_attention_that_stands_still_is_noticed_within_three_seconds() -> None:
    monitor = AttentionMonitor(LIMITS, 60)
    spoken(monitor, 20)

    seen = [monitor.step(19) for _ in range(math.ceil(3 / LIMITS.step_seconds))]

    assert SynthesisFailure.STUCK in seen


def test_a_pause_of_a_second_is_no_failure() -> None:
    monitor = AttentionMonitor(LIMITS, 60)
    spoken(monitor, 20)

    assert [monitor.step(20) for _ in range(round(1 / LIMITS.step_seconds))].count(None) == round(
        1 / LIMITS.step_seconds
    )


def test_attention_that_only_goes_back_and_forth_is_noticed() -> None:
    monitor = AttentionMonitor(LIMITS, 60)
    spoken(monitor, 20)

    assert SynthesisFailure.STUCK in [monitor.step(step % 20) for step in range(500)]


def test_a_voice_that_goes_on_after_the_end_is_noticed_and_its_end_is_known() -> None:
    monitor = AttentionMonitor(LIMITS, 30)
    spoken(monitor, 30)

    seen = [monitor.step(29) for _ in range(500)]

    assert SynthesisFailure.RUNAWAY in seen
    assert monitor.end is not None
    assert 30 * 3 - 2 < monitor.end < 30 * 3 + 20


def test_the_end_is_unknown_while_the_last_character_was_not_attended() -> None:
    monitor = AttentionMonitor(LIMITS, 30)
    spoken(monitor, 29)

    assert monitor.end is None


@pytest.mark.parametrize(
    ("limits", "most"),
    [(LIMITS, math.ceil(27 / 0.023)), (DurationLimits(step_seconds=0.023, max_steps=500), 500)],
)
def test_steps_are_bounded_by_the_text_and_by_the_models_own_limit(limits: DurationLimits, most: int) -> None:
    monitor = AttentionMonitor(limits, 100)

    seen = [monitor.step(step // 12) for step in range(most)]

    assert seen[:-1] == [None] * (most - 1)
    assert seen[-1] is SynthesisFailure.RUNAWAY


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
def test_a_sentence_is_split_between_clauses_or_words_near_its_middle(
    text: str, halves: tuple[str, str] | None
) -> None:
    assert split_text(text) == halves
