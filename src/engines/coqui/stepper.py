"""The voices of all languages as one `Stepper`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from src.engines.base import Audio
from src.engines.coqui.loading import load
from src.engines.coqui.whole import WholeSentences

if TYPE_CHECKING:
    from src.core.model_store import CoquiFiles


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    language: str


class Speakers:
    def __init__(
        self, files: "Mapping[str, CoquiFiles]", device: str, compute_type: str, threads: int
    ) -> None:
        self._files = files
        self._device = device
        self._compute_type = compute_type
        self._threads = threads
        self._speakers: dict[str, WholeSentences] = {}

    def sample_rate(self, language: str) -> int:
        return self._speakers[language].sample_rate

    def open(self) -> None:
        # of this thread and what it starts; the engine's own thread runs every model call
        torch.set_num_threads(self._threads)
        for language, files in self._files.items():
            self._speakers[language] = WholeSentences(load(files, self._device))

    def admit(self, waiting: Sequence[Row]) -> Sequence[int]:
        return [index for index, row in enumerate(waiting) if self._speakers[row.language].has_room][:1]

    def add(self, ticket: int, row: Row) -> None:
        self._speakers[row.language].add(ticket, row.text)

    def step(self) -> list[tuple[int, Audio | Exception]]:
        return [done for speaker in self._speakers.values() for done in speaker.step()]

    def remove(self, ticket: int) -> None:
        for speaker in self._speakers.values():
            speaker.remove(ticket)

    def clear(self) -> None:
        for speaker in self._speakers.values():
            speaker.clear()

    def close(self) -> None:
        self._speakers.clear()
