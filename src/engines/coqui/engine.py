"""`CoquiEngine`: Coqui's models behind the text-to-speech protocol."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from src.engines.base import EngineInfo, OnEarlySound, TextToSpeech, Utterance, Voice
from src.engines.batched import BatchedEngine, on_this_loop
from src.engines.compute_types import for_coqui
from src.engines.coqui.runner import MultiVoiceRunner, Row
from src.errors import ModelUnavailable
from src.scheduling.observer import BatchObserver
from src.weights.fingerprint import fingerprint

if TYPE_CHECKING:
    from src.weights.store import CoquiFiles


class CoquiEngine(BatchedEngine[Row, Utterance], TextToSpeech):
    """Speaks with Coqui models. Each model is a voice.

    Args:
        models: the files of each model. The first model of a language is its default voice. If two have the
            same name, the second voice is called `<name>-2`.
        device: `cpu` or `cuda`.
        compute_type: data type of the decoder's matrix products. `auto` is `bfloat16` on a CPU with
            instructions for it, `float16` on other CPUs (only weights are rounded), and `float32` on a GPU.
            `docs/internals/coqui.md` has the measurements.
        threads: number of CPU threads.
        max_waiting: number of rows that may wait.
        observers: they are told what the batcher does.
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
        self._runner = MultiVoiceRunner(self._files, device, self._compute_type, threads, self._retried)
        super().__init__(self._runner, "coqui", max_waiting, observers)

    @property
    def info(self) -> EngineInfo:
        names = ", ".join(dict.fromkeys(files.name for files in self._files.values()))
        languages = tuple(dict.fromkeys(files.language for files in self._files.values()))
        return EngineInfo("coqui", names, self._device, self._compute_type, languages)

    @property
    def voices(self) -> tuple[Voice, ...]:
        """One voice for each model. Sample rates and phonemes are known once the engine is open."""
        return tuple(self._voice(voice_id, files) for voice_id, files in self._files.items())

    def _voice(self, voice_id: str, files: "CoquiFiles") -> Voice:
        return Voice(
            id=voice_id,
            language=files.language,
            locale=files.language,
            engine="coqui",
            model=files.name,
            sample_rate=self._runner.sample_rate(voice_id),
            phonemes=self._runner.phonemes(voice_id),
            fingerprint=self._fingerprints[voice_id],
        )

    async def utter(
        self,
        text: str,
        voice: Voice,
        request_id: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
    ) -> Utterance:
        """Speak one row; see `TextToSpeech`. Cancelling it stops it before the next decoder step.

        Sound is early if no other row of its voice is decoded when this one joins.
        """
        on_early = None if early is None else on_this_loop(early)
        return await self._batcher.submit(Row(text, voice.id, timed, on_early), request_id)


def _free_name(name: str, taken: "Mapping[str, CoquiFiles]") -> str:
    numbers = itertools.count(2)
    free = name
    while free in taken:
        free = f"{name}-{next(numbers)}"
    return free


def _fingerprint(files: "CoquiFiles") -> str:
    """Fingerprint of the model, its vocoder, and the statistics in their folders."""
    named = (files.checkpoint, files.config, files.vocoder_checkpoint, files.vocoder_config)
    parts: list[Path] = [file for file in named if file is not None]
    folders = dict.fromkeys(file.parent for file in (files.checkpoint, files.vocoder_checkpoint) if file)
    statistics = [file for folder in folders for file in sorted(folder.glob("*.npy"))]
    try:
        return fingerprint([*parts, *statistics])
    except OSError as error:
        raise ModelUnavailable(f"{files.name}: {error}") from None
