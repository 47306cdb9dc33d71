"""Coqui's Tacotron2, many sentences at once. docs/internals/coqui.md tells what equals Coqui."""

from src.engines.coqui.engine import CoquiEngine

__all__ = ["CoquiEngine"]
