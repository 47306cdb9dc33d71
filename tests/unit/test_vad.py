from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from src.engines.silero import CONTEXT, FRAME, rewritten
from src.engines.vad import STATE, SpeechDetector
from tests.support.speech import clip, silence


def test_blocks_give_what_faster_whisper_gives_for_the_whole_file() -> None:
    from faster_whisper.vad import get_vad_model

    audio = np.concatenate([clip("en-agent"), silence(1), clip("es-agent")])
    whole = get_vad_model()(np.pad(audio, (0, -len(audio) % FRAME))).reshape(-1)
    detector = SpeechDetector()
    cuts = [0, 100, 700, 16_000, 16_001, 50_000, len(audio)]
    pieces = [detector.push(audio[start:end]) for start, end in pairwise(cuts)]
    assert np.concatenate([*pieces, detector.finish()]) == pytest.approx(whole, abs=1e-3)


@pytest.mark.parametrize("frames", [1, 2, 300])
def test_the_rewritten_network_gives_what_the_published_one_gives(frames: int) -> None:
    import onnxruntime
    from faster_whisper.utils import get_assets_path

    path = Path(get_assets_path()) / "silero_vad_v6.onnx"
    audio = clip("en-agent")[: FRAME * 20]
    one = np.lib.stride_tricks.sliding_window_view(audio, FRAME + CONTEXT)[:: len(audio) // (2 * frames)]
    fed = {"input": one[:frames].copy(), "h": np.ones(STATE, np.float32), "c": np.ones(STATE, np.float32)}
    ours, theirs = (
        onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, fed)
        for model in (rewritten(path), path.read_bytes())
    )
    assert len(ours[0]) == frames
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other, abs=1e-4)


def test_nothing_gives_nothing() -> None:
    detector = SpeechDetector()
    assert len(detector.push(silence(0))) == len(detector.finish()) == 0


def test_an_unfinished_frame_is_judged_at_the_end() -> None:
    detector = SpeechDetector()
    assert len(detector.push(np.zeros(FRAME + 1, np.float32))) == 1
    assert len(detector.finish()) == 1
    assert len(detector.finish()) == 0
