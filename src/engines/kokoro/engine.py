"""`KokoroEngine`: Kokoro's voices behind the text-to-speech protocol."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from src.engines.base import Audio, EngineInfo, Utterance, Voice
from src.engines.batched import BatchedEngine
from src.engines.kokoro.runner import KokoroRow, Runner
from src.engines.kokoro.styles import MODEL, describe
from src.scheduling.observer import BatchObserver


class KokoroEngine(BatchedEngine[KokoroRow, Utterance]):
    """Speaks with any of its voices, or a blend of them, one sentence at a time.

    Args:
        model: the ONNX file.
        voices: by name (`af_heart`), raw float32 of shape (510, 1, 256): a style for each number of
            phonemes. The first of a language is its default.
        threads: of one model call.
        device: on `cuda` the weights are run by PyTorch, on `cpu` by onnxruntime.
        max_waiting: rows that may wait.
        observers: of the batcher.

    Raises:
        ModelUnavailable: a voice is of a language that this engine does not speak, or a file is missing.
    """

    def __init__(
        self,
        model: Path,
        voices: Mapping[str, Path],
        threads: int,
        device: str = "cpu",
        max_waiting: int = 1024,
        observers: Iterable[BatchObserver] = (),
    ) -> None:
        self._described = describe(model, voices)
        self._runner = Runner(model, voices, self._described, threads, device)
        super().__init__(self._runner, "kokoro", max_waiting, observers)

    @property
    def info(self) -> EngineInfo:
        languages = tuple(dict.fromkeys(voice.language for voice in self._described))
        return EngineInfo("kokoro", MODEL, self._runner.device, self._runner.compute_type, languages)

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Every voice; the phonemes that it takes are known once the engine is open."""
        return tuple(replace(voice, phonemes=self._runner.symbols) for voice in self._described)

    async def synthesize(self, text: str, voice: Voice, request_id: str) -> Audio:
        """The sound alone of `utter`."""
        return (await self.utter(text, voice, request_id)).audio

    async def utter(self, text: str, voice: Voice, request_id: str, *, timed: bool = False) -> Utterance:
        """Speak one row; see `TextToSpeech`. Cancelling stops it before its next 510 phonemes."""
        return await self._batcher.submit(KokoroRow(text, voice, timed), request_id)
