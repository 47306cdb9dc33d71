"""Which words of growing audio are stable, and what is read next."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.engines.base import STT_SAMPLE_RATE, PartialTranscript, PartialWord
from src.services.live.tail import LONG, Tail
from src.services.live.utterance import GUARD, Progress, Utterance, rest_of


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * STT_SAMPLE_RATE), np.float32)


def word(text: str, at: float, token: int = 1, probability: float = 1.0) -> PartialWord:
    return PartialWord(text, (token,), at, at, probability)


def heard(*words: PartialWord) -> PartialTranscript:
    return PartialTranscript(words, "en", 1.0)


def utterance(seconds: float) -> Utterance:
    one = Utterance("item", 0)
    one.append(silence(seconds))
    return one


def reading_again(one: Utterance, *words: PartialWord) -> Progress:
    """What the second of two updates brings that read the same words in the same audio."""
    one.take(one.next_update(), heard(*words))
    return one.take(one.next_update(), heard(*words))


def test_words_behind_the_guard_are_stable_and_forced_on_the_next_update() -> None:
    one = utterance(2.0)
    words = word(" The", 0.2, 5), word(" cat", 1.5, 6), word(" s", 1.9, 7)
    assert one.take(one.next_update(), heard(*words)).stable == "The"
    progress = one.take(one.next_update(), heard(*words[1:]))
    assert (progress.stable, progress.tentative) == (" cat", " s")
    one.append(silence(0.4))
    update = one.next_update()
    assert (update.forced, update.draft) == ((5, 6), (7,))
    assert update.end == pytest.approx(2.4)
    progress = one.take(update, heard(word(" sat", 1.6, 8), word(" on", 2.3, 9)))
    assert progress.stable == " sat"
    assert one.text == "The cat sat"


def test_an_update_has_the_last_seconds_and_nothing_before_is_copied() -> None:
    audio = np.arange(20 * STT_SAMPLE_RATE, dtype=np.float32)
    blocks = [audio[at : at + 333] for at in range(0, len(audio), 333)]
    one = Utterance("item", 0)
    for block in blocks:
        one.append(block)
    update = one.next_update()
    assert update.offset == 16.0
    np.testing.assert_array_equal(update.audio, audio[16 * STT_SAMPLE_RATE :])
    assert len(one._blocks) == len(blocks)
    assert len(Utterance("item", 0).next_update().audio) == 0
    np.testing.assert_array_equal(one.audio, audio)
    np.testing.assert_array_equal(one.next_update().audio, audio[16 * STT_SAMPLE_RATE :])


def test_a_short_utterance_is_read_behind_the_tail_of_the_one_before() -> None:
    before = Tail(np.ones(2 * STT_SAMPLE_RATE, np.float32), (3, 4), " the tail", "a", 0, 6.0)
    one = utterance(1.5)
    update = one.next_update(tail=before)
    assert (update.offset, update.end, update.forced, update.said) == (-2.0, 1.5, (3, 4), " the tail")
    np.testing.assert_array_equal(update.audio, np.append(before.audio, silence(1.5)))
    assert one.take(update, heard(word(" The", 2.3, 5), word(" cat", 3.4, 6))).stable == "The"
    assert one.words[0].time == pytest.approx(0.3), "of the utterance"
    update = one.next_update(tail=before)
    assert (update.forced, update.draft) == ((3, 4, 5), (6,))
    one.append(silence(5.0))
    update = one.next_update(tail=before)
    assert (update.offset, update.forced, update.said) == (0.0, (5,), ""), "it says enough by itself"


def test_a_first_word_behind_a_tail_waits_less() -> None:
    tail = Tail(silence(2.0), (3,), " tail", "a", 0, 6.0)
    for before, stable in ((None, ""), (tail, "The")):
        one = utterance(1.5)
        at = 2.0 if before else 0.0
        words = word(" The", at + 1.0, probability=0.66), word(" cat", at + 1.4)
        one.take(one.next_update(tail=before), heard(*words))
        assert one.take(one.next_update(tail=before), heard(*words)).stable == stable


@pytest.mark.parametrize("before", [0.4, 0.9, 1.6])
def test_what_the_decoder_reads_in_the_tail_was_not_said_in_the_utterance(before: float) -> None:
    one = utterance(2.0)
    tail = Tail(np.ones(2 * STT_SAMPLE_RATE, np.float32), (3,), " tail", "a", 0, 6.0)
    again = word(" again", 2.0 - before)
    progress = one.take(one.next_update(tail=tail), heard(again, word(" The", 2.3)))
    assert (progress.stable, progress.tentative) == ("", "")


def test_an_utterance_in_which_nothing_is_read_behind_a_tail_is_read_alone() -> None:
    one = utterance(2.0)  # silence: the quietest place is its beginning
    tail = Tail(np.ones(2 * STT_SAMPLE_RATE, np.float32), (3,), " tail", "a", 0, 6.0)
    assert one.next_update(tail=tail).said == " tail"
    one.take(one.next_update(tail=tail), heard())
    for _ in range(2):
        assert one.next_update(tail=tail).said == ""


def test_what_was_read_behind_a_cut_is_no_part_of_the_tail() -> None:
    one = utterance(5.0)
    one.take(one.next_update(), heard(word(" one", 1.0, 1), word(" two", 2.0, 2), word(" three", 4.0, 3)))
    one.split(3 * STT_SAMPLE_RATE)
    tail = one.tail("one two", LONG)
    assert tail is not None
    assert (tail.text, tail.tokens) == (" one two", (1, 2))


def test_a_mark_that_attends_to_the_silence_is_a_part_of_the_tail() -> None:
    one = utterance(3.0)
    one.take(one.next_update(spoken=2 * STT_SAMPLE_RATE), heard(word(" one", 1.5, 1), word(".", 2.9, 2)))
    one.spoken = 2 * STT_SAMPLE_RATE
    tail = one.tail("one.", LONG)
    assert tail is not None
    assert tail.tokens == (1, 2)


def test_a_tail_begins_in_its_utterance() -> None:
    one = utterance(4.5)
    before = Tail(np.ones(2 * STT_SAMPLE_RATE, np.float32), (3,), " tail", "a", 0, 6.0)
    one.take(one.next_update(tail=before), heard(word(" one", 1.8, 1, probability=0.3), word(" two", 3.5, 2)))
    first = one.all_words[0]
    assert (first.word, first.start) == (" one", 0.0)
    tail = one.tail("one two", LONG)
    assert tail is not None
    assert (tail.text, tail.tokens) == (" two", (2,))
    assert len(tail.audio) > 3 * STT_SAMPLE_RATE


def test_a_word_that_nothing_follows_waits_longer() -> None:
    one = utterance(2.0)
    assert reading_again(one, word(" log", 2.0 - GUARD - 0.1)).stable == ""
    one = utterance(2.0)
    assert reading_again(one, word(" log", 2.0 - GUARD - 0.35)).stable == "log"


def test_a_mark_is_no_word_that_follows() -> None:
    one = utterance(2.0)
    assert reading_again(one, word(" log", 2.0 - GUARD - 0.1), word(".", 1.9)).stable == ""


@pytest.mark.parametrize(
    ("probability", "waits"), [(1.0, GUARD), (0.9, GUARD + 0.3), (0.7, GUARD + 0.9), (0.1, GUARD + 1.6)]
)
def test_a_doubtful_word_waits_the_longer(probability: float, waits: float) -> None:
    for age, stable in ((waits - 0.05, ""), (waits + 0.05, " that")):
        one = utterance(4.0)
        one.take(one.next_update(), heard(word(" I", 0.2), word(" say", 3.95)))
        found = word(" that", 4.0 - age, probability=probability), word(" is", 3.95)
        assert reading_again(one, *found).stable == stable


def test_the_first_word_waits_less() -> None:
    found = word(" So", 4.0 - GUARD - 0.1, probability=0.86), word(" is", 3.95)
    assert reading_again(utterance(4.0), *found).stable == "So"


def test_a_word_that_the_update_before_read_otherwise_waits_longer() -> None:
    one = utterance(2.0)
    one.take(one.next_update(), heard(word(" town", 1.4), word(" is", 1.9)))
    assert one.take(one.next_update(), heard(word(" tone", 1.4), word(" is", 1.9))).stable == ""
    assert one.take(one.next_update(), heard(word(" Tone,", 1.4), word(" is", 1.9))).stable == "Tone,"


def test_a_doubtful_word_waits_less_where_updates_are_rare() -> None:
    words = word(" So", 0.3), word(" that", 2.7, probability=0.7), word(" is", 3.9)
    often = utterance(3.6)
    often.take(often.next_update(), heard(*words))
    often.append(silence(0.4))
    assert often.take(often.next_update(), heard(*words[1:])).stable == " that"
    often, rare = utterance(3.6), utterance(2.0)
    words = word(" So", 0.3), word(" that", 2.9, probability=0.7), word(" is", 3.9)
    for one, more in ((often, 0.4), (rare, 2.0)):
        one.take(one.next_update(), heard(*words))
        one.append(silence(more))
    assert often.take(often.next_update(), heard(*words[1:])).stable == ""
    assert rare.take(rare.next_update(), heard(*words[1:])).stable == " that"


def test_a_mark_is_stable_with_the_word_that_follows_it() -> None:
    one = utterance(5.0)
    assert one.take(one.next_update(), heard(word(" Yes", 0.3), word(".", 0.6))).stable == "Yes"
    progress = one.take(one.next_update(), heard(word(".", 0.6, probability=0.3), word(" No", 3.0)))
    assert progress.stable == ". No"


def test_audio_is_read_without_the_stable_words_if_the_decoder_ends_with_them() -> None:
    one = Utterance("item", 0)
    said = np.full(3 * STT_SAMPLE_RATE, 0.1, np.float32)
    said[round(1.3 * STT_SAMPLE_RATE) : round(1.4 * STT_SAMPLE_RATE)] = 0
    one.append(said)
    one.take(one.next_update(), heard(word(" Yes", 1.0, 7)))
    update = one.next_update()
    assert (update.forced, update.offset) == ((7,), 0.0)
    one.take(update, heard(word(".", 1.5)))
    update = one.next_update()
    assert (update.forced, update.prompt) == ((), "Yes")
    assert 1.3 <= update.offset <= 1.4, "it begins where it is quietest"
    progress = one.take(update, heard(word(" No", 0.5, 8), word(" way", 1.6, 9)))
    assert (progress.stable, one.text) == (" No", "Yes No")
    assert one.words[-1].time == pytest.approx(update.offset + 0.5)


def test_a_pause_is_no_early_end_of_the_text() -> None:
    one = utterance(6.0)
    one.take(one.next_update(), heard(word(" Yes", 1.0, 7)))
    one.take(one.next_update(spoken=round(1.2 * STT_SAMPLE_RATE)), heard())
    assert one.next_update().forced == (7,)


def test_what_goes_back_to_audio_that_was_read_is_left_out() -> None:
    one = utterance(4.0)
    words = (word(" one", 0.5), word(" two", 2.0), word(" one", 0.5), word(" two", 2.0))
    progress = one.take(one.next_update(), heard(*words))
    assert progress.stable == "one two"
    assert progress.tentative == ""


def test_a_phrase_that_comes_again_sooner_than_anyone_says_it_is_left_out() -> None:
    one = utterance(3.0)
    loop = [word(" Congratulations", at) for at in (0.5, 0.6, 0.9, 1.0)]
    assert one.take(one.next_update(), heard(*loop, word(" You", 1.2))).stable == "Congratulations"
    assert one.whole_draft == (1,), "the loop is no draft"
    again = word(" congratulations,", 0.9), word(" you", 1.6)
    assert one.take(one.next_update(), heard(*again)).stable == "", "nor does it begin behind stable words"


def test_a_phrase_of_several_words_goes_round_in_a_loop_too() -> None:
    one = utterance(3.0)
    words = "To", "please", "enter", ".", "Please", "enter"
    read = [word(f" {text}", 0.5 + 0.05 * number) for number, text in enumerate(words)]
    assert one.take(one.next_update(), heard(*read)).stable == "To please enter"


def test_what_is_said_twice_is_read_twice() -> None:
    one = utterance(4.0)
    read = [word(text, 0.3 + 0.25 * number) for number, text in enumerate((" 5", " 5", " no", " no", " no"))]
    assert one.take(one.next_update(), heard(*read)).stable == "5 5 no no no"


def test_a_long_utterance_is_cut_behind_stable_words() -> None:
    one = utterance(1.0)
    for second in range(2, 40):
        one.append(silence(1.0))
        update = one.next_update()
        assert len(update.audio) <= 9 * STT_SAMPLE_RATE
        at = second - 1.5 - update.offset
        one.take(update, heard(word(f" number{second}", at, second), word(" x", at + 1.4)))
    assert one.text.split() == [f"number{second}" for second in range(2, 40)]
    update = one.next_update()
    assert update.offset > 20
    assert 0 < len(update.forced) < 15
    assert "number2" not in update.prompt.split(), "the prompt is bounded"
    assert update.prompt.split()[-1] == f"number{update.forced[0] - 1}", (
        "nothing is missing between prompt and words"
    )


def test_eight_seconds_without_a_word_are_dropped() -> None:
    one = utterance(9.0)
    update = one.next_update()
    assert update.offset == pytest.approx(5.0)
    assert update.forced == ()


def test_a_split_gives_back_what_follows() -> None:
    one = utterance(2.0)
    rest = one.split(STT_SAMPLE_RATE)
    assert one.seconds == 1.0
    assert len(rest) == STT_SAMPLE_RATE


@given(st.lists(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=8), max_size=12))
def test_stable_text_only_grows(updates: list[list[tuple[float, float]]]) -> None:
    one, said = Utterance("item", 0), ""
    for number, found in enumerate(updates):
        one.append(silence(0.5))
        update = one.next_update()
        length = update.end - update.offset
        words = [
            word(f" {number}.{at}", place * length, probability=sure)
            for at, (place, sure) in enumerate(found)
        ]
        progress = one.take(update, heard(*words))
        said += progress.stable
        assert one.text == said
        assert [one_word.time for one_word in one.words] == sorted(one_word.time for one_word in one.words)


@pytest.mark.parametrize(
    ("final", "stable", "rest"),
    [
        ("That agent is logged on. Please wait.", "That age is logged on", " Please wait."),
        ("That agent is logged on. Please wait.", "that agent is", " logged on. Please wait."),
        ("One two three four.", "One two tree", " four."),
        ("One two three.", "One two", " three."),
        ("One two three.", "", "One two three."),
        ("Good morning.", "Guten Tag", ""),
    ],
)
def test_the_end_of_a_final_text_is_given_though_it_differs(final: str, stable: str, rest: str) -> None:
    assert rest_of(final, stable) == rest


def at_pause(one: Utterance, spoken: float, *words: PartialWord) -> str:
    """What is stable after an update that found these words, `spoken` seconds after the start."""
    return one.take(one.next_update(round(spoken * STT_SAMPLE_RATE)), heard(*words)).stable


def test_at_a_pause_all_words_are_stable_but_doubtful_ones() -> None:
    assert at_pause(utterance(2.0), 1.8, word(" log", 1.5), word(" on", 1.75)) == "log on"
    assert at_pause(utterance(2.0), 1.8, word(" log", 1.5), word(" on", 1.75, probability=0.3)) == "log"
    assert at_pause(utterance(2.0), 1.8, word(" Yes", 1.0), word(".", 1.75)) == "Yes"


def test_what_is_read_behind_the_speech_was_not_said() -> None:
    assert (
        at_pause(utterance(2.5), 1.8, word(" log", 1.5), word(" on", 1.75), word(" Thanks", 2.2)) == "log on"
    )


def test_what_is_read_again_at_a_pause_was_said_once() -> None:
    one = utterance(1.0)
    assert at_pause(one, 0.8, word(" Thank", 0.3), word(" you", 0.7)) == "Thank you"
    one.append(silence(0.5))
    assert at_pause(one, 0.8, word(" Thank", 0.35), word(" you", 0.7)) == ""
    assert one.text == "Thank you"


def test_all_words_have_times_of_the_utterance() -> None:
    one = utterance(2.0)
    one.take(one.next_update(), heard(word(" The", 0.2, 5), word(" cat", 0.6, 6), word(" s", 1.9, 7)))
    one.append(silence(1.0))
    one.take(one.next_update(), heard(word(" sat", 2.9)))
    assert [(each.word, each.start) for each in one.all_words] == [
        (" The", 0.2),
        (" cat", 0.6),
        (" sat", 2.9),
    ]


def ended(spoken: float, *words: PartialWord, read: float | None = None) -> Utterance:
    """An utterance of 2 s with so many seconds of speech, of which the last update knew `read` seconds."""
    one = utterance(2.0)
    one.spoken = round(spoken * STT_SAMPLE_RATE)
    one.take(one.next_update(round((read or spoken) * STT_SAMPLE_RATE)), heard(*words))
    return one


def test_an_utterance_is_sure_if_all_of_it_is_read_and_every_word_is_stable_and_sure() -> None:
    log, on, mark = word(" log", 1.5), word(" on", 1.75), word(".", 1.8, probability=0.3)
    assert ended(1.8, log, on, mark).is_sure
    assert not ended(1.8, log, word(" on", 1.75, probability=0.7)).is_sure, "the last word is not stable"
    assert not ended(1.8, word(" log", 0.1, probability=0.5), on).is_sure, "stable, but doubtful"
    assert not ended(1.8, log, on, word(" Thanks", 1.95)).is_sure, "there are words behind the speech"
    assert not ended(1.8).is_sure, "nothing was read"
    assert not ended(1.8, log, on, read=1.6).is_sure, "speech went on after the last update"
    open_end = utterance(2.0)
    open_end.take(open_end.next_update(), heard(log, on))
    assert not open_end.is_sure, "it goes on"


def test_an_utterance_is_not_sure_where_words_may_be_missing() -> None:
    log, on = word(" log", 0.9, 5), word(" on", 1.4, 6)
    whole = ended(1.8, log, on)
    assert (whole.is_sure, whole.whole_draft, whole.stable_tokens) == (True, (5, 6), 2)
    doubtful = ended(1.8, log, word(" on", 1.4, 6, probability=0.1))
    assert (doubtful.whole_draft, doubtful.stable_tokens) == ((5, 6), 1), "the last word has not been told"
    early = ended(1.8, word(" log", 0.3), word(" on", 0.5), word(".", 1.8))
    assert not early.is_sure, "the decoder ended its text too early"
    assert (early.text, early.stable_tokens) == ("log on", 2), "it has been told all the same"
    looped = ended(1.8, word(" no", 0.9), word(" no", 0.95), word(" thanks", 1.6))
    assert (looped.text, looped.is_sure) == ("no", False), "there may be words behind a loop"
    told = utterance(2.0)
    told.spoken = round(1.8 * STT_SAMPLE_RATE)
    told.take(told.next_update(told.spoken), PartialTranscript((log, on), "en", 1.0, ends_in_loop=True))
    assert (told.text, told.is_sure) == ("log on", False)
    ahead = utterance(1.5)
    update = ahead.next_update(round(1.8 * STT_SAMPLE_RATE))
    ahead.append(silence(0.5))
    ahead.spoken = round(1.8 * STT_SAMPLE_RATE)
    ahead.take(update, heard(log, on))
    assert not ahead.is_sure, "the end of the speech came after the update"
    skipped = utterance(9.0)
    skipped.take(skipped.next_update(), heard())
    skipped.append(silence(1.0))
    skipped.spoken = round(9.8 * STT_SAMPLE_RATE)
    skipped.take(skipped.next_update(skipped.spoken), heard(word(" log", 4.0), word(" on", 4.5)))
    assert (skipped.text, skipped.is_read) == ("log on", True)
    assert (skipped.is_sure, skipped.stable_tokens) == (False, 0), "audio before was never understood"


def test_an_utterance_knows_whether_all_of_it_was_read_in_one_language() -> None:
    one = utterance(2.0)
    assert not one.is_in("en")
    one.take(one.next_update(), PartialTranscript((word(" So", 1.0), word(" is", 1.9)), "nl", 0.5))
    assert (one.text, one.is_in("nl"), one.is_in("en"), one.is_in(None)) == ("So", True, False, False)
    one.append(silence(1.0))
    one.take(one.next_update(), PartialTranscript((word(" is", 1.9), word(" it", 2.9)), "en", 0.9))
    assert not one.is_in("en")
    assert not one.is_in("nl")
