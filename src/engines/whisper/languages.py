"""Which language a row is in."""

from collections.abc import Sequence

from src.engines.whisper.row import Guesses


def choose(found: dict[str, float], allowed: Sequence[str]) -> Guesses:
    """The allowed languages, likeliest first, with probabilities that sum to 1."""
    kept = {language: found.get(language, 0.0) for language in allowed}
    total = sum(kept.values())
    even = 1 / len(kept)
    shares = {language: value / total if total > 0 else even for language, value in kept.items()}
    return tuple(sorted(shares.items(), key=lambda item: -item[1]))
