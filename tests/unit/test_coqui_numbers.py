"""The small parts under the Coqui engine: matrices, state, statistics, where speech ends."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from TTS.config.shared_configs import BaseAudioConfig
from TTS.utils.audio import AudioProcessor

from src.engines.coqui import matrix as our_matrix
from src.engines.coqui.matrix import matrix
from src.engines.coqui.sound import end_of_speech
from src.engines.coqui.state import Rows
from src.engines.coqui.stats import read_stats


@pytest.mark.parametrize(
    ("kind", "error"), [("float32", 1e-5), ("float16", 1e-3), ("bfloat16", 2e-2), ("int8", 5e-2)]
)
def test_a_matrix_multiplies_as_its_precision_allows_and_each_row_for_itself(
    kind: str, error: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "bfloat16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("oneDNN has no bfloat16 on this CPU: it is refused at the start")
    monkeypatch.setattr(our_matrix, "_SMALL", 0)
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(200, 96)
    layer.weight.data.normal_(0, 0.07, generator=generator)
    rows = torch.randn(5, 200, generator=generator) * torch.tensor([[1.0], [50.0], [0.01], [1.0], [3.0]])
    with torch.inference_mode():
        ours = matrix(layer.weight, layer.bias, kind)

        together = ours(rows)

        scale = rows.abs().amax(1, keepdim=True)
        assert together.dtype is torch.float32
        assert ((together - layer(rows)) / scale).abs().max() < error
        few = 3 if kind == "bfloat16" else 1  # a row or two are rounded in another way
        for at in range(6 - few):
            some = slice(at, at + few)
            # a sum of other order is off by a part of the numbers in it, not of what it comes to
            assert ((ours(rows[some]) - together[some]) / scale[some]).abs().max() < 2e-6
            assert ((ours(rows[at : at + 1]) - together[at : at + 1]) / scale[at]).abs().max() < error


def test_a_small_matrix_is_rounded_as_suits_the_number_of_rows_and_no_more() -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(96, 200, generator=generator) * 0.07, torch.randn(96, generator=generator)
    rows = torch.randn(5, 200, generator=generator) * torch.tensor([[1.0], [50.0], [0.01], [1.0], [3.0]])
    with torch.inference_mode():
        ours = matrix(weight, bias, "float32")
        together, exact = ours(rows), rows.double() @ weight.double().T + bias
        scale = rows.abs().amax(1, keepdim=True).clamp_min(1)
        assert ((together - exact) / scale).abs().max() < 1e-6
        for at in range(5):
            assert ((ours(rows[at : at + 1]) - together[at]) / scale[at]).abs().max() < 1e-6


def test_rows_join_and_leave_with_the_text_of_each_as_it_was() -> None:
    def rows(*lengths: int) -> Rows:
        width = max(lengths)
        inside = torch.arange(width) < torch.tensor(lengths)[:, None]
        return Rows({"inside": inside, "size": torch.tensor(lengths)}, {"inside": 1})

    state = rows(3, 5)
    state.join(rows(7))
    assert state["inside"].sum(1).tolist() == [3, 5, 7]
    state.join(rows(2))
    assert state["inside"].shape == (4, 7)

    state.keep([3, 1], width=5)

    assert state["inside"].shape == (2, 5)
    assert state["inside"].sum(1).tolist() == state["size"].tolist() == [2, 5]


def test_statistics_are_read_as_coqui_writes_them(tmp_path: Path) -> None:
    stats = {"mel_mean": np.arange(80.0), "mel_std": np.float64(2), "audio_config": {"fft_size": 1024}}
    np.save(tmp_path / "scale_stats.npy", stats)  # type: ignore[arg-type]

    read = read_stats(tmp_path / "scale_stats.npy")

    assert read["mel_mean"].tolist() == list(range(80))
    assert read["audio_config"] == {"fft_size": 1024}


class _Trap:
    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> Any:
        return (Path.touch, (self.sprung,))


def test_statistics_that_would_run_code_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "scale_stats.npy", np.array({"mel_mean": _Trap(tmp_path / "sprung")}, dtype=object))

    with pytest.raises(pickle.UnpicklingError, match="which is no number"):
        read_stats(tmp_path / "scale_stats.npy")

    assert not (tmp_path / "sprung").exists()


def _speech(*loud: tuple[float, float], seconds: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    samples = np.zeros(round(seconds * 16_000), np.float32)
    for start, end in loud:
        samples[round(start * 16_000) : round(end * 16_000)] = 0.5
    return samples


@pytest.fixture
def audio() -> AudioProcessor:
    return AudioProcessor(BaseAudioConfig(sample_rate=16_000))


def test_silence_after_the_last_word_is_cut_where_coqui_cuts_it(audio: AudioProcessor) -> None:
    samples = _speech((0.1, 1.3), seconds=4)

    end = end_of_speech(samples, audio)

    assert end == audio.find_endpoint(samples) < 2.0 * 16_000


def test_speech_after_a_pause_is_kept_which_coqui_would_cut(audio: AudioProcessor) -> None:
    samples = _speech((0.1, 1.0), (2.5, 3.9), seconds=4)

    assert end_of_speech(samples, audio) == len(samples)
    assert audio.find_endpoint(samples) < 2.5 * 16_000


def test_sound_without_silence_is_kept_whole(audio: AudioProcessor) -> None:
    assert end_of_speech(_speech((0, 2), seconds=2), audio) == 32_000
    assert end_of_speech(np.zeros(0, np.float32), SimpleNamespace(**vars(audio))) == 0
