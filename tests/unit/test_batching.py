"""The batcher with a model that the test steps by hand: no sleeping, nothing timed."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence

import pytest

from src.core.batching import Batcher
from src.core.errors import EngineFailed, Overloaded


class Model:
    """Answers rows with their upper case, `room` at a time, one step each time `go` is released."""

    def __init__(self, room: int = 2) -> None:
        self.room = room
        self.go = threading.Semaphore(0)
        self.started = threading.Semaphore(0)
        self.batches: list[list[str]] = []
        self.removed: list[str] = []
        self.poison: set[str] = set()
        self.open_threads: list[str] = []
        self.closed = 0
        self._rows: dict[int, str] = {}

    def open(self) -> None:
        self.open_threads.append(threading.current_thread().name)

    def admit(self, waiting: Sequence[str]) -> Sequence[int]:
        return range(min(len(waiting), self.room - len(self._rows)))

    def add(self, ticket: int, row: str) -> None:
        if row == "unaddable":
            raise ValueError(row)
        self._rows[ticket] = row

    def step(self) -> Iterable[tuple[int, str | Exception]]:
        self.started.release()
        assert self.go.acquire(timeout=10)
        rows, self._rows = self._rows, {}
        self.batches.append(list(rows.values()))
        if self.poison & set(rows.values()):
            raise RuntimeError("poison")
        return [(ticket, row.upper()) for ticket, row in rows.items()]

    def remove(self, ticket: int) -> None:
        self.removed.append(self._rows.pop(ticket))

    def clear(self) -> None:
        self._rows.clear()

    def close(self) -> None:
        self.closed += 1


def play(scene: Callable[[Batcher[str, str], Model], Awaitable[None]], room: int = 2, **limits: int) -> Model:
    """Run a scene with an open batcher."""
    model = Model(room)

    async def main() -> None:
        async with Batcher(model, "echo", **limits) as batcher:
            try:
                await scene(batcher, model)
            finally:
                for _ in range(100):
                    model.go.release()

    asyncio.run(asyncio.wait_for(main(), 20))
    return model


def submit(batcher: Batcher[str, str], row: str, lane: str = "a") -> asyncio.Task[str]:
    return asyncio.create_task(batcher.submit(row, lane))


async def begun(model: Model) -> None:
    """Wait until the model is in a step."""
    assert await asyncio.to_thread(model.started.acquire, timeout=10)


def test_a_row_alone_is_served_at_once() -> None:
    async def scene(batcher: Batcher[str, str], model: Model) -> None:
        model.go.release()
        assert await batcher.submit("hello", "a") == "HELLO"
        assert (batcher.waiting, batcher.active) == (0, 0)

    model = play(scene)
    assert model.batches == [["hello"]]
    assert model.open_threads == ["echo"]
    assert model.closed == 1


def test_rows_gather_while_the_model_is_busy() -> None:
    async def scene(batcher: Batcher[str, str], model: Model) -> None:
        first = submit(batcher, "one")
        await begun(model)
        rest = [submit(batcher, row) for row in ("two", "three", "four")]
        await asyncio.sleep(0)
        assert (batcher.active, batcher.waiting) == (1, 3)
        for _ in range(3):
            model.go.release()
        assert await asyncio.gather(first, *rest) == ["ONE", "TWO", "THREE", "FOUR"]

    assert play(scene).batches == [["one"], ["two", "three"], ["four"]]


def test_lanes_take_turns() -> None:
    async def scene(batcher: Batcher[str, str], model: Model) -> None:
        tasks = [submit(batcher, "first")]
        await begun(model)
        tasks += [submit(batcher, f"long{index}", "file") for index in range(4)]
        tasks += [submit(batcher, "note1", "x"), submit(batcher, "note2", "y")]
        await asyncio.sleep(0)
        for _ in range(8):
            model.go.release()
        await asyncio.gather(*tasks)

    assert play(scene, room=1).batches == [
        ["first"],
        ["long0"],
        ["note1"],
        ["note2"],
        ["long1"],
        ["long2"],
        ["long3"],
    ]


def test_cancelling_a_waiting_row_drops_it() -> None:
    async def scene(batcher: Batcher[str, str], model: Model) -> None:
        first = submit(batcher, "one")
        await begun(model)
        second, third = submit(batcher, "two"), submit(batcher, "three")
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        assert batcher.waiting == 1
        model.go.release()
        model.go.release()
        assert [await first, await third] == ["ONE", "THREE"]

    assert play(scene).batches == [["one"], ["three"]]


class Looping(Model):
    """Needs two steps for a row."""

    def step(self) -> Iterable[tuple[int, str | Exception]]:
        self.started.release()
        assert self.go.acquire(timeout=10)
        self.batches.append(list(self._rows.values()))
        done = [(ticket, row) for ticket, row in self._rows.items() if row.isupper()]
        self._rows = {ticket: row.upper() for ticket, row in self._rows.items() if not row.isupper()}
        return done


def test_cancelling_a_row_in_work_removes_it_before_the_next_step() -> None:
    model = Looping(room=2)

    async def main() -> None:
        async with Batcher(model, "echo") as batcher:
            first = submit(batcher, "one")
            await begun(model)
            first.cancel()
            await asyncio.wait([first])
            second = submit(batcher, "two")
            for _ in range(4):
                model.go.release()
            assert await second == "TWO"
            assert batcher.active == 0

    asyncio.run(asyncio.wait_for(main(), 20))
    assert model.removed == ["ONE"]
    assert model.batches == [["one"], ["two"], ["TWO"]]


def test_only_the_row_that_raises_fails() -> None:
    async def scene(batcher: Batcher[str, str], model: Model) -> None:
        model.poison = {"bad"}
        first = submit(batcher, "first")
        await begun(model)
        good, bad = submit(batcher, "good"), submit(batcher, "bad")
        await asyncio.sleep(0)
        for _ in range(10):
            model.go.release()
        assert await first == "FIRST"
        assert await good == "GOOD"
        with pytest.raises(EngineFailed, match="echo"):
            await bad
        assert await batcher.submit("after", "a") == "AFTER"
        assert (batcher.waiting, batcher.active) == (0, 0)

    assert play(scene).batches == [["first"], ["good", "bad"], ["good"], ["bad"], ["after"]]


def test_a_row_that_cannot_be_added_fails_alone() -> None:
    async def scene(batcher: Batcher[str, str], model: Model) -> None:
        for _ in range(4):
            model.go.release()
        bad, good = submit(batcher, "unaddable"), submit(batcher, "good")
        with pytest.raises(EngineFailed):
            await bad
        assert await good == "GOOD"

    play(scene)


def test_a_full_line_refuses() -> None:
    async def scene(batcher: Batcher[str, str], model: Model) -> None:
        first = submit(batcher, "one")
        await begun(model)
        waiting = [submit(batcher, row) for row in ("two", "three")]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="2 rows wait"):
            await batcher.submit("four", "b")
        for _ in range(4):
            model.go.release()
        await asyncio.gather(first, *waiting)

    play(scene, max_waiting=2)


def test_closing_refuses_what_waits_and_what_comes() -> None:
    model = Model(room=1)

    async def main() -> None:
        batcher = Batcher(model, "echo")
        await batcher.__aenter__()
        first, second = submit(batcher, "one"), submit(batcher, "two")
        await begun(model)
        closing = asyncio.create_task(batcher.__aexit__(None, None, None))
        await asyncio.sleep(0)
        model.go.release()
        await closing
        assert await first == "ONE"
        with pytest.raises(Overloaded, match="stopping"):
            await second
        with pytest.raises(Overloaded, match="stopping"):
            await batcher.submit("three", "a")

    asyncio.run(asyncio.wait_for(main(), 20))
    assert model.closed == 1
    assert not any(thread.name == "echo" for thread in threading.enumerate())


def test_a_model_that_does_not_open_says_why() -> None:
    class Broken(Model):
        def open(self) -> None:
            raise OSError("no weights")

    model = Broken()

    async def main() -> None:
        with pytest.raises(OSError, match="no weights"):
            async with Batcher(model, "echo"):
                pass

    asyncio.run(main())
    assert model.closed == 1


def test_a_step_that_only_waits_finishes_nothing() -> None:
    class Elsewhere(Model):
        waits = 3

        def step(self) -> Iterable[tuple[int, str | Exception]] | None:  # type: ignore[override]
            if self.waits:
                self.waits -= 1
                return None
            return super().step()

    model = Elsewhere()
    model.go.release()

    async def main() -> None:
        async with Batcher(model, "echo") as batcher:
            assert await batcher.submit("one", "a") == "ONE"

    asyncio.run(asyncio.wait_for(main(), 20))
    assert model.waits == 0
