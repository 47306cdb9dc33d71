"""Does work once that several callers ask for at the same time. Each caller gets the outcome.

The idea and its name are those of Go's `golang.org/x/sync/singleflight`. Unlike there, callers may leave.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    callers: int = 0
    taken: bool = False
    """Whether a caller has received the outcome."""


class SingleFlight(Generic[T]):
    """Runs one piece of work for each key at a time.

    It has no more work in flight than waiting callers, so limit those. A caller who leaves does not stop the
    others. When the last caller leaves, the work is cancelled, and `run` returns when it has ended.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}

    def __contains__(self, key: Hashable) -> bool:
        """Whether work for this key is in flight."""
        return key in self._flights

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """The outcome of `work`, or of the work that is in flight for `key` already.

        Returns:
            The outcome, and whether another caller has received it before (False for the first).

        Raises:
            Exception: whatever the work raised; every caller gets it.
        """
        flight = self._flights.get(key)
        if flight is None:
            # a separate task, because the work must outlive the first caller
            flight = self._flights[key] = _Flight(asyncio.create_task(work()))
            flight.task.add_done_callback(lambda _: self._forget(key, flight))
        flight.callers += 1
        try:
            outcome = await asyncio.shield(flight.task)
        finally:
            flight.callers -= 1
            if flight.callers == 0 and not flight.task.done():
                self._forget(key, flight)  # a new caller must not join work that is ending
                flight.task.cancel()
                await asyncio.wait({flight.task})
        shared, flight.taken = flight.taken, True
        return outcome, shared

    def _forget(self, key: Hashable, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
