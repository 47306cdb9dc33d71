from itertools import pairwise

import numpy as np
import pytest

from src.engines.vad import FRAME, SpeechDetector
from tests.support.speech import clip, silence


def test_blocks_give_what_faster_whisper_gives_for_the_whole_file() -> None:
    from faster_whisper.vad import get_vad_model

    audio = np.concatenate([clip("en-agent"), silence(1), clip("es-agent")])
    whole = get_vad_model()(np.pad(audio, (0, -len(audio) % FRAME))).reshape(-1)
    detector = SpeechDetector()
    cuts = [0, 100, 700, 16_000, 16_001, 50_000, len(audio)]
    pieces = [detector.push(audio[start:end]) for start, end in pairwise(cuts)]
    assert np.concatenate([*pieces, detector.finish()]) == pytest.approx(whole, abs=1e-3)


def test_nothing_gives_nothing() -> None:
    detector = SpeechDetector()
    assert len(detector.push(silence(0))) == len(detector.finish()) == 0


def test_an_unfinished_frame_is_judged_at_the_end() -> None:
    detector = SpeechDetector()
    assert len(detector.push(np.zeros(FRAME + 1, np.float32))) == 1
    assert len(detector.finish()) == 1
    assert len(detector.finish()) == 0
