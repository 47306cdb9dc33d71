"""Coqui's models; `docs/internals/coqui.md` says what equals Coqui and what does not."""

from src.engines.coqui.engine import CoquiEngine

__all__ = ["CoquiEngine"]
