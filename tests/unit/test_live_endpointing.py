"""Where utterances begin and end."""

from collections.abc import Sequence
from unittest import mock

import numpy as np
import pytest

from src.engines.base import STT_SAMPLE_RATE
from src.engines.silero import FRAME
from src.services.live.endpointing import Edge, Endpointer, Turn, TurnDetection

FRAMES = STT_SAMPLE_RATE / FRAME


def judged(endpointer: Endpointer, probabilities: Sequence[float]) -> list[Turn]:
    """The turns that these probabilities of speech make, one a frame of 32 ms."""
    with mock.patch.object(endpointer, "_detector") as detector:
        detector.push.return_value = np.array(probabilities, np.float32)
        return endpointer.push(np.zeros(len(probabilities) * FRAME, np.float32))


def test_speech_begins_with_its_prefix_and_ends_after_the_silence() -> None:
    endpointer = Endpointer(TurnDetection())
    turns = judged(endpointer, [0.0] * 40 + [0.9] * 20 + [0.0] * 30)
    assert [turn.edge for turn in turns] == [Edge.START, Edge.STOP]
    assert turns[0].sample == 40 * FRAME - round(0.3 * STT_SAMPLE_RATE)
    assert turns[1].sample == 60 * FRAME


def test_a_click_begins_nothing() -> None:
    assert judged(Endpointer(TurnDetection()), [0.0, 0.9, 0.0] * 10) == []


def test_a_short_pause_does_not_end_it() -> None:
    endpointer = Endpointer(TurnDetection())
    turns = judged(endpointer, [0.9] * 20 + [0.0] * 10 + [0.9] * 20)
    assert [turn.edge for turn in turns] == [Edge.START]
    assert endpointer.speaking


def test_the_next_one_does_not_begin_before_the_last_one_ended() -> None:
    endpointer = Endpointer(TurnDetection(prefix_seconds=1.5))
    judged(endpointer, [0.9] * 20 + [0.0] * 16)
    [turn] = judged(endpointer, [0.9] * 3)
    assert turn.sample == 36 * FRAME


@pytest.mark.parametrize(("text", "silent"), [("It is done.", 0.4), ("It is", 2.0)])
def test_an_unfinished_sentence_may_pause_longer(text: str, silent: float) -> None:
    endpointer = Endpointer(TurnDetection(silence_seconds=0.4, unfinished_seconds=2.0))
    judged(endpointer, [0.9] * 20)
    endpointer.note_text(text)
    before = int(silent * FRAMES) - 1
    assert judged(endpointer, [0.0] * before) == []
    assert [turn.edge for turn in judged(endpointer, [0.0] * 3)] == [Edge.STOP]


def test_the_quietest_place_is_found() -> None:
    endpointer = Endpointer(TurnDetection(prefix_seconds=0))
    judged(endpointer, [0.9] * 20 + [0.5] + [0.9] * 20)
    assert endpointer.quietest(0, 41 * FRAME) == 20 * FRAME
    endpointer.cut(20 * FRAME)
    assert endpointer.quietest(20 * FRAME, 41 * FRAME) == 20 * FRAME
