"""Log-mel spectrograms against faster-whisper's."""

from pathlib import Path

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from src.engines.whisper.features import Features
from tests.support.speech import clip


@pytest.mark.parametrize("mels", [80, 128])
def test_the_filters_without_their_zeros_give_the_same_spectrogram(tmp_path: Path, mels: int) -> None:
    audio = clip("en-agent")
    mine = Features(tmp_path, mels)(audio)
    theirs = FeatureExtractor(feature_size=mels)(audio)[:, :3000]
    assert mine.shape == theirs.shape
    assert mine.dtype == np.float32
    np.testing.assert_allclose(mine, theirs, atol=2e-6)
