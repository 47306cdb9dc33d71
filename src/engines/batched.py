"""The base class of engines around a `Batcher`."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

from src.engines.base import EngineInfo, Load
from src.scheduling.batcher import MAX_BACKGROUND, STALL_SECONDS, Batcher, BatchModel
from src.scheduling.observer import BatchObserver

T = TypeVar("T")
RowT = TypeVar("RowT")
OutT = TypeVar("OutT")


def on_this_loop(function: Callable[[T], None]) -> Callable[[T], None]:
    """A function for the batcher's thread that calls `function` on the event loop of this task."""
    loop = asyncio.get_running_loop()

    def call(value: T) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(function, value)

    return call


class BatchedEngine(ABC, Generic[RowT, OutT]):
    """An `Engine` whose model is driven by a batcher, `self._batcher`.

    Args:
        model: the model; entering the engine opens it, leaving closes it.
        name: of the batcher.
        max_waiting: rows that may wait.
        observers: of the batcher.
        stall_seconds: see `Batcher`.
        max_background: rows in the model at once that nobody waits for.
    """

    def __init__(
        self,
        model: BatchModel[RowT, OutT],
        name: str,
        max_waiting: int = 1024,
        observers: Iterable[BatchObserver] = (),
        stall_seconds: float = STALL_SECONDS,
        max_background: int = MAX_BACKGROUND,
    ) -> None:
        self._batcher: Batcher[RowT, OutT] = Batcher(
            model, name, max_waiting, observers, stall_seconds, max_background
        )

    @property
    @abstractmethod
    def info(self) -> EngineInfo:
        """What runs."""

    @property
    def load(self) -> Load:
        """How busy the batcher is."""
        batcher = self._batcher
        return Load(
            batcher.waiting, batcher.active, batcher.stalled_for, batcher.stall_limit, alive=batcher.alive
        )

    def _retried(self) -> None:
        """Count a row that the model works on once more. The model calls it."""
        self._batcher.retried()

    async def __aenter__(self) -> Self:
        await self._batcher.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._batcher.__aexit__(kind, error, trace)
