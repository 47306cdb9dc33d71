"""Kokoro-82M: English and Spanish where Coqui's weights are not available."""

from src.engines.kokoro.engine import KokoroEngine

__all__ = ["KokoroEngine"]
