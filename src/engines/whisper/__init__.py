"""Batched Whisper on CTranslate2.

    audio ── features.py ──> mel ─┐
    options ── vocabulary.py ─────┴─> Row ── batches.py ──> Batch ── model.py ──> Decoded
                                                                       │ gate.py: good enough?
                              Transcript <── segments.py, words.py <───┴── stepper.py: or once more

`engine.py` ties these to the batcher; `row.py` holds the plain data that passes between them.
"""

from src.engines.whisper.engine import WhisperEngine

__all__ = ["WhisperEngine"]
