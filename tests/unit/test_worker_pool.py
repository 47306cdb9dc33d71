"""Work in stages: which task goes first, which is dropped, which fails."""

import threading
from collections.abc import Callable, Generator, Iterator
from functools import partial

import pytest
import torch

from src.engines.worker_pool import Stage, Task, WorkerPool

RESULT = "the result"


@pytest.fixture
def alone() -> Iterator[WorkerPool]:
    """Without threads: all is done by whoever helps."""
    pool = WorkerPool(0, "test")
    yield pool
    pool.close()


def task(log: list[str], name: str, stages: int = 3, parts: int = 2, *, urgent: bool = True) -> Task[str]:
    def run() -> Generator[Stage, None, str]:
        for stage in range(stages):
            yield [partial(log.append, f"{name}{stage}")] * parts
        return RESULT

    return Task(run(), urgent)


def test_a_stage_begins_when_all_of_the_one_before_is_done() -> None:
    together = threading.Barrier(2, timeout=10)
    log: list[str] = []

    def part(name: str) -> Callable[[], None]:
        def do() -> None:
            together.wait()  # two threads do a part each, or this breaks
            log.append(name)

        return do

    def run() -> Generator[Stage, None, str]:
        for stage in "abc":
            yield [part(stage), part(stage)]
        return RESULT

    pool, one = WorkerPool(2, "test"), Task(run(), urgent=True)
    try:
        pool.submit(one)
        while not one.done:
            pool.wait(10)
        assert one.outcome is RESULT
        assert "".join(log) == "aabbcc"
        assert pool.idle
    finally:
        pool.close()


def test_an_urgent_task_overtakes_another_in_its_middle(alone: WorkerPool) -> None:
    log: list[str] = []
    alone.submit(task(log, "long", urgent=False))
    while len(log) < 3:
        assert alone.help()
    assert not alone.urgent_waiting
    alone.submit(task(log, "short"))
    assert alone.urgent_waiting
    while alone.help():
        pass
    assert log[3:9] == ["short0", "short0", "short1", "short1", "short2", "short2"]
    assert log[9:] == ["long1", "long2", "long2"]


def test_a_task_gets_on_though_urgent_ones_keep_coming(alone: WorkerPool) -> None:
    log: list[str] = []
    alone.submit(task(log, "long", urgent=False))
    for _ in range(100):
        alone.submit(task(log, "short"))
        alone.help()
        alone.help()
    assert any(name.startswith("long") for name in log)


def test_a_dropped_task_does_not_go_on(alone: WorkerPool) -> None:
    log: list[str] = []
    one = task(log, "dropped")
    alone.submit(one)
    while not log:
        alone.help()
    alone.drop(one)
    assert not alone.help()
    assert one.outcome is None
    assert log == ["dropped0"]


def test_a_task_dropped_in_the_middle_of_a_subtask_ends_there(alone: WorkerPool) -> None:
    log: list[str] = []

    def run() -> Generator[Stage, None, str]:
        yield [lambda: alone.drop(one)]
        log.append("went on")
        return RESULT

    one = Task(run(), urgent=True)
    alone.submit(one)
    while alone.help():
        pass
    assert log == []
    assert one.outcome is None


@pytest.mark.parametrize("inside", [True, False])
def test_a_task_that_fails_fails_alone(alone: WorkerPool, inside: bool) -> None:
    def fail() -> None:
        raise ValueError("no")

    def run() -> Generator[Stage, None, str]:
        if inside:
            yield [fail, fail]
        fail()
        return RESULT

    bad, good = Task(run(), urgent=True), task([], "good")
    alone.submit(bad)
    alone.submit(good)
    while alone.help():
        pass
    assert isinstance(bad.outcome, ValueError)
    assert good.outcome is RESULT


def test_a_task_of_one_function(alone: WorkerPool) -> None:
    one, nothing = Task.of(lambda: 42), Task.of(lambda: None)
    alone.submit(one)
    alone.submit(nothing)
    assert not one.done
    while alone.help():
        pass
    assert one.outcome == 42
    assert nothing.done
    assert nothing.outcome is None
    assert alone.idle


def test_a_pool_is_free_while_a_thread_of_it_has_nothing_to_do() -> None:
    begun, go = threading.Event(), threading.Event()

    def last() -> None:
        begun.set()
        assert go.wait(10)

    pool = WorkerPool(1, "test")
    try:
        assert pool.free
        one = Task.of(last)
        pool.submit(one)
        assert begun.wait(10)
        assert pool.idle
        assert not pool.free
        go.set()
        while not one.done:
            pool.wait(10)
        assert pool.free
    finally:
        go.set()
        pool.close()
    assert pool.size == 0


def test_a_thread_does_tasks_in_order_and_leaves_out_what_was_dropped() -> None:
    pool, done = WorkerPool(1, "test"), []
    begun, go = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        assert go.wait(10)

    def other(name: str) -> str:
        done.append((name, threading.current_thread().name, torch.get_num_threads()))
        return RESULT

    pool.submit(Task.of(first))
    assert begun.wait(10)
    a, b, c = (Task.of(lambda name=name: other(name)) for name in "abc")  # type: ignore[misc]
    for each in (a, b, c):
        pool.submit(each)
    assert not pool.idle
    pool.drop(b)
    go.set()
    while not c.done:
        pool.wait(1)

    assert [name for name, _, _ in done] == ["a", "c"]
    assert {threads for _, _, threads in done} == {1}
    assert b.outcome is None
    assert pool.idle
    pool.close()
    assert not [thread for thread in threading.enumerate() if thread.name == done[0][1]]


def test_a_closing_pool_forgets_what_waits(alone: WorkerPool) -> None:
    one = Task.of(lambda: RESULT)
    alone.submit(one)
    alone.close()
    assert not alone.help()
    assert one.outcome is None
