"""Chooses the compute type of each engine, and refuses what the device does not support."""

import ctranslate2
import torch

from src.engines import cpu
from src.errors import ConfigurationError

_OFFERED = ("int8", "bfloat16", "float16", "float32")
"""Compute types that COMPUTE_TYPE may name."""


def for_whisper(wanted: str, device: str) -> str:
    """`wanted`, or for `auto` what was measured best.

    Args:
        wanted: `auto`, or what CTranslate2 calls it.
        device: `cpu` or `cuda`.

    Raises:
        ConfigurationError: the device cannot do it.
    """
    able = ctranslate2.get_supported_compute_types(device)
    best = ("float16", "int8_float32", "float32") if device == "cuda" else ("int8", "float32")
    return _chosen(wanted, device, able, best, "Whisper", "STT_COMPUTE_TYPE")


def for_coqui(wanted: str, device: str) -> str:
    """`wanted`, or for `auto` what was measured best: see docs/internals/coqui.md.

    Args:
        wanted: `auto`, `float32`, `float16`, `bfloat16`, `int8`.
        device: `cpu` or `cuda`.

    Raises:
        ConfigurationError: the device cannot do it.
    """
    if device == "cuda":
        able = {"float32", "float16"} | ({"bfloat16"} if torch.cuda.is_bf16_supported() else set())
        return _chosen(wanted, device, able, ("float32",), "Coqui", "TTS_COMPUTE_TYPE")
    # float16 is of the weights alone, so every CPU can do it; but only FBGEMM gains by it
    able, best = {"float32", "float16"}, ["float32"]
    if "fbgemm" in torch.backends.quantized.supported_engines:
        able.add("int8")
        best.insert(0, "float16")
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        able.add("bfloat16")
        if cpu.multiplies_bfloat16("oneDNN"):  # without, bfloat16 is slower than anything else
            best.insert(0, "bfloat16")
    return _chosen(wanted, device, able, best, "Coqui", "TTS_COMPUTE_TYPE")


def _chosen(
    wanted: str, device: str, able: set[str], best: tuple[str, ...] | list[str], engine: str, setting: str
) -> str:
    auto = next(one for one in best if one in able)
    if wanted == "auto":
        return auto
    if wanted in able:
        return wanted
    where = "this GPU" if device == "cuda" else f"this CPU ({cpu.in_words()})"
    offered = ", ".join(one for one in _OFFERED if one in able)
    raise ConfigurationError(
        f"{wanted} is not what {engine} can do on {where}. Set {setting}, or COMPUTE_TYPE for both engines, "
        f"to auto (which is {auto} here) or one of: {offered}"
    )
