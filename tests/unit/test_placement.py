"""Times of segments: those of their speech, without the pauses that a chunk leaves out."""

from itertools import pairwise

import numpy as np
import pytest

from src.engines.base import STT_SAMPLE_RATE, Segment, Word
from src.services.transcription.placement import in_recording
from src.services.transcription.segmenter import Chunk, Span, SpeechSegmenter
from tests.support.speech import clip, seconds, silence

RATE = STT_SAMPLE_RATE


def chunk(*speech: tuple[float, float]) -> Chunk:
    """A chunk of speech at these times of a recording, with a third of a second kept around each."""
    spans, at = [], 0
    for start, end in speech:
        first = max(0, round((start - 0.3) * RATE))
        length = round((end + 0.3) * RATE) - first
        spans.append(Span(at, first, length, round(start * RATE), round(end * RATE)))
        at += length
    return Chunk(np.zeros(at, np.float32), tuple(spans), at)


def placed(held: Chunk, *segments: Segment, spaced: bool = True) -> list[tuple[float, float, str]]:
    found = [part for segment in segments for part in in_recording(held, segment, spaced=spaced)]
    return [(round(part.start, 2), round(part.end, 2), part.text) for part in found]


def said(start: float, end: float, text: str, words: tuple[Word, ...] | None = None) -> Segment:
    return Segment(start, end, text, -0.2, 0.0, words)


TWO = chunk((1.0, 5.0), (15.0, 20.0))
"""In the chunk: speech from 0.3 to 4.3 and from 4.9 to 9.9, the border at 4.6."""


@pytest.mark.parametrize("end", [4.0, 4.3, 4.6, 4.9, 5.2])
def test_a_segment_ends_with_its_speech_however_rough_the_models_times_are(end: float) -> None:
    [first, second] = placed(TWO, said(0, end, " One."), said(end, 9.9, " Two."))
    assert first == (0.9, min(5.1, round(end + 0.7, 2)), " One.")
    assert second == (max(14.9, round(end + 10.1, 2)), 20.0, " Two.")


def test_a_segment_that_spans_a_pause_is_cut_there() -> None:
    [first, second] = placed(TWO, said(0, 9.9, " This was said. And that was said later."))
    assert first == (0.9, 5.1, " This was said.")
    assert second == (14.9, 20.0, " And that was said later.")


def test_without_a_mark_it_is_cut_by_the_time_of_its_words() -> None:
    [first, second] = placed(TWO, said(0, 9.9, " one two three four five six seven eight nine"))
    assert first[2] == " one two three four"
    assert second[2] == " five six seven eight nine"


def test_a_language_without_spaces_is_cut_between_characters() -> None:
    [first, second] = placed(TWO, said(0, 9.9, "今日はいい。明日も雨でしょう"), spaced=False)
    assert (first[2], second[2]) == ("今日はいい。", "明日も雨でしょう")


def test_a_short_pause_is_no_reason_to_cut() -> None:
    [one] = placed(chunk((1.0, 5.0), (6.0, 8.0)), said(0, 6.9, " A sentence, with a breath."))
    assert one[:2] == (0.9, 8.0)


def test_a_word_alone_cannot_be_cut_and_stands_where_most_of_it_is() -> None:
    [one] = placed(TWO, said(0, 9.9, " Telemarketers"))
    assert one == (14.9, 20.0, " Telemarketers")


def test_words_with_times_are_parted_where_they_are() -> None:
    words = (
        Word(0.3, 1.0, " It", 0.9),
        Word(1.0, 4.2, " rained.", 0.9),
        Word(4.9, 9.0, " Later", 0.9),
    )
    [first, second] = in_recording(TWO, said(0, 9.9, " It rained. Later", words), spaced=True)
    assert (first.text, second.text) == (" It rained.", " Later")
    assert first.words is not None
    assert second.words is not None
    assert (first.start, first.end) == (first.words[0].start, first.words[-1].end)
    assert (second.start, len(second.words)) == (second.words[0].start, 1)


def test_what_is_outside_of_speech_keeps_its_place() -> None:
    """Quiet speech that voice activity detection has not seen."""
    [one] = placed(TWO, said(4.35, 4.55, " Hm."))
    assert one[0] == pytest.approx(5.05, abs=0.02)
    assert one[1] == pytest.approx(5.25, abs=0.02)


@pytest.mark.parametrize("pause", [3, 5, 10, 20])
def test_spans_know_where_speech_is(pause: float) -> None:
    """With the real detector: the speech of two clips, and a pause between them."""
    speech = clip("en-agent")
    segmenter = SpeechSegmenter()
    chunks = [*segmenter.push(np.concatenate([speech, silence(pause), speech])), *segmenter.finish()]
    spans = [span for one in chunks for span in one.spans]
    loud = np.flatnonzero(np.abs(speech) > 0.02) / RATE
    later = seconds(speech) + pause
    assert spans[0].speech_start / RATE == pytest.approx(loud[0], abs=0.3)
    assert spans[-1].speech_end / RATE == pytest.approx(later + loud[-1], abs=0.3)
    breaks = [(a.speech_end / RATE, b.speech_start / RATE) for a, b in pairwise(spans)]
    assert any(end < seconds(speech) + 0.3 and start > later - 0.3 for end, start in breaks)
