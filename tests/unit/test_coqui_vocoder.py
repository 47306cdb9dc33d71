"""From decoder steps to samples: in chunks, by other threads, and with the samples of Coqui."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from TTS.config.shared_configs import BaseAudioConfig
from TTS.tts.configs.tacotron2_config import Tacotron2Config
from TTS.tts.models.tacotron2 import Tacotron2
from TTS.utils.audio import AudioProcessor
from TTS.vocoder.models.fullband_melgan_generator import FullbandMelganGenerator
from TTS.vocoder.models.hifigan_generator import HifiganGenerator
from TTS.vocoder.models.melgan_generator import MelganGenerator
from TTS.vocoder.models.multiband_melgan_generator import MultibandMelganGenerator

from src.engines.base import Audio
from src.engines.convolution import TransposedConvolution, channels_last
from src.engines.coqui import hifigan as our_hifigan
from src.engines.coqui import melgan as our_melgan
from src.engines.coqui.hifigan import HifiGan
from src.engines.coqui.loading import Networks
from src.engines.coqui.melgan import MelGan
from src.engines.coqui.streaming_vocoder import ChunkedVocoder, StreamingSynthesis
from src.engines.coqui.vocoder import GanVocoder, GriffinLim
from src.engines.worker_pool import Task, WorkerPool

pytestmark = pytest.mark.instructions

MELS = 80


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def hifigan(**settings: Any) -> HifiganGenerator:
    chosen: dict[str, Any] = {
        "in_channels": MELS,
        "out_channels": 1,
        "resblock_type": "1",
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
        "resblock_kernel_sizes": [3, 7, 11],
        "upsample_kernel_sizes": [16, 16, 4, 4],
        "upsample_initial_channel": 128,
        "upsample_factors": [8, 8, 2, 2],
    } | settings
    made = HifiganGenerator(**chosen).eval()
    made.remove_weight_norm()
    return made


HIFIGANS: dict[str, dict[str, Any]] = {
    "released": {},
    "other blocks": {"resblock_type": "2", "resblock_dilation_sizes": [[1, 3], [1, 3], [1, 3]]},
    # 75 samples a frame: what two at a time cannot be done with; kernels no multiple of their strides
    "odd": {
        "upsample_factors": [5, 5, 3],
        "upsample_kernel_sizes": [11, 9, 7],
        "upsample_initial_channel": 64,
    },
}


@pytest.mark.parametrize("frames", [1, 2, 37])
@pytest.mark.parametrize(
    "settings",
    [*HIFIGANS.values(), {"conv_post_bias": False, "inference_padding": 0}],
    ids=[*HIFIGANS, "no padding"],
)
def test_our_hifigan_makes_coquis_samples(settings: dict[str, Any], frames: int) -> None:
    theirs = hifigan(**settings)
    assert our_hifigan.fits(theirs)
    mel = torch.randn(1, MELS, frames)
    with torch.inference_mode():
        ours = HifiGan(theirs).inference(mel)
        expected = theirs.inference(mel)
    assert ours.shape == expected.shape
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(ours, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("settings", HIFIGANS.values(), ids=HIFIGANS)
def test_what_hifigan_leaves_out_changes_nothing_of_the_rest(settings: dict[str, Any]) -> None:
    ours, mel, field = HifiGan(hifigan(**settings)), torch.randn(1, MELS, 70), 16
    frame = ours.samples_per_frame
    with torch.inference_mode():
        whole = ours.inference(mel)
        edge = (whole.shape[2] - 70 * frame) // 2
        # a sentence may begin or end in what is context
        for first, last in ((0, 30), (30, 31), (20, 54), (40, 70), (3, 30), (40, 69), (1, 68)):
            left, right = min(field, first), min(field, 70 - last)
            made = ours.inference(mel[..., first - left : last + right], left, right)
            begin = edge + first * frame if first else 0
            end = edge + last * frame if last < 70 else whole.shape[2]
            torch.testing.assert_close(made, whole[..., begin:end], rtol=0, atol=1e-6)


def test_a_hifigan_with_more_to_it_is_left_to_coqui() -> None:
    assert not our_hifigan.fits(hifigan(cond_channels=16))
    assert not our_hifigan.fits(melgan(num_res_blocks=1))


def melgan(kind: type[MelganGenerator] = FullbandMelganGenerator, **settings: Any) -> MelganGenerator:
    chosen: dict[str, Any] = {
        "base_channels": 128,
        "upsample_factors": (8, 8, 4),
        "num_res_blocks": 4,
    } | settings
    made = kind(**chosen).eval()
    with torch.no_grad():
        for weights in made.parameters():
            if weights.dim() > 1:  # louder than Coqui's initial weights, which whisper
                weights.mul_(1.3)
    made.remove_weight_norm()
    return made


@pytest.mark.parametrize(
    ("settings", "frames"),
    [
        ({}, (1, 2, 37)),
        # as many samples as several tiles have, and one more
        ({"base_channels": 512}, (60, 141, 300)),
        ({"kind": MelganGenerator, "upsample_factors": (8, 8, 2, 2), "num_res_blocks": 3}, (1, 20)),
        ({"upsample_factors": (5, 3), "num_res_blocks": 2, "proj_kernel": 5, "res_kernel": 5}, (9, 10)),
    ],
    ids=["released", "long", "plain", "odd"],
)
def test_our_melgan_makes_coquis_samples(settings: dict[str, Any], frames: tuple[int, ...]) -> None:
    theirs = melgan(**settings)
    assert our_melgan.fits(theirs)
    ours = MelGan(theirs)
    for count in frames:
        mel = torch.randn(1, MELS, count)
        with torch.inference_mode():
            made = ours.inference(mel)
            expected = theirs.inference(mel)
        assert made.shape == expected.shape
        assert expected.abs().max() > 0.01
        torch.testing.assert_close(made, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("stride", "taps", "padding", "more"), [(4, 8, 2, 0), (5, 11, 3, 0), (3, 3, 0, 2)])
def test_a_slice_of_an_upsampled_tensor_is_that_slice_of_the_whole(
    stride: int, taps: int, padding: int, more: int
) -> None:
    theirs = torch.nn.ConvTranspose1d(6, 3, taps, stride, padding, more)
    up = TransposedConvolution(theirs)
    x = torch.randn(1, 6, 20)
    with torch.inference_mode():
        whole = theirs(x)[0]
        assert up.length(20) == whole.shape[1]
        for first, last in ((0, whole.shape[1]), (0, 7), (13, 14), (7, 31), (22, whole.shape[1])):
            part = up(channels_last(x[:, :, None]), first, last)
            torch.testing.assert_close(part[0, :, 0], whole[:, first:last], rtol=0, atol=1e-6)


@pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(),
    reason="oneDNN has no bfloat16 on this CPU: it is refused at the start",
)
def test_in_bfloat16_the_noise_is_far_below_the_voice() -> None:
    generator = melgan()
    exact, rough = MelGan(generator), MelGan(generator, torch.bfloat16)
    mel = torch.randn(1, MELS, 40)
    with torch.inference_mode():
        voice, noisy = exact.inference(mel), rough.inference(mel)
    assert noisy.dtype == torch.float32
    assert 0 < (noisy - voice).square().mean() < 1e-4 * voice.square().mean()  # 40 dB


def test_a_melgan_of_several_bands_is_left_to_coqui() -> None:
    assert not our_melgan.fits(melgan(MultibandMelganGenerator, out_channels=4))
    assert not our_melgan.fits(hifigan())


def networks(kind: str, r: int) -> Networks:
    """A Tacotron2's post-net and a vocoder, with as much to do as the released ones, if less of it."""
    model = Tacotron2(Tacotron2Config(r=r)).eval()
    rate, vocoder_rate = (16_000, 24_000) if kind == "interpolated" else (22_050, 22_050)
    audio = AudioProcessor(BaseAudioConfig(sample_rate=rate, signal_norm=False))
    vocoder_audio = AudioProcessor(BaseAudioConfig(sample_rate=vocoder_rate, signal_norm=False))
    vocoder: GanVocoder | GriffinLim
    if kind == "griffin-lim":
        vocoder = GriffinLim(audio)
    elif kind == "interpolated":
        generator = MelGan(melgan(base_channels=64, upsample_factors=(8, 8, 2, 2), num_res_blocks=2))
        vocoder = GanVocoder(generator, vocoder_audio, audio, "cpu")
    else:
        vocoder = GanVocoder(HifiGan(hifigan(upsample_initial_channel=32)), vocoder_audio, audio, "cpu")
    return Networks(model, vocoder, vocoder_rate, trims_silence=False)


def spoken(vocoder: ChunkedVocoder, steps: torch.Tensor, keep: int | None = None) -> tuple[Audio, int]:
    """Samples of steps that come one by one, and the number of chunks in which they were rendered."""
    synthesis, chunks = StreamingSynthesis(vocoder), 0
    for step in steps:
        synthesis.add(step)
        assert synthesis.result() is None
        chunks += vocoder.pool.help()
    synthesis.end(keep)
    while vocoder.pool.help():
        chunks += 1
    audio = synthesis.result()
    assert audio is not None
    return audio, chunks


@pytest.mark.parametrize(
    ("kind", "r", "in_chunks"),
    [("plain", 2, True), ("plain", 5, True), ("interpolated", 2, True), ("interpolated", 5, False)],
)
@torch.inference_mode()
def test_sound_rendered_in_chunks_is_that_of_the_whole(
    kind: str, r: int, in_chunks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = networks(kind, r)
    vocoder = ChunkedVocoder(made, r, MELS, WorkerPool(0, "coqui-vocoder"))
    if not in_chunks:  # interpolated by half, five frames are no whole number of frames
        assert vocoder.chunk is None
        return
    assert vocoder.chunk is not None
    chunk, multiple, context = vocoder.chunk, vocoder.length_multiple, vocoder.context
    lengths: list[int] = []
    render = vocoder.render

    def recorded(steps: torch.Tensor, left: int, right: int) -> Audio:
        lengths.append(len(steps))
        return render(steps, left, right)

    monkeypatch.setattr(vocoder, "render", recorded)
    for count in (1, context, 4 * multiple, 5 * multiple + 1, chunk, chunk + 1, 2 * chunk + context + 1):
        steps = torch.rand(count, r * MELS) * 2 - 1
        whole = render(steps, 0, 0)
        lengths.clear()

        audio, chunks = spoken(vocoder, steps)

        np.testing.assert_allclose(audio, whole, rtol=0, atol=1e-6)
        assert chunks == len(lengths)
        assert max(lengths) <= 1.5 * chunk + multiple
        if count >= max(4 * multiple, 2 * (context + multiple)):
            assert not any(length % multiple for length in lengths)
        # little is rendered twice: the context of each cut, and what makes the last length a usual one
        assert sum(lengths) < count + 2 * context * (chunks - 1) + multiple


def occupied(pool: WorkerPool) -> threading.Event:
    """Has one thread of the pool do something that lasts until this is set."""
    begun, go = threading.Event(), threading.Event()

    def last() -> Audio:
        begun.set()
        assert go.wait(60)
        return np.zeros(1, np.float32)

    pool.submit(Task.of(last))
    assert begun.wait(60)
    return go


@torch.inference_mode()
def test_the_end_of_a_sentence_is_made_by_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = WorkerPool(1, "coqui-vocoder")
    vocoder = ChunkedVocoder(networks("plain", 2), 2, MELS, pool)
    steps = torch.rand(80, 2 * MELS) * 2 - 1
    render, whole = vocoder.render, vocoder.render(steps, 0, 0)
    lengths: list[int] = []
    both = threading.Barrier(2)

    def recorded(steps: torch.Tensor, left: int, right: int) -> Audio:
        lengths.append(len(steps))
        both.wait(60)  # neither is done before both are begun
        return render(steps, left, right)

    monkeypatch.setattr(vocoder, "render", recorded)
    go = occupied(pool)
    synthesis = StreamingSynthesis(vocoder)
    for step in steps:
        synthesis.add(step)
    assert pool.idle
    synthesis.end()
    go.set()
    assert pool.help()
    while (audio := synthesis.result()) is None:
        pool.wait(1)

    np.testing.assert_allclose(audio, whole, rtol=0, atol=1e-6)
    multiple = vocoder.length_multiple
    both_lengths = -(-(len(steps) + 2 * vocoder.context) // multiple)
    assert sorted(lengths) == [both_lengths // 2 * multiple, -(-both_lengths // 2) * multiple]
    pool.close()


@torch.inference_mode()
def test_what_is_cut_off_the_end_leaves_no_trace() -> None:
    vocoder = ChunkedVocoder(networks("plain", 2), 2, MELS, WorkerPool(0, "coqui-vocoder"))
    steps = torch.rand(300, 2 * MELS) * 2 - 1

    audio, chunks = spoken(vocoder, steps, keep=120)

    assert chunks > 2
    np.testing.assert_allclose(audio, vocoder.render(steps[:120], 0, 0), rtol=0, atol=1e-6)


@torch.inference_mode()
def test_griffin_lim_is_given_the_whole() -> None:
    vocoder = ChunkedVocoder(networks("griffin-lim", 2), 2, MELS, WorkerPool(0, "coqui-vocoder"))

    synthesis = StreamingSynthesis(vocoder)
    for step in torch.zeros(150, 2 * MELS):
        synthesis.add(step)
    assert vocoder.pool.idle
    synthesis.end()
    assert not vocoder.pool.idle


@torch.inference_mode()
def test_a_vocoder_that_fails_fails_its_own_sound_alone() -> None:
    made = networks("plain", 2)
    vocoder = ChunkedVocoder(made, 2, MELS, WorkerPool(0, "coqui-vocoder"))
    synthesis = StreamingSynthesis(vocoder)
    synthesis.add(torch.zeros(3))  # no mel
    synthesis.end()
    vocoder.pool.help()
    with pytest.raises(RuntimeError):
        synthesis.result()
    assert len(spoken(vocoder, torch.zeros(4, 2 * MELS))[0])


def test_models_without_a_mel_have_no_chunks() -> None:
    model = SimpleNamespace(postnet=SimpleNamespace(convolutions=[]))
    vocoder = ChunkedVocoder(
        Networks(model, None, 8_000, trims_silence=False), 1, MELS, WorkerPool(0, "coqui-vocoder")
    )
    with pytest.raises(ValueError, match="no mel"):
        vocoder.render(torch.zeros(1, MELS), 0, 0)
