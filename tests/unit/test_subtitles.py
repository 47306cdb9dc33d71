import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.engines.base import Segment, Word
from src.services.subtitles import Cue, cues, to_srt, to_vtt


def segment(start: float, end: float, text: str, words: tuple[Word, ...] | None = None) -> Segment:
    return Segment(start, end, text, avg_logprob=-0.2, no_speech_prob=0.0, words=words)


def test_srt() -> None:
    said = [segment(0.5, 2.5, "Hello there."), segment(3661.0014, 3663.5, " Good bye.")]
    assert to_srt(said) == (
        "1\n00:00:00,500 --> 00:00:02,500\nHello there.\n\n2\n01:01:01,001 --> 01:01:03,500\nGood bye.\n"
    )


def test_vtt_escapes_what_would_be_markup() -> None:
    said = [segment(0, 2, "R&D: a < b --> c")]
    assert to_vtt(said) == "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nR&amp;D: a &lt; b --&gt; c\n"


def test_an_arrow_in_the_text_is_no_time_line() -> None:
    assert to_srt([segment(0, 2, "a --> b")]).count("-->") == 1


def test_nothing_said() -> None:
    assert to_srt([]) == ""
    assert to_vtt([]) == "WEBVTT\n"
    assert cues([segment(0, 1, "  ")]) == []


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (1.001, "00:00:01,001"),
        (59.9996, "00:01:00,000"),
        (3599.9999, "01:00:00,000"),
        (0.0004, "00:00:00,000"),
    ],
)
def test_times_round(seconds: float, shown: str) -> None:
    assert to_srt([segment(seconds, seconds + 2, "Yes.")]).split("\n")[1].startswith(shown)


def test_a_sentence_too_long_for_two_lines_breaks_at_its_comma() -> None:
    text = "Thank you for calling the company, whose products have been the talk of this town for years"
    first, second = cues([segment(0, 6, text)])
    assert " ".join(first.lines) == "Thank you for calling the company,"
    assert second.lines[0].startswith("whose")
    assert first.end <= second.start


def test_words_times_are_used() -> None:
    words = (Word(0.0, 0.5, " One", 0.9), Word(4.0, 4.5, " two.", 0.9))
    assert cues([segment(0, 4.5, "One two.", words)]) == [Cue(0, 1000, ("One",)), Cue(4000, 5000, ("two.",))]


def test_words_that_do_not_make_up_the_text_are_not_trusted() -> None:
    [cue] = cues([segment(0, 2, "One two.", (Word(0, 9, " Three", 0.9),))])
    assert (cue.start, cue.end) == (0, 2000)


def test_a_word_longer_than_a_line_stands_alone() -> None:
    [cue] = cues([segment(0, 3, "a internationalisation b")], max_line_width=10, max_line_count=3)
    assert cue.lines == ("a", "internationalisation", "b")


def test_scripts_without_spaces_break_anywhere_but_before_punctuation() -> None:
    shown = cues([segment(0, 20, "今日は良い天気ですね、" * 8)], max_line_width=12)
    assert all(len(line) <= 12 for cue in shown for line in cue.lines)
    assert not any(line.startswith("、") for cue in shown for line in cue.lines)
    assert "".join(line for cue in shown for line in cue.lines) == "今日は良い天気ですね、" * 8


words_of_text = st.lists(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=15),
    min_size=1,
    max_size=30,
)
gaps = st.floats(0, 8, allow_nan=False)


@st.composite
def transcripts(draw: st.DrawFn) -> list[Segment]:
    at, found = 0.0, []
    for texts in draw(st.lists(words_of_text, min_size=1, max_size=6)):
        at += draw(gaps)
        start, words = at, []
        timed = draw(st.booleans())
        for text in texts:
            begins = at + (draw(gaps) / 8 if timed else 0)
            at = begins + draw(gaps) / 8
            words.append(Word(begins, at, " " + text, 1.0))
        found.append(segment(start, at, " ".join(texts), tuple(words) if timed else None))
    return found


@given(transcripts(), st.integers(10, 60), st.integers(1, 4))
def test_any_transcript_makes_readable_subtitles(said: list[Segment], width: int, count: int) -> None:
    shown = cues(said, width, count)
    for cue in shown:
        assert 1 <= len(cue.lines) <= count
        assert all(len(line) <= width or " " not in line for line in cue.lines)
        assert all(line and line == line.strip() for line in cue.lines)
        assert 0 < cue.end - cue.start <= 7000
    for cue, after in pairwise(shown):
        assert cue.start < after.start
        assert cue.end <= after.start
        assert cue.end - cue.start >= 1000 or cue.end == after.start
    squeezed = "".join(line for cue in shown for line in cue.lines)
    assert re.sub(r"\s", "", squeezed) == re.sub(r"\s", "", "".join(one.text for one in said))


@given(transcripts())
def test_clocks_are_real_clocks(said: list[Segment]) -> None:
    for clock in re.findall(r"\d\d:\d\d:\d\d[.,]\d\d\d", to_srt(said) + to_vtt(said)):
        assert re.fullmatch(r"\d\d:[0-5]\d:[0-5]\d[.,]\d{3}", clock)
