"""The small parts of the Coqui engine: linear layers, decoder state, statistics, the end of speech."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from TTS.config.shared_configs import BaseAudioConfig
from TTS.utils.audio import AudioProcessor

from src.engines.coqui import linear
from src.engines.coqui.decoder_state import DecoderState
from src.engines.coqui.linear import linear_layer
from src.engines.coqui.postprocess import end_of_speech
from src.engines.coqui.stats import read_stats


@pytest.mark.instructions
@pytest.mark.parametrize(
    ("kind", "error"), [("float32", 1e-5), ("float16", 1e-3), ("bfloat16", 2.5e-2), ("int8", 5e-2)]
)
def test_a_layer_is_as_exact_as_its_precision_allows_for_each_row_alone_and_in_a_batch(
    kind: str, error: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "bfloat16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("oneDNN has no bfloat16 on this CPU: it is refused at the start")
    monkeypatch.setattr(linear, "_PLAIN_WEIGHTS", 0)
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(200, 96)
    layer.weight.data.normal_(0, 0.07, generator=generator)
    rows = torch.randn(5, 200, generator=generator) * torch.tensor([[1.0], [50.0], [0.01], [1.0], [3.0]])
    with torch.inference_mode():
        ours = linear_layer(layer.weight, layer.bias, kind)

        together = ours(rows.clone())

        scale = rows.abs().amax(1, keepdim=True)
        assert together.dtype is torch.float32
        assert ((together - layer(rows)) / scale).abs().max() < error
        few = 3 if kind == "bfloat16" else 1  # a row or two are rounded in another way
        for at in range(6 - few):
            some = slice(at, at + few)
            # a sum of other order is off by a part of the numbers in it, not of what it comes to
            assert ((ours(rows[some].clone()) - together[some]) / scale[some]).abs().max() < 2e-6
            assert ((ours(rows[at : at + 1].clone()) - together[at : at + 1]) / scale[at]).abs().max() < error


@pytest.mark.instructions
def test_a_small_layer_differs_by_rounding_only_between_batch_sizes() -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(96, 200, generator=generator) * 0.07, torch.randn(96, generator=generator)
    rows = torch.randn(5, 200, generator=generator) * torch.tensor([[1.0], [50.0], [0.01], [1.0], [3.0]])
    with torch.inference_mode():
        ours = linear_layer(weight, bias, "float32")
        together, exact = ours(rows), rows.double() @ weight.double().T + bias
        scale = rows.abs().amax(1, keepdim=True).clamp_min(1)
        assert ((together - exact) / scale).abs().max() < 1e-6
        for at in range(5):
            assert ((ours(rows[at : at + 1]) - together[at]) / scale[at]).abs().max() < 1e-6


def test_appended_and_selected_rows_keep_their_text() -> None:
    def rows(*lengths: int) -> DecoderState:
        width = max(lengths)
        mask = torch.arange(width) < torch.tensor(lengths)[:, None]
        return DecoderState({"mask": mask, "size": torch.tensor(lengths)}, {"mask": 1})

    state = rows(3, 5)
    state.append(rows(7))
    assert state["mask"].sum(1).tolist() == [3, 5, 7]
    state.append(rows(2))
    assert state["mask"].shape == (4, 7)

    state.select([3, 1], width=5)

    assert state["mask"].shape == (2, 5)
    assert state["mask"].sum(1).tolist() == state["size"].tolist() == [2, 5]


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
