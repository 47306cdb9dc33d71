"""The replica's side: runs rows that other processes send on the engine of this process."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from src.engines.base import SpeechToText, TextToSpeech
from src.engines.remote.messages import ReplicaDescription, ReplicaStatus, RowCall
from src.engines.remote.samples import unpacked
from src.errors import EngineFailed, VozError
from src.observability import tracing
from src.scheduling.background import background_work

log = logging.getLogger(__name__)

METHODS = frozenset({"transcribe", "transcribe_partial", "detect_language", "utter"})


class EngineServer:
    """Runs `RowCall`s on an engine and reports its state.

    Args:
        engine: the engine, open.
        replica: identifies this process.
        threads: CPU threads of the engine.
        notices: messages for the operator.
    """

    def __init__(
        self, engine: SpeechToText | TextToSpeech, replica: str, threads: int, notices: tuple[str, ...] = ()
    ) -> None:
        self._engine = engine
        self._replica = replica
        self._threads = threads
        self._notices = notices
        self._queued: dict[str, float] = {}

    async def run(self, row: RowCall) -> Any:
        """What the engine's method returns, or the `VozError` that it raises.

        An error is returned, because one that is raised would reach the caller with this process's traceback
        in its message.
        """
        if row.method not in METHODS:
            raise ValueError(f"not a method of an engine: {row.method}")
        method = getattr(self._engine, row.method)
        background = background_work() if row.background else nullcontext()
        began = time.monotonic()
        with self._counted(row), background, tracing.continued("row", row.trace):
            try:
                arguments = (unpacked(argument) for argument in row.arguments)
                return await method(*arguments, row.request_id, **(row.options or {}))
            except VozError as error:
                if isinstance(error, EngineFailed):
                    log.error("%s: %s", type(error).__name__, error, exc_info=error)
                error.__cause__ = error.__context__ = None  # of this process: it may not be picklable
                return error
            finally:
                log.debug("%s took %.3f s", row.method, time.monotonic() - began)

    def describe(self) -> ReplicaDescription:
        """What runs here."""
        voices = getattr(self._engine, "voices", ())
        return ReplicaDescription(self._replica, self._engine.info, self._threads, voices, self._notices)

    def status(self) -> ReplicaStatus:
        """How busy the engine is."""
        return ReplicaStatus(self._replica, self._engine.load, dict(self._queued))

    @contextmanager
    def _counted(self, row: RowCall) -> Iterator[None]:
        self._queued[row.source] = self._queued.get(row.source, 0.0) + row.seconds
        try:
            yield
        finally:
            left = self._queued[row.source] - row.seconds
            if left > 1e-6:
                self._queued[row.source] = left
            else:
                del self._queued[row.source]
