"""The batcher with a model that the test steps by hand: no sleeping, nothing timed."""

import asyncio
import ctypes
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

import pytest

from src.errors import EngineFailed, EngineStopped, Overloaded
from src.scheduling import batcher as batching
from src.scheduling.background import background_work
from src.scheduling.batcher import Batcher
from src.scheduling.observer import BatchObserver, Outcome


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

    def add(self, job_id: int, row: str) -> None:
        if row == "unaddable":
            raise ValueError(row)
        self._rows[job_id] = row

    def step(self) -> Iterable[tuple[int, str | Exception]]:
        self.started.release()
        assert self.go.acquire(timeout=10)
        rows, self._rows = self._rows, {}
        self.batches.append(list(rows.values()))
        if self.poison & set(rows.values()):
            raise RuntimeError("poison")
        return [(job_id, row.upper()) for job_id, row in rows.items()]

    def remove(self, job_id: int) -> None:
        self.removed.append(self._rows.pop(job_id))

    def clear(self) -> None:
        self._rows.clear()

    def close(self) -> None:
        self.closed += 1


def play(
    scenario: Callable[[Batcher[str, str], Model], Awaitable[None]], room: int = 2, max_waiting: int = 8
) -> Model:
    """Run a scenario with an open batcher."""
    model = Model(room)

    async def main() -> None:
        async with Batcher(model, "echo", max_waiting) as batcher:
            try:
                await scenario(batcher, model)
            finally:
                for _ in range(100):
                    model.go.release()

    asyncio.run(asyncio.wait_for(main(), 20))
    return model


def submit(batcher: Batcher[str, str], row: str, request_id: str = "a") -> asyncio.Task[str]:
    return asyncio.create_task(batcher.submit(row, request_id))


async def begun(model: Model) -> None:
    """Wait until the model is in a step."""
    assert await asyncio.to_thread(model.started.acquire, timeout=10)


def test_a_row_alone_is_served_at_once() -> None:
    async def scenario(batcher: Batcher[str, str], model: Model) -> None:
        model.go.release()
        assert await batcher.submit("hello", "a") == "HELLO"
        assert (batcher.waiting, batcher.active) == (0, 0)

    model = play(scenario)
    assert model.batches == [["hello"]]
    assert model.open_threads == ["echo"]
    assert model.closed == 1


def test_rows_gather_while_the_model_is_busy() -> None:
    async def scenario(batcher: Batcher[str, str], model: Model) -> None:
        first = submit(batcher, "one")
        await begun(model)
        rest = [submit(batcher, row) for row in ("two", "three", "four")]
        await asyncio.sleep(0)
        assert (batcher.active, batcher.waiting) == (1, 3)
        for _ in range(3):
            model.go.release()
        assert await asyncio.gather(first, *rest) == ["ONE", "TWO", "THREE", "FOUR"]

    assert play(scenario).batches == [["one"], ["two", "three"], ["four"]]


def test_requests_take_turns() -> None:
    async def scenario(batcher: Batcher[str, str], model: Model) -> None:
        tasks = [submit(batcher, "first")]
        await begun(model)
        tasks += [submit(batcher, f"long{index}", "file") for index in range(4)]
        tasks += [submit(batcher, "note1", "x"), submit(batcher, "note2", "y")]
        await asyncio.sleep(0)
        for _ in range(8):
            model.go.release()
        await asyncio.gather(*tasks)

    assert play(scenario, room=1).batches == [
        ["first"],
        ["long0"],
        ["note1"],
        ["note2"],
        ["long1"],
        ["long2"],
        ["long3"],
    ]


def test_cancelling_a_waiting_row_drops_it() -> None:
    async def scenario(batcher: Batcher[str, str], model: Model) -> None:
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

    assert play(scenario).batches == [["one"], ["three"]]


class Looping(Model):
    """Needs two steps for a row."""

    def step(self) -> Iterable[tuple[int, str | Exception]]:
        self.started.release()
        assert self.go.acquire(timeout=10)
        self.batches.append(list(self._rows.values()))
        done = [(job_id, row) for job_id, row in self._rows.items() if row.isupper()]
        self._rows = {job_id: row.upper() for job_id, row in self._rows.items() if not row.isupper()}
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
    async def scenario(batcher: Batcher[str, str], model: Model) -> None:
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

    assert play(scenario).batches == [["first"], ["good", "bad"], ["good"], ["bad"], ["after"]]


def test_a_row_that_cannot_be_added_fails_alone() -> None:
    async def scenario(batcher: Batcher[str, str], model: Model) -> None:
        for _ in range(4):
            model.go.release()
        bad, good = submit(batcher, "unaddable"), submit(batcher, "good")
        with pytest.raises(EngineFailed):
            await bad
        assert await good == "GOOD"

    play(scenario)


def test_a_full_queue_refuses() -> None:
    async def scenario(batcher: Batcher[str, str], model: Model) -> None:
        first = submit(batcher, "one")
        await begun(model)
        waiting = [submit(batcher, row) for row in ("two", "three")]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="2 rows wait"):
            await batcher.submit("four", "b")
        for _ in range(4):
            model.go.release()
        await asyncio.gather(first, *waiting)

    play(scenario, max_waiting=2)


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


class Fragile(Model):
    """Raises wherever its `broken` says."""

    def __init__(self, *broken: str) -> None:
        super().__init__()
        self.broken = set(broken)

    def _maybe(self, name: str) -> None:
        if name in self.broken:
            raise RuntimeError(f"{name} raised")

    def admit(self, waiting: Sequence[str]) -> Sequence[int]:
        self._maybe("admit")
        return super().admit(waiting)

    def remove(self, job_id: int) -> None:
        self._maybe("remove")
        super().remove(job_id)

    def clear(self) -> None:
        super().clear()
        self._maybe("clear")

    def close(self) -> None:
        super().close()
        self._maybe("close")


class Raising(BatchObserver):
    """Raises at everything it is told."""

    def __init__(self) -> None:
        self.told: set[str] = set()

    def _raise(self, what: str) -> None:
        self.told.add(what)
        raise RuntimeError(what)

    def started(self, batcher: str, waited: float) -> None:
        self._raise("started")

    def stepped(self, batcher: str, rows: int, seconds: float) -> None:
        self._raise("stepped")

    def ended(self, batcher: str, outcome: Outcome) -> None:
        self._raise(f"ended {outcome}")

    def retried(self, batcher: str) -> None:
        self._raise("retried")

    def returned(self, batcher: str, submitted: float, started: float | None, outcome: Outcome) -> None:
        self._raise(f"returned {outcome}")


def test_whatever_raises_the_thread_goes_on() -> None:
    """`admit`, `remove`, `clear`, `close` and every method of an observer raise."""
    model, observer = Fragile("admit", "remove", "clear", "close"), Raising()

    async def main() -> None:
        async with Batcher(model, "echo", observers=[observer]) as batcher:
            leaving = submit(batcher, "leaving")
            await begun(model)
            staying = submit(batcher, "staying", "b")
            leaving.cancel()
            await asyncio.wait([leaving])
            for _ in range(20):
                model.go.release()
            assert await staying == "STAYING"
            model.poison = {"bad"}
            with pytest.raises(EngineFailed):
                await batcher.submit("bad", "c")
            batcher.retried()
            assert await batcher.submit("good", "d") == "GOOD"
            assert batcher.alive
            assert (batcher.waiting, batcher.active, batcher.stalled_for) == (0, 0, 0.0)

    asyncio.run(asyncio.wait_for(main(), 20))
    assert model.closed == 1
    assert observer.told == {
        "started", "stepped", "retried", "ended done", "ended failed", "ended cancelled",
        "returned done", "returned failed", "returned cancelled",
    }  # fmt: skip


def test_a_remove_that_raises_costs_nobody_a_row() -> None:
    class LoopingFragile(Looping):
        def remove(self, job_id: int) -> None:
            raise RuntimeError("remove raised")

    model = LoopingFragile(room=2)

    async def main() -> None:
        async with Batcher(model, "echo") as batcher:
            blocker = submit(batcher, "blocker")
            await begun(model)
            leaving, staying = submit(batcher, "leaving"), submit(batcher, "staying", "b")
            await asyncio.sleep(0)
            model.go.release()
            model.go.release()
            assert await blocker == "BLOCKER"
            await begun(model)
            await begun(model)
            leaving.cancel()
            await asyncio.wait([leaving])
            for _ in range(20):
                model.go.release()
            assert await staying == "STAYING"

    asyncio.run(asyncio.wait_for(main(), 20))


@pytest.mark.parametrize("death", ["step", "asynchronous", "clear"])
def test_a_thread_that_ends_is_seen(death: str, caplog: pytest.LogCaptureFixture) -> None:
    """`SystemExit` out of a step, or put into the thread from outside; a model that cannot be cleared."""

    class Mortal(Fragile):
        def step(self) -> Iterable[tuple[int, str | Exception]]:
            self.started.release()
            assert self.go.acquire(timeout=10)
            if death == "step":
                raise SystemExit(3)
            if death == "clear":
                raise RuntimeError("step raised")
            for _ in range(1000):
                time.sleep(0.01)  # an exception from outside is raised between two instructions
            return []

    model = Mortal("clear")

    async def main() -> None:
        async with Batcher(model, "echo", max_waiting=8) as batcher:
            assert batcher.alive
            active = submit(batcher, "active")
            await begun(model)
            waiting = [submit(batcher, row, row) for row in ("one", "two", "three", "four")]
            await asyncio.sleep(0)
            if death == "asynchronous":
                [thread] = [thread for thread in threading.enumerate() if thread.name == "echo"]
                exception = ctypes.py_object(SystemExit)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), exception)
            for _ in range(20):
                model.go.release()
            results = await asyncio.gather(active, *waiting, return_exceptions=True)
            assert all(isinstance(result, EngineStopped | EngineFailed) for result in results)
            assert isinstance(results[-1], EngineStopped)
            assert not batcher.alive
            with pytest.raises(EngineStopped, match="echo"):
                await batcher.submit("late", "z")
            assert (batcher.waiting, batcher.active) == (0, 0)

    asyncio.run(asyncio.wait_for(main(), 20))
    assert [record.levelname for record in caplog.records][-1] == "CRITICAL"
    assert model.closed == 1


def test_a_model_that_neither_opens_nor_closes_still_says_why() -> None:
    class Broken(Fragile):
        def open(self) -> None:
            raise OSError("no weights")

    async def main() -> None:
        with pytest.raises(OSError, match="no weights"):
            async with Batcher(Broken("close"), "echo"):
                pass

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_start_that_is_cancelled_closes_the_model() -> None:
    opening, may_open = threading.Event(), threading.Event()

    class Slow(Model):
        def open(self) -> None:
            opening.set()
            may_open.wait(10)

    model = Slow()

    async def main() -> None:
        starting = asyncio.create_task(Batcher(model, "slow").__aenter__())
        await asyncio.to_thread(opening.wait, 10)
        starting.cancel()
        await asyncio.wait([starting])
        may_open.set()

    asyncio.run(main())
    for thread in threading.enumerate():
        if thread.name == "slow":
            thread.join(10)
    assert model.closed == 1


def test_a_step_is_progress_though_no_row_is_finished() -> None:
    model = Looping(room=1)

    async def main() -> None:
        async with Batcher(model, "echo", stall_seconds=0.1) as batcher:
            row = submit(batcher, "one")
            await begun(model)
            await asyncio.sleep(1)
            before = batcher.stalled_for
            assert before > 0.9
            model.go.release()
            await begun(model)
            assert batcher.stalled_for < before
            assert batcher.stall_limit > 9, "a step took 1 s: ten times that is nothing to worry about"
            model.go.release()
            await row

    asyncio.run(asyncio.wait_for(main(), 20))


def in_background(batcher: Batcher[str, str], row: str, request_id: str) -> asyncio.Task[str]:
    with background_work():
        return submit(batcher, row, request_id)


def test_background_rows_join_only_while_nobody_waits_for_another() -> None:
    async def scenario(batcher: Batcher[str, str], model: Model) -> None:
        first = submit(batcher, "first")
        await begun(model)
        jobs = [in_background(batcher, f"job {index}", f"job {index}") for index in range(4)]
        await asyncio.sleep(0)
        others = [submit(batcher, row, row) for row in ("second", "third")]
        await asyncio.sleep(0)
        for _ in range(4):
            model.go.release()
        assert await asyncio.gather(first, *others, *jobs) == [
            "FIRST", "SECOND", "THIRD", "JOB 0", "JOB 1", "JOB 2", "JOB 3"
        ]  # fmt: skip

    model = play(scenario, room=8)
    assert model.batches == [["first"], ["second", "third"], ["job 0", "job 1"], ["job 2", "job 3"]]


def test_a_row_that_somebody_waits_for_joins_background_rows_at_once() -> None:
    async def scenario(batcher: Batcher[str, str], model: Model) -> None:
        jobs = [in_background(batcher, f"job {index}", "job") for index in range(3)]
        await begun(model)
        note = submit(batcher, "note")
        await asyncio.sleep(0)
        for _ in range(3):
            model.go.release()
        await asyncio.gather(note, *jobs)

    model = play(scenario, room=8)
    assert model.batches[0] in (["job 0"], ["job 0", "job 1"])
    assert model.batches[1] == ["note"]


def test_background_rows_are_never_starved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_STARVED_SECONDS", 0.0)

    async def scenario(batcher: Batcher[str, str], model: Model) -> None:
        first = submit(batcher, "first")
        await begun(model)
        job = in_background(batcher, "job", "job")
        others = [submit(batcher, row, row) for row in ("second", "third")]
        await asyncio.sleep(0)
        for _ in range(3):
            model.go.release()
        await asyncio.gather(first, job, *others)

    assert "job" in play(scenario, room=8).batches[1]
