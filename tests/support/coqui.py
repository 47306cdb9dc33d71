"""Coqui model folders as they are released, made in seconds: random weights, yet they speak to the end.

Random weights neither move through the text nor stop. So a few units are wired by hand: the encoder marks
the first and the last character, the attention dwells three steps on each character and then moves to the
next, and the stop token fires on the last one. Everything else stays random, and the sizes are those of
the released models: lengths, alignments and the work per sentence are as with trained weights.
"""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from TTS.config.shared_configs import BaseAudioConfig
from TTS.tts.configs.tacotron2_config import Tacotron2Config
from TTS.tts.models.tacotron2 import Tacotron2
from TTS.vocoder.configs import FullbandMelganConfig, HifiganConfig
from TTS.vocoder.models import setup_model as setup_vocoder

from src.weights.store import CoquiFiles

STEPS_PER_CHARACTER = 3


def english(folder: Path, **settings: Any) -> CoquiFiles:
    """Like `tts_models/en/ljspeech/tacotron2-DDC`: trained with r = 6 down to 2; HiFi-GAN v2, no rescaling.

    Args:
        settings: of `Tacotron2Config`, in place of those below.
    """
    audio = {
        "sample_rate": 22050,
        "signal_norm": False,
        "log_func": "np.log",
        "spec_gain": 1,
        "mel_fmax": 8000.0,
        "do_trim_silence": False,
    }
    chosen = {"r": 6, "double_decoder_consistency": True, "attention_norm": "sigmoid"} | settings
    _tacotron(folder, audio, chosen, r=2, seed=1)
    vocoder = HifiganConfig(
        audio=BaseAudioConfig(**audio),
        generator_model_params={
            "upsample_factors": [8, 8, 2, 2],
            "upsample_kernel_sizes": [16, 16, 4, 4],
            "upsample_initial_channel": 128,
            "resblock_kernel_sizes": [3, 7, 11],
            "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
            "resblock_type": "1",
        },
    )
    _vocoder(folder / "vocoder", vocoder, seed=2, old=True)
    return _files(folder, "tts_models/en/test/tacotron2-DDC")


def spanish(folder: Path, **settings: Any) -> CoquiFiles:
    """Like `tts_models/es/mai/tacotron2-DDC`: 16 kHz; its MelGAN has 24 kHz and a scale of its own."""
    audio = {"sample_rate": 16000, "mel_fmax": 7600.0, "do_trim_silence": False}
    chosen = {"r": 2, "attention_norm": "softmax"} | settings
    _tacotron(folder, audio, chosen, r=2, seed=3)
    (folder / "vocoder").mkdir()
    stats = folder / "vocoder" / "scale_stats.npy"
    vocoder_audio = BaseAudioConfig(sample_rate=24000, mel_fmin=50.0, mel_fmax=7600.0)
    generator = np.random.default_rng(4)
    np.save(
        stats,
        {  # type: ignore[arg-type]
            "mel_mean": generator.normal(-50, 5, 80).astype(np.float32),
            "mel_std": generator.uniform(10, 20, 80).astype(np.float32),
            "linear_mean": np.zeros(513, np.float32),
            "linear_std": np.ones(513, np.float32),
            "audio_config": vocoder_audio.to_dict(),
        },
    )
    vocoder_audio.stats_path = str(stats)
    vocoder = FullbandMelganConfig(audio=vocoder_audio, generator_model="fullband_melgan_generator")
    _vocoder(folder / "vocoder", vocoder, seed=5, old=False)
    return _files(folder, "tts_models/es/test/tacotron2-DDC")


def never_stops(files: CoquiFiles, folder: Path) -> CoquiFiles:
    """A voice whose stop token never fires; its checkpoint is written to `folder`."""
    with _edited(files, folder) as (spoiled, weights):
        weights["decoder.stopnet.1.linear_layer.bias"].fill_(-1000)
    return spoiled


def stops_at_once(files: CoquiFiles, folder: Path) -> CoquiFiles:
    """A voice whose stop token always fires."""
    with _edited(files, folder) as (spoiled, weights):
        weights["decoder.stopnet.1.linear_layer.bias"].fill_(1000)
    return spoiled


def stands_still(files: CoquiFiles, folder: Path) -> CoquiFiles:
    """A voice whose attention never leaves the first character."""
    with _edited(files, folder) as (spoiled, weights):
        weights["decoder.attention.location_layer.location_dense.linear_layer.weight"][:2] = 0
    return spoiled


def tires(files: CoquiFiles, folder: Path, steps: int) -> CoquiFiles:
    """A voice whose stop token does not fire any more after about this many steps."""
    with _edited(files, folder) as (spoiled, weights):
        for row, value in enumerate((20.0, 20.0, 0.01, 20.0)):  # a unit that counts the steps
            at = row * 1024 + 1
            for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                weights[f"decoder.decoder_rnn.{part}"][at] = 0
            weights["decoder.decoder_rnn.bias_ih"][at] = value
        weights["decoder.stopnet.1.linear_layer.weight"][0, 1] = -3.4 / math.tanh(0.01 * steps)
    return spoiled


@contextmanager
def _edited(files: CoquiFiles, folder: Path) -> Iterator[tuple[CoquiFiles, dict[str, torch.Tensor]]]:
    spoiled = replace(files, checkpoint=folder / "model_file.pth")
    state = torch.load(files.checkpoint, weights_only=True)
    yield spoiled, state["model"]
    torch.save(state, spoiled.checkpoint)


def _files(folder: Path, name: str) -> CoquiFiles:
    return CoquiFiles(
        folder / "model_file.pth",
        folder / "config.json",
        folder / "vocoder" / "model_file.pth",
        folder / "vocoder" / "config.json",
        name,
    )


def _tacotron(folder: Path, audio: dict[str, Any], settings: dict[str, Any], r: int, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config = Tacotron2Config(audio=BaseAudioConfig(**audio), text_cleaner="basic_cleaners", **settings)
    torch.manual_seed(seed)
    model = Tacotron2(config)
    model.eval()
    with torch.no_grad():
        _wire(model)
        for name, value in model.named_buffers():
            # a trained batch norm is no identity
            if name.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
    torch.save({"model": model.state_dict(), "r": r}, folder / "model_file.pth")
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))


def _vocoder(folder: Path, config: Any, seed: int, old: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = setup_vocoder(config)
    with torch.no_grad():
        for weights in model.model_g.parameters():
            if weights.dim() > 1:  # louder than Coqui's initial weights, which whisper
                weights.mul_(1.3)
    state = {"model": model.state_dict()}
    if old:
        # releases before 0.0.15 hold the two networks apart
        state = {"model": model.model_g.state_dict(), "model_disc": {}}
    torch.save(state, folder / "model_file.pth")
    (folder / "config.json").write_text(json.dumps(config.to_dict()))


def _wire(model: Tacotron2) -> None:
    for direction in ("", "_reverse"):
        _mark_first_step(model.encoder.lstm, direction)
    _march(model)
    _stop_on_last(model)


def _constant(lstm: Any, unit: int, gates: tuple[float, float, float, float], suffix: str = "") -> None:
    """Give a unit of an LSTM constant gates (input, forget, cell, output)."""
    for row, value in enumerate(gates):
        at = row * lstm.hidden_size + unit
        getattr(lstm, f"weight_ih{suffix}")[at] = 0
        getattr(lstm, f"weight_hh{suffix}")[at] = 0
        getattr(lstm, f"bias_ih{suffix}")[at] = value
        getattr(lstm, f"bias_hh{suffix}")[at] = 0


def _mark_first_step(lstm: torch.nn.LSTM, direction: str) -> None:
    """Unit 1 is 0.76 on the step that the LSTM begins with, and -0.76 on every later one."""
    suffix = f"_l0{direction}"
    _constant(lstm, 0, (20, -20, 20, 20), suffix)  # 0.76 from the first step on
    _constant(lstm, 1, (20, -20, 10, 20), suffix)
    getattr(lstm, f"weight_hh{suffix}")[2 * lstm.hidden_size + 1, 0] = -26


_FIRST, _LAST = 1, 257
"""Features of the encoder's output: is it the first character, the last?"""


def _march(model: Tacotron2) -> None:
    """Attend the first character on which less than three steps have been spent."""
    attention = model.decoder.attention
    _constant(model.decoder.attention_rnn, 0, (20, -20, 20, 20))  # a constant 0.76 in the query
    conv, dense = attention.location_layer.location_conv1d, attention.location_layer.location_dense
    query, inputs = attention.query_layer.linear_layer, attention.inputs_layer.linear_layer
    for layer in (query.weight, inputs.weight, dense.linear_layer.weight, conv.weight):
        layer[:2] = 0
    conv.weight[0, 1, 15] = 1  # time spent on this character
    conv.weight[1, 1, 14] = 1  # and on the one before it
    spent = STEPS_PER_CHARACTER - 0.5
    query.weight[0, 0] = 4 * spent / 0.7616
    dense.linear_layer.weight[0, 0] = -4  # this one is not done
    query.weight[1, 0] = 0
    dense.linear_layer.weight[1, 1] = 4  # the one before is done, or there is none
    inputs.weight[1, _FIRST] = 4 * spent / 0.7616
    value = attention.v.linear_layer
    value.weight.mul_(0.1)
    value.weight[0, :2] = 10
    value.bias.fill_(-10)


def _stop_on_last(model: Tacotron2) -> None:
    decoder = model.decoder
    _constant(decoder.decoder_rnn, 0, (20, 0, 0, 20))
    decoder.decoder_rnn.weight_ih[2 * decoder.decoder_rnn_dim, decoder.query_dim + _LAST] = 20
    stop = decoder.stopnet[1].linear_layer
    stop.weight.mul_(0.1)
    stop.weight[0, 0] = 10
    stop.bias.fill_(-6)
