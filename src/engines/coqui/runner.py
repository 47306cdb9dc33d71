"""All Coqui voices as one `BatchModel`: each step of it is a step of every voice."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from src.engines.base import Audio, OnEarlySound, Utterance
from src.engines.coqui.loading import load
from src.engines.coqui.tacotron import Tacotron
from src.engines.coqui.unbatched import UnbatchedModel
from src.engines.loudness import speech_level
from src.engines.worker_pool import WorkerPool
from src.errors import EngineFailed, ModelUnavailable

if TYPE_CHECKING:
    from src.weights.store import CoquiFiles

log = logging.getLogger(__name__)

_WARM_UP = {"en": "Ready to speak.", "es": "Lista para hablar."}
_WARM_UP_JOB = -1
"""Job id of the warm-up. Those of a batcher are not negative."""
_MAX_WAIT_SECONDS = 0.01
"""Longest time that a step waits for the pool while there is nothing to decode: rows may join or leave."""


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    voice: str
    """Id of the voice that speaks it."""
    timed: bool = False
    """Whether it is to be told when each word is said."""
    early: OnEarlySound | None = None
    """Is called with sound of the row before it is whole, on the batcher's thread."""
    given: list[Audio] = field(default_factory=list, compare=False)
    """What it was called with. A batcher that runs the row again, alone, finds it here."""


class MultiVoiceRunner:
    """Opens and runs all voices on one thread; see `CoquiEngine` for the other arguments.

    Args:
        files: each model by the id of its voice.
    """

    def __init__(
        self,
        files: "Mapping[str, CoquiFiles]",
        device: str,
        compute_type: str,
        threads: int,
        on_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_retry = on_retry
        self._files = files
        self._device = device
        self._compute_type = compute_type
        self._threads = threads
        # on a CPU, half of the threads decode, and half render sound at the same time;
        # a GPU does one thing after the other
        self._pool_size = threads // 2 if device == "cpu" else 0
        self._pool: WorkerPool | None = None
        self._voices: dict[str, Tacotron | UnbatchedModel] = {}

    def sample_rate(self, voice_id: str) -> int:
        """Sample rate in Hz. It is known once the voices are open."""
        return self._voices[voice_id].sample_rate

    def phonemes(self, voice_id: str) -> str:
        """Symbols of the phonetic alphabet that a voice takes. They are known once the voices are open."""
        return self._voices[voice_id].phonemes

    def open(self) -> None:
        """Open every voice, and let each speak a few words.

        Raises:
            ModelUnavailable: a voice cannot be opened, or cannot speak them.
        """
        # the setting is one of the calling thread, which runs all decoder steps
        torch.set_num_threads(self._threads)
        self._pool = WorkerPool(self._pool_size, "coqui-vocoder")
        for voice_id, files in self._files.items():
            self._voices[voice_id] = self._open(files, self._pool)
        if any(isinstance(voice, Tacotron) for voice in self._voices.values()):
            torch.set_num_threads(self._threads - self._pool_size)
        for voice_id in self._voices:
            self._warm_up(voice_id)

    def _open(self, files: "CoquiFiles", pool: WorkerPool) -> Tacotron | UnbatchedModel:
        networks = load(files, self._device, self._compute_type)
        with torch.inference_mode():
            attention = Tacotron.attention_for(networks)
            if attention is not None:
                return Tacotron(networks, attention, self._compute_type, pool, self._on_retry)
        log.info("%s cannot be batched: it speaks a sentence at a time", files.name)
        return UnbatchedModel(networks)

    def _warm_up(self, voice_id: str) -> None:
        voice = self._voices[voice_id]
        text = _WARM_UP.get(self._files[voice_id].language, _WARM_UP["en"])
        # early, so that oneDNN prepares itself for the first chunk of a stream, too
        voice.add(_WARM_UP_JOB, text, early=lambda _: None)
        while not (outcomes := self._step([voice])):
            pass
        _, outcome = outcomes[0]
        if isinstance(outcome, EngineFailed):
            name = self._files[voice_id].name
            raise ModelUnavailable(f"{name} cannot speak its first words: {outcome}") from outcome
        if isinstance(outcome, Exception):
            raise outcome
        level = speech_level(outcome.audio, voice.sample_rate)
        if isinstance(voice, Tacotron) and level is not None:
            voice.level_db, voice.peak = level, float(np.abs(outcome.audio).max())

    def admit(self, waiting: Sequence[Row]) -> Sequence[int]:
        """See `BatchModel`: as many rows of each voice as it has slots for."""
        taken: Counter[str] = Counter()
        chosen = []
        for index, row in enumerate(waiting):
            if taken[row.voice] < self._voices[row.voice].free_slots:
                taken[row.voice] += 1
                chosen.append(index)
        return chosen

    def add(self, job_id: int, row: Row) -> None:
        """See `BatchModel`."""
        self._voices[row.voice].add(job_id, row.text, timed=row.timed, early=row.early, given=row.given)

    def step(self) -> list[tuple[int, Utterance | Exception]] | None:
        """See `BatchModel`."""
        return self._step(self._voices.values())

    def _step(
        self, voices: Collection[Tacotron | UnbatchedModel]
    ) -> list[tuple[int, Utterance | Exception]] | None:
        decoding = any(voice.decoding for voice in voices)
        outcomes = [outcome for voice in voices for outcome in voice.step()]
        if outcomes or self._pool is None:
            return outcomes
        # this thread helps the pool if the pool has no threads, or while there is nothing to decode
        if (self._pool.size == 0 or not decoding) and self._pool.help():
            return []
        if decoding:
            return []
        self._pool.wait(_MAX_WAIT_SECONDS)
        return None

    def remove(self, job_id: int) -> None:
        """See `BatchModel`."""
        for voice in self._voices.values():
            voice.remove(job_id)

    def clear(self) -> None:
        """See `BatchModel`."""
        for voice in self._voices.values():
            voice.clear()

    def close(self) -> None:
        """Release the models, and end the pool's threads."""
        self._voices.clear()
        if self._pool is not None:
            self._pool.close()
            self._pool = None
