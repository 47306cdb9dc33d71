"""Which language a text is in, where its caller does not say."""

from functools import lru_cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

LANGUAGES = ("en", "es")
"""Languages that detection distinguishes: those of the voices."""
_SURE = 0.9
"""Probability that is asked for: a single word is often in both languages."""
_ENOUGH = 2000
"""Characters that are looked at."""


@lru_cache(maxsize=1)
def _identifier() -> LanguageIdentifier:
    """Reading its 5 MB takes seconds. It keeps nothing between calls, so threads may share it."""
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(LANGUAGES))
    return identifier


def warm_up() -> None:
    """Read the model now, not for the first caller."""
    _identifier()


def language_of(text: str) -> str | None:
    """The ISO 639-1 code of a text's language, or None where it is not sure. Blocking.

    The method is that of langid.py (Lui and Baldwin, 2012): naive Bayes over byte n-grams.
    """
    language, probability = _identifier().classify(text[:_ENOUGH])
    return str(language) if probability >= _SURE else None
