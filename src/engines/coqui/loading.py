"""From a Coqui model folder to networks in memory."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from src.engines.coqui import hifigan, melgan, phonemes
from src.engines.coqui.local_files import localise
from src.engines.coqui.stats import read_stats
from src.engines.coqui.vocoder import GanVocoder, GriffinLim, Vocoder
from src.errors import ModelUnavailable

if TYPE_CHECKING:
    from src.weights.store import CoquiFiles


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks of one voice, with their weights."""

    model: Any
    """An instance of Coqui's model class, ready for inference."""
    vocoder: Vocoder | None
    """Network from the model's mel to samples; None: the model makes samples itself."""
    sample_rate: int
    """Sample rate of the samples, in Hz."""
    trims_silence: bool
    """Whether the config wants silence cut from the end (`do_trim_silence`)."""
    phonemes: str = ""
    """Symbols of the phonetic alphabet that the model takes; empty if it reads letters."""


def load(files: "CoquiFiles", device: str, compute_type: str) -> Networks:
    """Open a voice. Checkpoints are read with `weights_only=True`, as in Coqui's own loader.

    Args:
        compute_type: data type of the decoder. With `bfloat16`, post-net and MelGAN use it too, where it is
            not audible.

    Raises:
        ModelUnavailable: the folder is damaged, or this engine cannot speak with the model.
    """
    # Coqui warns of each character that a model does not know, and of each language that it guesses
    logging.getLogger("TTS").setLevel(logging.ERROR)
    try:
        return _load(files, device, compute_type)
    except ModelUnavailable:
        raise
    except Exception as error:
        raise ModelUnavailable(f"{files.checkpoint} cannot be opened as a Coqui model: {error}") from error


def _load(files: "CoquiFiles", device: str, compute_type: str) -> Networks:
    from TTS.config import load_config
    from TTS.tts.models import setup_model

    config = load_config(files.config)
    localise(config, files.config.parent)
    phonemes.prepare(config, files.name)
    stats = _take_stats(config.audio)
    model = setup_model(config)
    if not hasattr(model, "ap") or not hasattr(model, "tokenizer"):
        raise ModelUnavailable(
            f"{files.name} is a Coqui `{config.model}`, which needs more than a text to speak. "
            "Choose a single-speaker model such as Tacotron2, VITS, Glow-TTS or FastPitch"
        )
    model.load_checkpoint(config, str(files.checkpoint), eval=True)
    for training_only in ("coarse_decoder", "decoder_backward"):
        if getattr(model, training_only, None) is not None:
            setattr(model, training_only, None)
    _set_scaler(model.ap, stats)
    model.to(device)
    audio = config.audio
    rate = int(audio.get("output_sample_rate") or audio["sample_rate"])
    vocoder: Vocoder | None = None
    if files.vocoder_checkpoint and files.vocoder_config:
        dtype = torch.bfloat16 if compute_type == "bfloat16" else torch.float32
        gan = _load_vocoder(files.vocoder_checkpoint, files.vocoder_config, model.ap, device, dtype)
        vocoder, rate = gan, gan.sample_rate
    elif hasattr(model, "postnet"):
        vocoder = GriffinLim(model.ap)
    symbols = phonemes.take_ipa(model.tokenizer)
    return Networks(model, vocoder, rate, bool(audio.get("do_trim_silence")), symbols)


def _load_vocoder(
    checkpoint: Path, config_file: Path, tts_audio: Any, device: str, dtype: torch.dtype
) -> GanVocoder:
    from TTS.config import load_config
    from TTS.utils.audio import AudioProcessor
    from TTS.vocoder.models import setup_generator

    config = load_config(config_file)
    localise(config, config_file.parent)
    if "generator_model" not in config:
        raise ModelUnavailable(f"{checkpoint} is no GAN vocoder (HiFi-GAN, MelGAN, ...): {config.model}")
    stats = _take_stats(config.audio)
    audio = AudioProcessor(config.audio)
    _set_scaler(audio, stats)
    # the generator only: the discriminator is for training, and larger than everything else
    generator = setup_generator(config)
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    weights = state["model"]
    if "model_disc" not in state:
        weights = {
            name.removeprefix("model_g."): value
            for name, value in weights.items()
            if name.startswith("model_g.")
        }
    generator.load_state_dict(weights)
    generator.eval()
    if hasattr(generator, "remove_weight_norm"):
        generator.remove_weight_norm()
    generator.to(device)
    return GanVocoder(_for_cpu(generator, dtype), audio, tts_audio, device)


def _for_cpu(generator: Any, dtype: torch.dtype) -> Any:
    """`HifiGan` or `MelGan` in the generator's place, if one of them can run it."""
    if hifigan.fits(generator):
        return hifigan.HifiGan(generator)
    return melgan.MelGan(generator, dtype) if melgan.fits(generator) else generator


def _take_stats(audio: Any) -> dict[str, Any] | None:
    """Read the statistics that `audio` names, and remove the name so that Coqui does not read them."""
    path = audio.get("stats_path")
    if not path:
        return None
    audio["stats_path"] = None
    return read_stats(Path(path)) if audio.get("signal_norm") else None


def _set_scaler(audio: Any, stats: dict[str, Any] | None) -> None:
    """Use the statistics as `AudioProcessor.__init__` does."""
    if stats is not None:
        audio.setup_scaler(stats["mel_mean"], stats["mel_std"], stats["linear_mean"], stats["linear_std"])
        audio.max_norm = audio.clip_norm = audio.symmetric_norm = None
