"""Whisper's encoder and decoder as a loop of our own, for CPUs.

    weights.py ── layers.py ── encoder_attention.py ── encoder.py              the network
                           ── cross_attention.py ── decoder.py
    logit_filter.py ── search.py ── decode_state.py                            one row's text
    step.py ── runner.py                                                       all rows, a token at a time
    capabilities.py                                                            what this machine can do

CTranslate2 decodes a batch in one call, so rows wait for the longest among them and none can join. Its 8-bit
products of the few rows of a decoder step are several times slower than FBGEMM's, and use one core only. Its
encoder writes the attention scores of all positions to memory, which doubles the time of long windows.
"""

from src.engines.whisper.loop.capabilities import Unsupported, is_meant_for, probe
from src.engines.whisper.loop.runner import LoopRunner

__all__ = ["LoopRunner", "Unsupported", "is_meant_for", "probe"]
