"""Batched Whisper on CTranslate2.

    audio ──── features.py ───┐
    options ── vocabulary.py ─┴─> Row ── stepper.py: which rows go together
                                          └─ passes.py: encode, detect, decode (model.py), judge (gate.py)
                                  Outcome ── segments.py, words.py ──> Transcript

`engine.py` ties these to the batcher; `row.py` holds the plain data that passes between them.
"""

from src.engines.whisper.engine import WhisperEngine

__all__ = ["WhisperEngine"]
