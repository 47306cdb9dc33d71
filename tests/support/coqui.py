"""Coqui model folders in the format of 2021, with random weights that speak each text to its end.

Configurations are those of Coqui's trainer at that time (`TTS/tts/configs/config.json` and
`TTS/vocoder/configs/*.json` of release 0.0.12): JSON with comments, characters as a dictionary without a
class, no phonemizer named, statistics named by their place on the trainer's machine. Checkpoints have the
entries of that time.

    python -m tests.support.coqui FOLDER      # writes FOLDER/en and FOLDER/es

Random weights neither move through the text nor stop. So a few weights are set by hand: the encoder marks
the first and the last character, the attention dwells three steps on each character and then moves to the
next, and the stop token fires on the last one. Everything else stays random, and the sizes are those of
the released models: lengths, alignments and the work per sentence are as with trained weights.
"""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from TTS.config import load_config
from TTS.tts.models.tacotron2 import Tacotron2
from TTS.vocoder.models import setup_generator

from src.engines.coqui import phonemes
from src.weights.store import CoquiFiles, ModelStore

STEPS_PER_CHARACTER = 3
CHARACTERS: dict[str, str] = {
    "pad": "_",
    "eos": "~",
    "bos": "^",
    "characters": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "punctuations": "!'(),-.:;? ",
    "phonemes": (
        "iyɨʉɯuɪʏʊeøɘəɵɤoɛœɜɞʌɔæɐaɶɑɒᵻʘɓǀɗǃʄǂɠǁʛpbtdʈɖcɟkɡqɢʔɴŋɲɳnɱmʙrʀⱱɾɽɸβfvθðszʃʒʂʐçʝxɣχʁħʕhɦɬɮʋɹɻjɰlɭʎʟ"
        "ˈˌːˑʍwɥʜʢʡɕʑɺɧɚ˞ɫ"
    ),
}


def symbols(use_phonemes: bool) -> list[str]:
    """The symbol of each id, as `TTS/tts/utils/text/symbols.py` of 2021 has them."""
    spoken = sorted(set(CHARACTERS["phonemes"])) if use_phonemes else CHARACTERS["characters"]
    return [CHARACTERS["pad"], CHARACTERS["eos"], CHARACTERS["bos"], *spoken, *CHARACTERS["punctuations"]]


def english(folder: Path, **settings: Any) -> CoquiFiles:
    """Like `tts_models/en/ljspeech/tacotron2-DDC`: characters; r = 6 down to 2; HiFi-GAN v2, no rescaling.

    Args:
        settings: of `Tacotron2Config`, in place of those below.
    """
    chosen = {
        "run_name": "ljspeech-ddc",
        "r": 6,
        "double_decoder_consistency": True,
        "ddc_r": 6,
        "attention_norm": "sigmoid",
        "text_cleaner": "english_cleaners",
        "use_phonemes": False,
        "phoneme_language": "en-us",
    }
    return _english(folder, chosen | settings, "tts_models/en/test/tacotron2-DDC")


def english_phonemes(folder: Path, **settings: Any) -> CoquiFiles:
    """Like `tts_models/en/ljspeech/tacotron2-DDC_ph`, but for its vocoder, which is that of `english`."""
    chosen = {
        "run_name": "ljspeech-ddc-phonemes",
        "r": 6,
        "double_decoder_consistency": True,
        "ddc_r": 6,
        "attention_norm": "sigmoid",
        "text_cleaner": "phoneme_cleaners",
        "use_phonemes": True,
        "phoneme_language": "en-us",
    }
    return _english(folder, chosen | settings, "tts_models/en/test/tacotron2-DDC_ph")


def _english(folder: Path, settings: dict[str, Any], name: str) -> CoquiFiles:
    audio = _audio(signal_norm=False, log_func="np.log", mel_fmin=0.0, mel_fmax=8000.0)
    _tacotron(folder, audio, settings, r=2, seed=1)
    generator = {
        "upsample_factors": [8, 8, 2, 2],
        "upsample_kernel_sizes": [16, 16, 4, 4],
        "upsample_initial_channel": 128,
        "resblock_kernel_sizes": [3, 7, 11],
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
        "resblock_type": "1",
    }
    _vocoder(folder / "vocoder", audio, "hifigan", generator, seed=2)
    return _files(folder, name)


def spanish(folder: Path, **settings: Any) -> CoquiFiles:
    """Like `tts_models/es/mai/tacotron2-DDC`: phonemes; 16 kHz; MelGAN of 24 kHz and another scale."""
    chosen = {
        "run_name": "mai-es-ddc",
        "r": 2,
        "attention_norm": "softmax",
        "text_cleaner": "phoneme_cleaners",
        "use_phonemes": True,
        "phoneme_language": "es",
    } | settings
    scale = "/home/trainer/data/scale_stats.npy"
    audio = _audio(sample_rate=16000, mel_fmin=50.0, mel_fmax=7600.0, stats_path=scale)
    _tacotron(folder, audio, chosen, r=2, seed=3)
    _statistics(folder, seed=6)
    vocoder_audio = _audio(
        sample_rate=24000, ref_level_db=0, mel_fmin=50.0, mel_fmax=7600.0, stats_path=scale
    )
    generator = {"upsample_factors": [8, 8, 4], "num_res_blocks": 4}
    _vocoder(folder / "vocoder", vocoder_audio, "fullband_melgan", generator, seed=5)
    _statistics(folder / "vocoder", seed=4)
    return _files(folder, "tts_models/es/test/tacotron2-DDC")


def _audio(**settings: Any) -> dict[str, Any]:
    return {
        "fft_size": 1024,
        "win_length": 1024,
        "hop_length": 256,
        "frame_length_ms": None,
        "frame_shift_ms": None,
        "sample_rate": 22050,
        "preemphasis": 0.0,
        "ref_level_db": 20,
        "do_trim_silence": True,
        "trim_db": 60,
        "power": 1.5,
        "griffin_lim_iters": 60,
        "num_mels": 80,
        "spec_gain": 1.0,
        "signal_norm": True,
        "min_level_db": -100,
        "symmetric_norm": True,
        "max_norm": 4.0,
        "clip_norm": True,
        "stats_path": None,
    } | settings


def _statistics(folder: Path, seed: int) -> None:
    """As `TTS/bin/compute_statistics.py` writes them."""
    generator = np.random.default_rng(seed)
    stats: Any = {
        "mel_mean": generator.normal(-50, 5, 80).astype(np.float32),
        "mel_std": generator.uniform(10, 20, 80).astype(np.float32),
        "linear_mean": np.zeros(513, np.float32),
        "linear_std": np.ones(513, np.float32),
        "audio_config": {"sample_rate": 24000, "num_mels": 80},
    }
    np.save(folder / "scale_stats.npy", stats)


def _write(file: Path, config: dict[str, Any]) -> None:
    """JSON as Coqui's trainer wrote it: with comments."""
    lines = json.dumps(config, indent=4).splitlines()
    lines[1] += "  // see https://github.com/coqui-ai/TTS for what it means"
    lines.insert(1, "    // AUDIO PARAMETERS /* and others */")
    file.write_text("\n".join(lines) + "\n")


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
    """As the model store gives them: files that the configs name are found beside them."""
    return replace(ModelStore(folder.parent / f"{folder.name}-models").coqui(str(folder)), name=name)


def _tacotron(folder: Path, audio: dict[str, Any], settings: dict[str, Any], r: int, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    written = {
        "model": "Tacotron2",
        "run_description": "tacotron2 with DDC and differential spectral loss.",
        "audio": audio,
        "characters": CHARACTERS,
        "distributed": {"backend": "nccl", "url": "tcp://localhost:54321"},
        "reinit_layers": [],
        "batch_size": 32,
        "gradual_training": [[0, 6, 64], [10000, 4, 32], [50000, 3, 32], [100000, 2, 32]],
        "noam_schedule": False,
        "wd": 0.000001,
        "memory_size": -1,
        "prenet_type": "original",
        "prenet_dropout": False,
        "attention_type": "original",
        "windowing": False,
        "location_attn": True,
        "stopnet": True,
        "separate_stopnet": True,
        "enable_eos_bos_chars": False,
        "tb_plot_step": 100,
        "use_speaker_embedding": False,
        "use_gst": False,
        "use_external_speaker_embedding_file": False,
        "output_path": "/home/trainer/models/",
        "datasets": [{"name": "ljspeech", "path": "/home/trainer/data/", "meta_file_train": "metadata.csv"}],
    } | settings
    _write(folder / "config.json", written)
    config = load_config(folder / "config.json")
    phonemes.register()  # the model looks for a phonemizer, and espeak's program may not be installed
    config.audio["stats_path"] = None
    config.num_chars = len(symbols(bool(written["use_phonemes"])))
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
    state = {
        "model": model.state_dict(),
        "optimizer": None,
        "step": 130000,
        "epoch": 100,
        "date": "April 08, 2021",
        "r": r,
    }
    torch.save(state, folder / "model_file.pth")


def _vocoder(folder: Path, audio: dict[str, Any], kind: str, generator: dict[str, Any], seed: int) -> None:
    """Named by its generator, and with the two networks apart, as releases before 0.0.15 have them."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {
        "run_name": kind,
        "audio": audio,
        "distributed": {"backend": "nccl", "url": "tcp://localhost:54324"},
        "use_pqmf": False,
        "discriminator_model": "hifigan_discriminator"
        if kind == "hifigan"
        else "melgan_multiscale_discriminator",
        "generator_model": f"{kind}_generator",
        "generator_model_params": generator,
        "data_path": "/home/trainer/data/",
        "lr_scheduler_gen": "MultiStepLR",
        "output_path": "/home/trainer/models/",
    }
    _write(folder / "config.json", written)
    config = load_config(folder / "config.json")
    torch.manual_seed(seed)
    model = setup_generator(config)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:  # louder than Coqui's initial weights, which whisper
                weights.mul_(1.3)
        _keep_above_zero(model)
    state = {
        "model": model.state_dict(),
        "optimizer": None,
        "scheduler": None,
        "model_disc": {},
        "optimizer_disc": None,
        "scheduler_disc": None,
        "step": 1000000,
        "epoch": 1000,
        "date": "January 11, 2021",
    }
    # the format before PyTorch 1.6
    torch.save(state, folder / "model_file.pth.tar", _use_new_zipfile_serialization=False)


def _keep_above_zero(generator: Any) -> None:
    """Turn the sound over if most of it is below zero: Coqui looks at samples above it only to find silence.

    Random weights make sound that is hardly ever on both sides.
    """
    if generator.inference(torch.rand(1, 80, 20)).mean() > 0:
        return
    last = [layer for layer in generator.modules() if isinstance(layer, torch.nn.Conv1d)][-1]
    for weights in last.parameters():
        if weights.dim() == 1 or weights.shape[2] > 1:  # not the lengths that a weight norm has beside them
            weights.neg_()


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


if __name__ == "__main__":
    english(Path(sys.argv[1]) / "en")
    spanish(Path(sys.argv[1]) / "es")
