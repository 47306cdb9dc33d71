"""Kokoro's voices: a table of style vectors each, of which mixtures are voices, too.

The first letter of a voice's name is its accent, the second its gender: `bf_emma` is a British woman.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from src.engines.base import Audio, Voice
from src.engines.kokoro.frames import SAMPLE_RATE
from src.errors import ModelUnavailable
from src.weights.fingerprint import fingerprint

MODEL = "kokoro-82m"

_LOCALES = {"a": "en-US", "b": "en-GB", "e": "es-ES"}
_GENDERS = {"f": "female", "m": "male"}
_STYLE_SIZE = 256
"""Values of one style vector."""


def describe(model: Path, files: Mapping[str, Path]) -> tuple[Voice, ...]:
    """What is known of each voice, in the order of `files` (by name).

    Raises:
        ModelUnavailable: a name is of a language that this engine does not speak, or a file is missing.
    """
    return tuple(_described(name, model, file) for name, file in files.items())


def _described(name: str, model: Path, file: Path) -> Voice:
    locale = _LOCALES.get(name[:1])
    if locale is None:
        known = ", ".join(_LOCALES.values())
        raise ModelUnavailable(f"Kokoro cannot speak with the voice {name} here, only with those of {known}")
    try:
        content = fingerprint((model, file))
    except OSError as error:
        raise ModelUnavailable(f"Kokoro's files are not whole: {error}") from None
    return Voice(
        id=name,
        language=locale[:2],
        locale=locale,
        engine="kokoro",
        model=MODEL,
        sample_rate=SAMPLE_RATE,
        gender=_GENDERS.get(name[1:2]),
        fingerprint=content,
        blendable=True,
    )


class Styles:
    """Style vectors of voices. A voice has one for each number of phonemes."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._tables = {name: _read(file) for name, file in files.items()}

    def style(self, voice: Voice, phonemes: int) -> Audio:
        """The style of a sentence with so many phonemes, shape (1, 256). A blend has the weighted mean."""
        mixed: Sequence[tuple[str, float]] = voice.blend or ((voice.id, 1.0),)
        tables = [(self._tables[name], weight) for name, weight in mixed]
        styles = [weight * table[min(phonemes, len(table)) - 1] for table, weight in tables]
        return np.asarray(sum(styles), np.float32)


def _read(file: Path) -> Audio:
    """Styles, of shape (510, 1, 256)."""
    styles = np.fromfile(file, np.float32)
    if styles.size == 0 or styles.size % _STYLE_SIZE:
        raise ModelUnavailable(f"{file} is no Kokoro voice: raw float32 of shape (510, 1, 256) is wanted")
    return styles.reshape(-1, 1, _STYLE_SIZE)
