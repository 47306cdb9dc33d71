"""Batched Whisper on the weights of a CTranslate2 model.

    audio ──── features.py ───┐
    options ── vocabulary.py ─┴─> WhisperRow ── loop/runner.py           a CPU: our own loop
                                             └─ ctranslate2_runner.py    elsewhere: batch_decoder.py
                                                both follow row_policy.py, which asks quality_check.py
                                         Outcome ── segments.py, words.py ──> Transcript

`engine.py` ties these to the batcher; `row.py` holds the data classes that pass between them.
"""

from src.engines.whisper.engine import WhisperEngine

__all__ = ["WhisperEngine"]
