"""The parts of the batcher that need no thread."""

import subprocess
import sys

from src.scheduling.fair_queue import FairQueue
from src.scheduling.progress import StepProgress


def test_flows_take_turns() -> None:
    queue: FairQueue[str] = FairQueue()
    for flow, item in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("c", "c2")]:
        queue.append(flow, item)
    assert queue.in_turn() == ["a1", "b1", "c1", "a2", "c2", "a3"]
    queue.serve("a", "a1")
    assert queue.in_turn() == ["b1", "c1", "a2", "c2", "a3"]
    assert queue.discard("c", "c1")
    assert not queue.discard("c", "c1")
    assert not queue.discard("nobody", "c1")
    assert len(queue) == 4
    assert queue.clear() == ["b1", "c2", "a2", "a3"]
    assert len(queue) == 0
    assert queue.in_turn() == []


def test_background_flows_come_last_and_take_turns_too() -> None:
    queue: FairQueue[str] = FairQueue()
    for flow, item in [("j", "j1"), ("j", "j2"), ("k", "k1")]:
        queue.append(flow, item, background=True)
    for flow, item in [("a", "a1"), ("a", "a2")]:
        queue.append(flow, item)
    assert queue.in_turn() == ["a1", "a2", "j1", "k1", "j2"]
    queue.serve("j", "j1")
    assert queue.in_turn() == ["a1", "a2", "k1", "j2"]
    assert queue.discard("k", "k1")
    assert queue.clear() == ["a1", "a2", "j2"]
    assert len(queue) == 0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_limit_follows_the_slowest_recent_step() -> None:
    clock = Clock()
    progress = StepProgress(60.0, clock)

    def step(seconds: float) -> None:
        clock.now += seconds
        progress.advance()

    step(1.0)
    assert progress.limit == 60.0
    step(20.0)
    assert progress.limit == 200.0
    clock.now += 1000.0
    assert progress.age == 1000.0
    progress.begin()
    assert progress.age == 0.0
    assert progress.limit == 200.0, "time without work is no step"
    for _ in range(1800):
        step(1.0)
    assert progress.limit == 60.0, "half an hour of quick steps, and the slow one is forgotten"
    step(500.0)
    assert progress.limit == 600.0, "a step that took minutes does not hide a model that hangs for ever"


def test_the_batcher_can_be_lifted_out() -> None:
    """It needs the standard library, its own package and the errors."""
    script = (
        "import sys, src.scheduling.batcher; print(*(name for name in sys.modules if name[:4] == 'src.'))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    others = {name for name in loaded.split() if not name.startswith("src.scheduling")}
    assert others == {"src.errors"}
