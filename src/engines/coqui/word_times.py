"""When the words of a sentence are said: at the steps at which the attention reaches their characters."""

from collections.abc import Sequence
from typing import Any

from src.engines.base import Audio, WordSpan
from src.engines.coqui.text import to_ids
from src.engines.word_spans import spans_of_words, times_of_spans, without_pauses
from src.errors import EngineFailed

_NOTHING = "\0"
"""In place of symbols that are no character: padding, blank, beginning, end."""


def word_times(
    model: Any, text: str, positions: Sequence[int], step_seconds: float, audio: Audio, sample_rate: int
) -> tuple[WordSpan, ...]:
    """Start and end of each word of `text.split()`, in seconds.

    Args:
        model: Coqui's.
        positions: the most attended symbol of each decoder step.
        step_seconds: sound that one step makes.
        audio: sound of all steps.
        sample_rate: Hz.
    """
    whole = _symbols(model, text)
    silent = str(model.tokenizer.characters.punctuations) + " " + _NOTHING
    words = [_symbols(model, word).strip(silent) for word in text.split()]
    seconds = len(audio) / sample_rate
    edges = [min(edge, seconds) for edge in _reached(positions, len(whole), step_seconds)]
    spans = times_of_spans(spans_of_words(whole, words, silent), [*edges, seconds])
    return without_pauses(spans, audio, sample_rate)


def _reached(positions: Sequence[int], symbols: int, step_seconds: float) -> list[float]:
    """Seconds at which each symbol, or one after it, is attended for the first time."""
    found: list[float] = []
    for step, position in enumerate(positions):
        while len(found) <= min(position, symbols - 1):
            found.append(step * step_seconds)
    return found + [len(positions) * step_seconds] * (symbols - len(found))


def _symbols(model: Any, text: str) -> str:
    """What the model is given for `text`, one character for each id."""
    try:
        ids = to_ids(model, text)
    except EngineFailed:  # a word that the model knows nothing of
        return ""
    names = (str(model.tokenizer.characters.id_to_char(each)) for each in ids)
    return "".join(name if len(name) == 1 else _NOTHING for name in names)
