"""Whisper as a loop of our own, for CPUs.

    intrinsics.py ── kernels.py                                compiled code
    weights.py ── products.py ── layers.py ── audio.py ── encoder.py, decoder.py     the network
    encoding.py                                                rows in the encoder, in parts
    rules.py ── search.py ── reading.py                        one row's text
    step.py ── stepper.py                                      all rows, a token at a time

CTranslate2 decodes a batch in one call, so rows wait for the longest among them and nobody joins; its 8-bit
products of the few rows of a decoder step are several times slower than FBGEMM's, on one core only; and its
encoder writes the scores of all positions out, which in long windows takes twice the time.
"""

import torch

from src.engines.whisper.loop.stepper import LoopStepper

__all__ = ["LoopStepper", "serves"]

_COMPUTE_TYPES = ("int8", "int8_float32", "float32")


def serves(device: str, compute_type: str) -> bool:
    """Can the loop be used here? Otherwise CTranslate2 decodes as well."""
    return (
        device == "cpu"
        and compute_type in _COMPUTE_TYPES
        and "fbgemm" in torch.backends.quantized.supported_engines
    )
