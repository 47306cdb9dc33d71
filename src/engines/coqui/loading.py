"""From a Coqui model folder to networks in memory."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from src.engines.coqui import hifigan, melgan, phonemes
from src.engines.coqui.stats import read_stats
from src.engines.coqui.vocoder import GanVocoder, GriffinLim, Vocoder
from src.errors import ModelUnavailable

if TYPE_CHECKING:
    from src.weights.store import CoquiFiles


@dataclass(frozen=True, slots=True)
class Networks:
    """A voice: `model` is Coqui's own class with its weights, ready for inference."""

    model: Any
    vocoder: Vocoder | None
    """Mel (frames, mels), as the model makes it, to samples (n,); None: the model makes samples itself."""
    sample_rate: int
    """Hz of the samples."""
    trims_silence: bool
    """The config wants silence cut from the end."""


def load(files: "CoquiFiles", device: str, compute_type: str) -> Networks:
    """Open a voice. Weights are opened with `weights_only=True`, as Coqui's own loader does.

    Args:
        compute_type: `bfloat16` is used in post-net and vocoder, too, where it is not heard.

    Raises:
        ModelUnavailable: the folder is damaged, or holds what this engine cannot speak with.
    """
    # it warns of each character that a model does not know, and of languages it guesses
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
    _scale(model.ap, stats)
    model.to(device)
    audio = config.audio
    rate = int(audio.get("output_sample_rate") or audio["sample_rate"])
    vocoder: Vocoder | None = None
    if files.vocoder_checkpoint and files.vocoder_config:
        kind = torch.bfloat16 if compute_type == "bfloat16" else torch.float32
        gan = _load_vocoder(files.vocoder_checkpoint, files.vocoder_config, model.ap, device, kind)
        vocoder, rate = gan, gan.sample_rate
    elif hasattr(model, "postnet"):
        vocoder = GriffinLim(model.ap)
    return Networks(model, vocoder, rate, bool(audio.get("do_trim_silence")))


def _load_vocoder(
    checkpoint: Path, config_file: Path, tts_audio: Any, device: str, kind: torch.dtype
) -> GanVocoder:
    from TTS.config import load_config
    from TTS.utils.audio import AudioProcessor
    from TTS.vocoder.models import setup_generator

    config = load_config(config_file)
    if "generator_model" not in config:
        raise ModelUnavailable(f"{checkpoint} is no GAN vocoder (HiFi-GAN, MelGAN, ...): {config.model}")
    stats = _take_stats(config.audio)
    audio = AudioProcessor(config.audio)
    _scale(audio, stats)
    # the generator alone: a discriminator is for training, and larger than all the rest
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
    return GanVocoder(_laid_out(generator, kind), audio, tts_audio, device)


def _laid_out(generator: Any, kind: torch.dtype) -> Any:
    """Ours in the generator's place, if there is one for it."""
    if hifigan.fits(generator):
        return hifigan.HifiGan(generator)
    return melgan.MelGan(generator, kind) if melgan.fits(generator) else generator


def _take_stats(audio: Any) -> dict[str, Any] | None:
    """Read the statistics that `audio` names, and have Coqui not read them itself."""
    path = audio.get("stats_path")
    if not path:
        return None
    audio["stats_path"] = None
    return read_stats(Path(path)) if audio.get("signal_norm") else None


def _scale(audio: Any, stats: dict[str, Any] | None) -> None:
    """What `AudioProcessor.__init__` does with the statistics."""
    if stats is not None:
        audio.setup_scaler(stats["mel_mean"], stats["mel_std"], stats["linear_mean"], stats["linear_std"])
        audio.max_norm = audio.clip_norm = audio.symmetric_norm = None
