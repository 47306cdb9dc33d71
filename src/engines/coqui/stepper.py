"""All voices as one `BatchModel`: each takes a step in turn."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from src.engines.base import Audio
from src.engines.coqui.crew import Crew
from src.engines.coqui.loading import load
from src.engines.coqui.tacotron import Tacotron
from src.engines.coqui.whole import WholeSentences
from src.errors import EngineFailed, ModelUnavailable

if TYPE_CHECKING:
    from src.weights.store import CoquiFiles

log = logging.getLogger(__name__)

_WARM_UP = {"en": "Ready to speak.", "es": "Lista para hablar."}
_NOBODY = -1
_PATIENCE = 0.01
"""Seconds between looks at what joins and leaves, while there is nothing to decode."""


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    voice: str
    """Id of the voice that speaks it."""


class Voices:
    """See `CoquiEngine` for the arguments.

    Args:
        files: by voice id.
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
        # where the decoder is batched on a CPU, half of the threads are its own, half make sound meanwhile;
        # a GPU does one thing after the other
        self._crew_size = threads // 2 if device == "cpu" else 0
        self._crew: Crew | None = None
        self._voices: dict[str, Tacotron | WholeSentences] = {}

    def sample_rate(self, voice_id: str) -> int:
        """Hz; known once the voices are open."""
        return self._voices[voice_id].sample_rate

    def open(self) -> None:
        """Open every voice and have it say a few words.

        Raises:
            ModelUnavailable: a voice cannot be opened, or cannot say them.
        """
        # a setting of the calling thread, which is the one that runs every decoder step
        torch.set_num_threads(self._threads)
        self._crew = Crew(self._crew_size)
        for voice_id, files in self._files.items():
            self._voices[voice_id] = self._open(files, self._crew)
        if any(isinstance(voice, Tacotron) for voice in self._voices.values()):
            torch.set_num_threads(self._threads - self._crew_size)
        for voice_id in self._voices:
            self._warm_up(voice_id)

    def _open(self, files: "CoquiFiles", crew: Crew) -> Tacotron | WholeSentences:
        networks = load(files, self._device, self._compute_type)
        with torch.inference_mode():
            attention = Tacotron.attention_for(networks)
            if attention is not None:
                return Tacotron(networks, attention, self._compute_type, crew, self._on_retry)
        log.info("%s cannot be batched: it speaks a sentence at a time", files.name)
        return WholeSentences(networks)

    def _warm_up(self, voice_id: str) -> None:
        voice = self._voices[voice_id]
        voice.add(_NOBODY, _WARM_UP.get(self._files[voice_id].language, _WARM_UP["en"]))
        while not (outcomes := self._step([voice])):
            pass
        _, outcome = outcomes[0]
        if isinstance(outcome, EngineFailed):
            name = self._files[voice_id].name
            raise ModelUnavailable(f"{name} cannot speak its first words: {outcome}") from outcome
        if isinstance(outcome, Exception):
            raise outcome

    def admit(self, waiting: Sequence[Row]) -> Sequence[int]:
        taken: Counter[str] = Counter()
        chosen = []
        for index, row in enumerate(waiting):
            if taken[row.voice] < self._voices[row.voice].room:
                taken[row.voice] += 1
                chosen.append(index)
        return chosen

    def add(self, job_id: int, row: Row) -> None:
        self._voices[row.voice].add(job_id, row.text)

    def step(self) -> list[tuple[int, Audio | Exception]] | None:
        return self._step(self._voices.values())

    def _step(
        self, voices: Collection[Tacotron | WholeSentences]
    ) -> list[tuple[int, Audio | Exception]] | None:
        decoding = any(voice.decoding for voice in voices)
        outcomes = [outcome for voice in voices for outcome in voice.step()]
        if outcomes or self._crew is None:
            return outcomes
        # where the crew has no threads, this one does its work; where it has, this one helps while it is free
        if (self._crew.alone or not decoding) and self._crew.help():
            return []
        if decoding:
            return []
        self._crew.wait(_PATIENCE)
        return None

    def remove(self, job_id: int) -> None:
        for voice in self._voices.values():
            voice.remove(job_id)

    def clear(self) -> None:
        for voice in self._voices.values():
            voice.clear()

    def close(self) -> None:
        self._voices.clear()
        if self._crew is not None:
            self._crew.close()
            self._crew = None
