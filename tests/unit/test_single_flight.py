"""Equal work at the same time is done once, and callers may leave."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from src.services.single_flight import SingleFlight


class _Work:
    """Work that ends when it is told to, and counts."""

    def __init__(self, error: Exception | None = None) -> None:
        self.started = 0
        self.cancelled = 0
        self.go_on = asyncio.Event()
        self._error = error

    async def __call__(self) -> int:
        self.started += 1
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            await asyncio.sleep(0.01)  # giving back takes a moment
            raise
        if self._error:
            raise self._error
        return self.started


def callers(
    flights: SingleFlight[int], work: Callable[[], Coroutine[Any, Any, int]], count: int
) -> list[asyncio.Task[tuple[int, bool]]]:
    return [asyncio.create_task(flights.run("key", work)) for _ in range(count)]


def test_callers_at_once_share_one_run_and_one_of_them_has_it_first() -> None:
    async def main() -> None:
        flights, work = SingleFlight[int](), _Work()
        tasks = callers(flights, work, 5)
        other = asyncio.create_task(flights.run("other key", work))
        await asyncio.sleep(0)
        work.go_on.set()
        outcomes = await asyncio.gather(*tasks)
        assert work.started == 2
        assert [shared for _, shared in outcomes] == [False, True, True, True, True]
        assert (await other)[1] is False
        assert "key" not in flights
        assert (await flights.run("key", work)) == (3, False)

    asyncio.run(main())


def test_who_leaves_stops_nobody_until_the_last_does() -> None:
    async def main() -> None:
        flights, work = SingleFlight[int](), _Work()
        first, second, third = callers(flights, work, 3)
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert work.cancelled == 0
        second.cancel()
        third.cancel()
        while not work.cancelled:  # noqa: ASYNC110 - nothing else may run meanwhile
            await asyncio.sleep(0)
        assert work.cancelled == 1
        assert not third.done(), "it is let go only when the work has ended"
        assert "key" not in flights
        [again] = callers(flights, work, 1)  # does not join work that is ending
        work.go_on.set()
        assert await again == (2, False)
        outcomes = await asyncio.gather(second, third, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)

    asyncio.run(main())


def test_when_the_first_leaves_the_next_is_the_one_who_has_it_first() -> None:
    async def main() -> None:
        flights, work = SingleFlight[int](), _Work()
        first, *others = callers(flights, work, 3)
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        work.go_on.set()
        assert [shared for _, shared in await asyncio.gather(*others)] == [False, True]

    asyncio.run(main())


def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    async def main() -> None:
        flights, work = SingleFlight[int](), _Work(ValueError("no"))
        tasks = callers(flights, work, 3)
        work.go_on.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["no"] * 3
        with pytest.raises(ValueError, match="no"):
            await flights.run("key", work)
        assert work.started == 2

    asyncio.run(main())
