"""Which language a text is in, where its caller does not say."""

from functools import cache
from threading import Lock

from py3langid.langid import MODEL_FILE, LanguageIdentifier

LANGUAGES = ("en", "es")
"""Languages that detection distinguishes: those of the voices."""
_SURE = 0.9
"""Probability that is asked for: a single word is often in both languages."""
_ENOUGH = 2000
"""Characters that are looked at."""


_loading = Lock()


def _identifier() -> LanguageIdentifier:
    """The model. It keeps nothing between calls, so threads may share it."""
    with _loading:  # a second thread waits for the first one, and does not read the model again
        return _load()


@cache
def _load() -> LanguageIdentifier:
    full = LanguageIdentifier.from_model_file(MODEL_FILE)
    full.set_languages(list(LANGUAGES))
    # a second one around its parts: the first also keeps the weights of all its languages, which are 28 MB
    return LanguageIdentifier(
        full.nb_ptc,
        full.nb_pc,
        full.nb_classes,
        full.tk_nextmove,
        full.tk_output,
        norm_probs=True,
        tk_row=full.tk_row,
    )


def warm_up() -> None:
    """Read the model (a file of 5 MB, 0.4 s on a Xeon, 50 MB in memory) ahead of the first text. Blocking."""
    _identifier()


def language_of(text: str) -> str | None:
    """The ISO 639-1 code of a text's language, or None where it is not sure. Blocking.

    The method is that of langid.py (Lui and Baldwin, 2012): naive Bayes over byte n-grams.
    """
    language, probability = _identifier().classify(text[:_ENOUGH])
    return str(language) if probability >= _SURE else None
