"""`CoquiEngine`: Coqui's models behind the text-to-speech protocol."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from src.engines.base import Audio, EngineInfo, Voice
from src.engines.batched import BatchedEngine
from src.engines.compute_types import for_coqui
from src.engines.coqui.stepper import Row, Voices
from src.errors import ModelUnavailable
from src.scheduling.observer import BatchObserver
from src.weights.fingerprint import fingerprint

if TYPE_CHECKING:
    from src.weights.store import CoquiFiles


class CoquiEngine(BatchedEngine[Row, Audio]):
    """Speaks with Coqui models: each is a voice.

    Args:
        models: their files. The first of a language is its default. Of two with one name, the second is
            called `<name>-2`.
        device: `cpu` or `cuda`.
        compute_type: of the decoder's multiplications. `auto` is `bfloat16` on a CPU that multiplies it,
            `float16` on others (weights alone are rounded), and `float32` on a GPU: see
            docs/internals/coqui.md for the evidence.
        threads: CPU threads of one model call.
        max_waiting: rows that may wait.
        observers: of the batcher.
    """

    def __init__(
        self,
        models: "Sequence[CoquiFiles]",
        device: str = "cpu",
        compute_type: str = "auto",
        threads: int = 1,
        max_waiting: int = 1024,
        observers: Iterable[BatchObserver] = (),
    ) -> None:
        self._files: dict[str, CoquiFiles] = {}
        for files in models:
            self._files[_free_name(files.name, self._files)] = files
        self._fingerprints = {voice_id: _fingerprint(files) for voice_id, files in self._files.items()}
        self._device = device
        self._compute_type = for_coqui(compute_type, device)
        self._voices = Voices(self._files, device, self._compute_type, threads, self._retried)
        super().__init__(self._voices, "coqui", max_waiting, observers)

    @property
    def info(self) -> EngineInfo:
        names = ", ".join(dict.fromkeys(files.name for files in self._files.values()))
        languages = tuple(dict.fromkeys(files.language for files in self._files.values()))
        return EngineInfo("coqui", names, self._device, self._compute_type, languages)

    @property
    def voices(self) -> tuple[Voice, ...]:
        """One for each model; known once the engine is open."""
        return tuple(self._voice(voice_id, files) for voice_id, files in self._files.items())

    def _voice(self, voice_id: str, files: "CoquiFiles") -> Voice:
        return Voice(
            id=voice_id,
            language=files.language,
            locale=files.language,
            engine="coqui",
            model=files.name,
            sample_rate=self._voices.sample_rate(voice_id),
            fingerprint=self._fingerprints[voice_id],
        )

    async def synthesize(self, text: str, voice: Voice, request_id: str) -> Audio:
        """Speak one row; see `TextToSpeech`. Cancelling stops it before its next decoder step."""
        return await self._batcher.submit(Row(text, voice.id), request_id)


def _free_name(name: str, taken: "Mapping[str, CoquiFiles]") -> str:
    numbers = itertools.count(2)
    free = name
    while free in taken:
        free = f"{name}-{next(numbers)}"
    return free


def _fingerprint(files: "CoquiFiles") -> str:
    """Of the model, its vocoder, and the statistics that lie beside them."""
    named = (files.checkpoint, files.config, files.vocoder_checkpoint, files.vocoder_config)
    parts: list[Path] = [file for file in named if file is not None]
    folders = dict.fromkeys(file.parent for file in (files.checkpoint, files.vocoder_checkpoint) if file)
    statistics = [file for folder in folders for file in sorted(folder.glob("*.npy"))]
    try:
        return fingerprint([*parts, *statistics])
    except OSError as error:
        raise ModelUnavailable(f"{files.name}: {error}") from None
