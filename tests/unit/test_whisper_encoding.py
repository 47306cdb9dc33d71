"""Encoding in parts: who goes first, who is dropped, who fails."""

import threading
from collections.abc import Callable, Generator, Iterator
from functools import partial

import pytest

from src.engines.whisper.loop.decoder import Memory
from src.engines.whisper.loop.encoder import Parts
from src.engines.whisper.loop.encoding import Encoders, Encoding
from src.engines.whisper.loop.reading import Heard

HEARD = Heard(Memory([], 1, 1), None, full=False)


@pytest.fixture
def alone() -> Iterator[Encoders]:
    """Without threads: all is done by whoever helps."""
    encoders = Encoders(0)
    yield encoders
    encoders.close()


def row(log: list[str], name: str, stages: int = 3, parts: int = 2, *, short: bool = True) -> Encoding:
    def run() -> Generator[Parts, None, Heard]:
        for stage in range(stages):
            yield [partial(log.append, f"{name}{stage}")] * parts
        return HEARD

    return Encoding(run(), short)


def test_a_stage_begins_when_all_of_the_one_before_is_done() -> None:
    together = threading.Barrier(2, timeout=10)
    log: list[str] = []

    def part(name: str) -> Callable[[], None]:
        def do() -> None:
            together.wait()  # two threads do a part each, or this breaks
            log.append(name)

        return do

    def run() -> Generator[Parts, None, Heard]:
        for stage in "abc":
            yield [part(stage), part(stage)]
        return HEARD

    encoders, one = Encoders(2), Encoding(run(), short=True)
    try:
        encoders.submit(one)
        while one.outcome is None:
            encoders.wait(10)
        assert one.outcome is HEARD
        assert "".join(log) == "aabbcc"
        assert not encoders.waiting
    finally:
        encoders.close()


def test_a_short_row_overtakes_a_long_one_in_its_middle(alone: Encoders) -> None:
    log: list[str] = []
    alone.submit(row(log, "long", short=False))
    while len(log) < 3:
        assert alone.help()
    assert not alone.short_waiting
    alone.submit(row(log, "short"))
    assert alone.short_waiting
    while alone.help():
        pass
    assert log[3:9] == ["short0", "short0", "short1", "short1", "short2", "short2"]
    assert log[9:] == ["long1", "long2", "long2"]


def test_a_long_row_gets_on_though_short_ones_keep_coming(alone: Encoders) -> None:
    log: list[str] = []
    alone.submit(row(log, "long", short=False))
    for _ in range(100):
        alone.submit(row(log, "short"))
        alone.help()
        alone.help()
    assert any(name.startswith("long") for name in log)


def test_what_is_dropped_is_not_gone_on_with(alone: Encoders) -> None:
    log: list[str] = []
    one = row(log, "dropped")
    alone.submit(one)
    while not log:
        alone.help()
    alone.drop(one)
    assert not alone.help()
    assert one.outcome is None
    assert log == ["dropped0"]


def test_a_row_dropped_while_a_thread_is_at_it_ends_there(alone: Encoders) -> None:
    log: list[str] = []

    def run() -> Generator[Parts, None, Heard]:
        yield [lambda: alone.drop(one)]
        log.append("went on")
        return HEARD

    one = Encoding(run(), short=True)
    alone.submit(one)
    while alone.help():
        pass
    assert log == []
    assert one.outcome is None


@pytest.mark.parametrize("inside", [True, False])
def test_a_row_that_fails_fails_alone(alone: Encoders, inside: bool) -> None:
    def fail() -> None:
        raise ValueError("no")

    def run() -> Generator[Parts, None, Heard]:
        if inside:
            yield [fail, fail]
        fail()
        return HEARD

    bad, good = Encoding(run(), short=True), row([], "good")
    alone.submit(bad)
    alone.submit(good)
    while alone.help():
        pass
    assert isinstance(bad.outcome, ValueError)
    assert good.outcome is HEARD
