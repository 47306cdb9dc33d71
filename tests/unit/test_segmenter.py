"""Where a file is cut, and how times in a chunk become times in the file."""

from itertools import pairwise

import numpy as np
import pytest

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.services.transcription.segmenter import MAX_SECONDS, Chunk, SpeechSegmenter
from tests.support.speech import clip, music, noise, seconds, silence, typing


def cut(audio: Audio, block: int = STT_SAMPLE_RATE) -> list[Chunk]:
    segmenter = SpeechSegmenter()
    chunks = [chunk for at in range(0, len(audio), block) for chunk in segmenter.push(audio[at : at + block])]
    return [*chunks, *segmenter.finish()]


def test_speech_between_silences_is_found() -> None:
    speech = clip("en-agent")
    [chunk] = cut(np.concatenate([silence(3), speech, silence(4)]))
    # a second of silence stays before it, a third of one after it
    assert chunk.start_in_recording(0) == pytest.approx(2, abs=0.5)
    assert chunk.end_in_recording(seconds(chunk.audio)) == pytest.approx(3 + seconds(speech), abs=0.5)


def test_a_short_clip_is_read_as_it_was_recorded() -> None:
    speech = clip("en-extended")
    [chunk] = cut(np.concatenate([silence(0.5), speech, silence(0.5)]))
    assert chunk.start_in_recording(0) == 0
    assert seconds(chunk.audio) == pytest.approx(seconds(speech) + 1, abs=0.04)


@pytest.mark.parametrize("audio", [silence(0), silence(5), noise(10), typing(10), music(10)], ids=len)
def test_what_is_not_speech_is_left_out(audio: Audio) -> None:
    assert sum(seconds(chunk.audio) for chunk in cut(audio)) < 1


def test_pauses_are_left_out_and_times_lead_back_over_them() -> None:
    first, second = clip("en-extended"), clip("en-agent")
    [chunk] = cut(np.concatenate([first, silence(20), second]))
    assert seconds(chunk.audio) < seconds(first) + seconds(second) + 1
    assert chunk.start_in_recording(0) == pytest.approx(0, abs=0.1)
    end = chunk.end_in_recording(seconds(chunk.audio))
    assert end == pytest.approx(seconds(first) + 20 + seconds(second), abs=0.3)
    border = chunk.spans[1].at / STT_SAMPLE_RATE
    assert chunk.end_in_recording(border) < seconds(first) + 1
    assert chunk.start_in_recording(border) > 20
    start, end = chunk.word_in_recording(border - 0.3, border + 0.1)
    assert 0 < end - start <= 0.4  # a word is not stretched over the pause


def test_blocks_of_any_size_are_cut_alike() -> None:
    audio = np.concatenate([clip("en-busy"), silence(1), clip("es-agent"), silence(2), clip("en-agent")])
    one, other = cut(audio, STT_SAMPLE_RATE), cut(audio, 777)
    assert [chunk.spans for chunk in one] == [chunk.spans for chunk in other]
    assert all(np.array_equal(a.audio, b.audio) for a, b in zip(one, other, strict=True))


def test_speech_without_a_pause_is_cut_and_none_of_it_lost() -> None:
    speech = clip("en-busy")
    speech = speech[np.flatnonzero(np.abs(speech) > 0.01)[0] : np.flatnonzero(np.abs(speech) > 0.01)[-1]]
    audio = np.tile(speech, 12)
    chunks = cut(audio)
    assert len(chunks) > 4
    assert all(seconds(chunk.audio) <= MAX_SECONDS for chunk in chunks)
    spans = [span for chunk in chunks for span in chunk.spans]
    assert spans[0].start == 0
    for span, after in pairwise(spans):
        assert after.start == span.start + span.length
    assert spans[-1].start + spans[-1].length >= len(audio) - STT_SAMPLE_RATE


def test_a_chunk_is_the_files_own_samples() -> None:
    audio = np.concatenate([silence(1), clip("en-agent"), silence(2), clip("en-extended"), silence(1)])
    for chunk in cut(audio):
        for span in chunk.spans:
            own = audio[span.start : span.start + span.length]
            assert np.array_equal(chunk.audio[span.at : span.at + span.length], own)


def test_what_the_text_does_not_reach_is_left_to_read() -> None:
    first, second = clip("en-extended"), clip("en-agent")
    audio = np.concatenate([first, silence(20), second, silence(3)])
    [chunk] = cut(audio)
    said = seconds(chunk.audio) - 0.32  # which is kept after speech
    assert chunk.unread(said) is None
    assert chunk.unread(said - 0.5) is None
    assert chunk.unread(0) is None  # nothing would ever be read
    assert chunk.unread(0.9) is None, "too little was read to hope that the rest is"
    for end in (1.0, chunk.spans[1].at / STT_SAMPLE_RATE + 0.5):
        left = chunk.unread(end)
        assert left is not None
        for span in left.spans:
            own = audio[span.start : span.start + span.length]
            assert np.array_equal(left.audio[span.at : span.at + span.length], own)
        assert sum(span.length for span in left.spans) == len(left.audio) == len(chunk.audio) - end * 16000
        assert left.start_in_recording(0) == pytest.approx(chunk.start_in_recording(end))
        assert left.unread(said - end) is None


def test_the_speech_that_goes_on_is_offered_before_its_chunk_is_complete() -> None:
    speech = clip("en-agent")
    audio = np.concatenate([silence(2), speech, silence(0.5)])
    segmenter = SpeechSegmenter()
    assert segmenter.pending() is None
    lengths: list[int] = []
    for at in range(0, len(audio), 8000):
        assert not list(segmenter.push(audio[at : at + 8000]))
        chunk = segmenter.pending()
        if chunk is None:
            assert at < 3 * STT_SAMPLE_RATE
            continue
        lengths.append(len(chunk.audio))
        for span in chunk.spans:
            own = audio[span.start : span.start + span.length]
            assert np.array_equal(chunk.audio[span.at : span.at + span.length], own)
    assert lengths == sorted(lengths)
    assert seconds(speech) - 1 < lengths[-1] / STT_SAMPLE_RATE < seconds(speech) + 2
    [complete] = segmenter.finish()
    assert np.array_equal(complete.audio[: lengths[-1]], audio[complete.spans[0].start :][: lengths[-1]])
    assert segmenter.pending() is None


@pytest.mark.parametrize("length", [1.0, 5.0, 60.0])
def test_a_chunk_in_pieces_is_the_same_audio_at_the_same_place(length: float) -> None:
    audio = np.concatenate([silence(3), clip("en-extended"), silence(20), clip("en-agent"), silence(3)])
    [chunk] = cut(audio)
    pieces = chunk.pieces(length)
    assert all(0 < piece.seconds <= length for piece in pieces)
    assert np.array_equal(np.concatenate([piece.audio for piece in pieces]), chunk.audio)
    at = 0.0
    for piece in pieces:
        for span in piece.spans:
            own = audio[span.start : span.start + span.length]
            assert np.array_equal(piece.audio[span.at : span.at + span.length], own)
            assert span.start <= span.speech_start <= span.speech_end <= span.start + span.length
        assert sum(span.length for span in piece.spans) == len(piece.audio)
        assert piece.start_in_recording(0) == pytest.approx(chunk.start_in_recording(at))
        at += piece.seconds
    if length == 1.0:
        border = chunk.audio[len(pieces[0].audio) - 800 :][:1600]
        assert np.abs(border).max() <= np.abs(chunk.audio).max() / 2, "it is cut where it is quiet"
