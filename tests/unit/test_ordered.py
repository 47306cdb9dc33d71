"""Ordered work: results in order, as soon as they are there, and nothing left behind."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any

import pytest

from src.services.ordered import ordered
from tests.support.eventually import eventually


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def test_results_come_in_order_and_few_are_ahead() -> None:
    at_once, most = 0, 0

    async def work(number: int) -> int:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01 * (3 - number % 3))
        at_once -= 1
        return number

    async def main() -> None:
        assert [result async for result in ordered(numbers(20), work, 4)] == list(range(20))
        assert [result async for result in ordered(iter(range(20)), work, 4)] == list(range(20))
        assert most == 4

    run(main())


def test_a_result_does_not_wait_for_a_slow_source() -> None:
    """Before, results were kept back until as many items as may be in work had come: fatal for live audio."""
    more = asyncio.Event()

    async def slow() -> AsyncIterator[int]:
        yield 1
        await more.wait()
        yield 2

    async def work(number: int) -> int:
        return number

    async def main() -> None:
        async with aclosing(ordered(slow(), work, 4)) as results:
            assert await anext(results) == 1
            more.set()
            assert [result async for result in results] == [2]

    run(main())


def test_the_first_item_can_go_alone() -> None:
    begun: list[int] = []
    seen: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        await asyncio.sleep(0.01)
        if number == 0:
            seen.extend(begun)
        return number

    async def main() -> None:
        assert [result async for result in ordered(numbers(6), work, 3, first_alone=True)] == [*range(6)]
        assert seen == [0]

    run(main())


@pytest.mark.parametrize("faulty", ["work", "source"])
def test_an_error_is_raised_and_the_others_are_cancelled(faulty: str) -> None:
    cancelled: list[int] = []
    last_begun = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        yield 0
        yield 1
        if faulty == "source":
            raise ValueError(faulty)
        yield 2

    async def work(number: int) -> int:
        if number == 0 and faulty == "work":
            await last_begun.wait()
            raise ValueError(faulty)
        if number == 2:
            last_begun.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    async def main() -> None:
        with pytest.raises(ValueError, match=faulty):
            await anext(ordered(source(), work, 8))
        assert cancelled == ([1, 2] if faulty == "work" else [0, 1])

    run(main())


def test_closing_it_cancels_what_is_under_way() -> None:
    in_work: set[int] = set()
    waits = False

    async def source() -> AsyncIterator[int]:
        nonlocal waits
        for number in range(3):
            yield number
        waits = True
        try:
            await asyncio.sleep(30)
        finally:
            waits = False

    async def work(number: int) -> int:
        if number == 0:
            return number
        in_work.add(number)
        try:
            await asyncio.sleep(30)
        finally:
            in_work.remove(number)
        return number

    async def main() -> None:
        async with aclosing(ordered(source(), work, 8)) as results:
            assert await anext(results) == 0
            next_one = asyncio.create_task(anext(results))
            await eventually(lambda: in_work == {1, 2} and waits)
            next_one.cancel()
            await asyncio.gather(next_one, return_exceptions=True)
        assert not in_work
        assert not waits

    run(main())
