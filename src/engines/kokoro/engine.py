"""`KokoroEngine`: Kokoro's voices behind the text-to-speech protocol."""

import asyncio
import contextvars
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from src.engines.base import EngineInfo, OnEarlySound, TextToSpeech, Utterance, Voice
from src.engines.batched import BatchedEngine, on_this_loop
from src.engines.kokoro.runner import KokoroRow, Runner
from src.engines.kokoro.statistics import SENTENCES
from src.engines.kokoro.styles import MODEL, describe
from src.errors import EngineFailed, EngineStopped, Overloaded
from src.scheduling.background import background_work
from src.scheduling.observer import BatchObserver

log = logging.getLogger(__name__)


class KokoroEngine(BatchedEngine[KokoroRow, Utterance], TextToSpeech):
    """Speaks with any of its voices, or a blend of them, one sentence at a time.

    Args:
        model: the ONNX file.
        voices: by name (`af_heart`), raw float32 of shape (510, 1, 256): a style for each number of
            phonemes. The first of a language is its default.
        threads: of one model call.
        device: on `cuda` the weights are run by PyTorch, on `cpu` by onnxruntime and oneDNN.
        max_waiting: rows that may wait.
        observers: of the batcher.
        compute_type: on the CPU; with `float32`, onnxruntime runs all of the graph.

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
        compute_type: str = "auto",
    ) -> None:
        self._described = describe(model, voices)
        self._runner = Runner(model, voices, self._described, threads, device, compute_type)
        self._tasks: set[asyncio.Task[None]] = set()
        super().__init__(self._runner, "kokoro", max_waiting, observers)

    @property
    def info(self) -> EngineInfo:
        languages = tuple(dict.fromkeys(voice.language for voice in self._described))
        return EngineInfo("kokoro", MODEL, self._runner.device, self._runner.compute_type, languages)

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Every voice; the phonemes that it takes are known once the engine is open."""
        return tuple(replace(voice, phonemes=self._runner.symbols) for voice in self._described)

    async def utter(
        self,
        text: str,
        voice: Voice,
        request_id: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
    ) -> Utterance:
        """Speak one row; see `TextToSpeech`. Cancelling stops it before its next slice or 510 phonemes.

        Sound is early if no other request waits, the row is not timed, and the voice has been learnt. If it
        has not, it is learnt afterwards, while nothing else is to be done.
        """
        if timed or early is None:
            return await self._batcher.submit(KokoroRow(text, voice, timed, request_id), request_id)
        row = KokoroRow(text, voice, timed, request_id, on_this_loop(early))
        utterance = await self._batcher.submit(row, request_id)
        for unlearnt in self._runner.take_unlearnt():
            learning = self._learn_in_background(unlearnt)
            # the request ends before, so that neither its id nor its trace belongs to this work
            task = asyncio.create_task(learning, context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return utterance

    async def learn(self, voice: Voice) -> None:
        """Learn a voice (no blend) now, so that its sound can be early; it takes seconds.

        Raises:
            EngineFailed: the model raised.
            Overloaded: too many rows wait, or the engine is being closed.
        """
        for number, text in enumerate(SENTENCES[voice.language]):
            await self._batcher.submit(KokoroRow(text, voice, learnt_as=number), f"learning {voice.id}")

    async def _learn_in_background(self, voice: Voice) -> None:
        with background_work():
            try:
                await self.learn(voice)
            except Overloaded as error:
                self._runner.forget_unlearnt(voice)
                log.warning("the voice %s is learnt later: %s", voice.id, error)
            except (EngineFailed, EngineStopped) as error:
                log.warning("the voice %s has not been learnt: %s", voice.id, error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await super().__aexit__(kind, error, trace)
