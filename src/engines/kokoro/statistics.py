"""What a voice's sentences are normalised with: learnt once from a few sentences, and kept on disk.

The generator normalises by mean and variance over the whole sentence, which are not known before it is made.
Those of one voice differ little between sentences of a length. So a few sentences of each voice are spoken
once, and the first sound of a new one is normalised with the weighted mean of theirs, and so is its rest: all
of it sounds alike, and its slices join as if they were made at once.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from src.engines.base import Audio, Voice
from src.engines.kokoro.frames import Statistics
from src.engines.loudness import speech_level

log = logging.getLogger(__name__)

SENTENCES: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        "Please come in and sit down.",
        "The keys were on the table.",
        "Most people know her brother, the judge, and wish him good luck today.",
        "Every good teacher should have bought a few new books by June.",
        "If the weather is good enough on the day of the match, we are going to take the early train, have "
        "lunch near the river, and walk back home through the woods in the evening.",
    ),
    "es": (
        "Por favor, pasa y siéntate.",
        "Las llaves estaban en la mesa.",
        "Mucha gente conoce a su hermano, el juez, y hoy le desea buena suerte.",
        "Cada buen maestro ya habrá comprado algunos libros nuevos en junio.",
        "Si hace bastante buen tiempo el día del partido, vamos a tomar el primer tren, a comer cerca del "
        "río y a volver a casa andando por el bosque al caer la tarde.",
    ),
}
"""Sentences of 6, 12 and 30 words, by language."""
_WIDTH = 0.35
"""Standard deviation, in natural logarithms of numbers of symbols, of the weights of sentences by length."""

_SCALARS = ("symbols", "level", "peak")
"""Attributes of `Learnt` before its statistics."""
_NO_SPEECH = -60.0
"""Level in dB that is noted for a sentence without any sound."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What one sentence of a voice had."""

    symbols: int
    level: float
    """RMS of the speech, in dB of full scale."""
    peak: float
    """Largest sample."""
    statistics: Statistics


def learnt_of(symbols: int, audio: Audio, sample_rate: int, statistics: Statistics) -> Learnt:
    """What is kept of a sentence of so many symbols."""
    level = speech_level(audio, sample_rate)
    peak = float(np.abs(audio).max(initial=0.0))
    return Learnt(symbols, _NO_SPEECH if level is None else level, peak, statistics)


def expected(learnt: Sequence[Learnt], symbols: int) -> Learnt:
    """What a sentence of so many symbols is likely to have: the mean of those of about its length."""
    distances = np.log([each.symbols / max(1, symbols) for each in learnt]) / _WIDTH
    # relative to the nearest, so that the weights of a sentence longer than all do not vanish
    weights = np.exp(-0.5 * (distances**2 - np.min(distances**2)))
    weights = weights / weights.sum()
    columns = zip(*(each.statistics for each in learnt), strict=True)
    means = tuple(np.tensordot(weights, np.stack(column), 1).astype(np.float32) for column in columns)
    level = float(weights @ [each.level for each in learnt])
    return Learnt(symbols, level, max(each.peak for each in learnt), means)


class VoiceStatistics:
    """What was learnt of each voice, in memory and in a folder. A blend has the mean of its voices'.

    Args:
        folder: a file for each voice, named after its fingerprint. Where it cannot be written, voices are
            learnt anew after each start.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[Learnt, ...]] = {}
        self._begun: dict[str, dict[int, Learnt]] = {}

    def expected(self, voices: Sequence[tuple[Voice, float]], symbols: int) -> Learnt | None:
        """What a sentence of so many symbols is likely to have; None if a voice is not learnt yet.

        Args:
            voices: one with the weight 1, or those of a blend with theirs.
        """
        found = [(self._learnt(voice), weight) for voice, weight in voices]
        if not all(learnt for learnt, _ in found):
            return None
        each = [(expected(learnt, symbols), weight) for learnt, weight in found]
        columns = zip(*(one.statistics for one, _ in each), strict=True)
        weights = np.array([weight for _, weight in each], np.float32)
        mixed = tuple(np.tensordot(weights, np.stack(column), 1) for column in columns)
        level = sum(weight * one.level for one, weight in each)
        return Learnt(symbols, level, max(one.peak for one, _ in each), mixed)

    def knows(self, voice: Voice) -> bool:
        """Whether a voice (no blend) has been learnt."""
        return bool(self._learnt(voice))

    def learn(self, voice: Voice, number: int, learnt: Learnt) -> None:
        """Take the sentence `number` of a voice; the last one completes it."""
        begun = self._begun.setdefault(voice.id, {})
        begun[number] = learnt
        if len(begun) == len(SENTENCES[voice.language]):
            self._known[voice.id] = tuple(begun[at] for at in sorted(begun))
            del self._begun[voice.id]
            self._write(voice)

    def _learnt(self, voice: Voice) -> tuple[Learnt, ...]:
        # another process may have learnt it since
        learnt = self._known.get(voice.id) or self._read(voice)
        if learnt:
            self._known[voice.id] = learnt
        return learnt

    def _file(self, voice: Voice) -> Path:
        return self._folder / f"{voice.fingerprint}.npz"

    def _read(self, voice: Voice) -> tuple[Learnt, ...]:
        try:
            # opened here: NumPy leaves a file open that is not whole
            with self._file(voice).open("rb") as file, np.load(file, allow_pickle=False) as kept:
                columns = [kept[f"statistic_{at}"] for at in range(len(kept.files) - len(_SCALARS))]
                scalars = [kept[name].tolist() for name in _SCALARS]
                rows = zip(*scalars, zip(*columns, strict=True), strict=True)
                return tuple(Learnt(*row) for row in rows)
        except FileNotFoundError:
            return ()
        except Exception as error:  # numpy raises many kinds for a file that is not whole
            log.warning(
                "%s is not whole, so the voice %s is learnt anew: %s", self._file(voice), voice.id, error
            )
            return ()

    def _write(self, voice: Voice) -> None:
        learnt = self._known[voice.id]
        columns = zip(*(each.statistics for each in learnt), strict=True)
        content = {f"statistic_{at}": np.stack(column) for at, column in enumerate(columns)}
        content |= {name: np.array([getattr(each, name) for each in learnt]) for name in _SCALARS}
        # processes of several containers that share the folder may have the same id
        unfinished = self._folder / f"{voice.fingerprint}.{secrets.token_hex(4)}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                np.savez(file, allow_pickle=False, **content)
            unfinished.replace(self._file(voice))
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            log.warning("what was learnt of the voice %s cannot be kept: %s", voice.id, error)
