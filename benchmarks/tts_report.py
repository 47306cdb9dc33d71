"""The report of `benchmarks/tts.py`."""

import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Rounds:
    """Seconds of one system, by round."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        """CPU seconds of all threads."""

    def add(self, seconds: float, cpu: float = 0.0) -> None:
        self.seconds.append(seconds)
        self.cpu.append(cpu)

    @contextmanager
    def timed(self) -> Iterator[None]:
        begun, cpu = time.perf_counter(), time.process_time()
        yield
        self.add(time.perf_counter() - begun, time.process_time() - cpu)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def line(name: str, ours: Rounds, theirs: Rounds, sound: float) -> None:
    """Seconds of both systems, the ratio of each round, and the real-time factor."""
    ratios = sorted(other / mine for mine, other in zip(ours.seconds, theirs.seconds, strict=True))
    print(
        f"{name:18}{theirs.median:.2f} s -> {ours.median:.2f} s: {statistics.median(ratios):.2f}x "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}), real-time factor {ours.median / sound:.3f}, "
        f"theirs {theirs.median / sound:.3f}"
    )
    print(
        f"{'':18}CPU {statistics.median(theirs.cpu):.2f} s -> {statistics.median(ours.cpu):.2f} s, "
        f"best rounds {min(theirs.seconds):.2f} s -> {min(ours.seconds):.2f} s, {sound:.1f} s of sound"
    )


def stream_line(firsts: Rounds, wholes: Rounds) -> None:
    """Time to the first audio, and its share of the whole, by round."""
    shares = sorted(first / whole for first, whole in zip(firsts.seconds, wholes.seconds, strict=True))
    print(
        f"{'streamed':18}first sound after {firsts.median:.2f} s of {wholes.median:.2f} s: "
        f"{statistics.median(shares):.0%} ({shares[0]:.0%} to {shares[-1]:.0%})"
    )


def percentiles(waits: Sequence[float]) -> str:
    ordered = sorted(waits)
    return f"p50 {ordered[len(ordered) // 2]:.2f} s, p95 {ordered[int(0.95 * (len(ordered) - 1))]:.2f} s"


def memory() -> str:
    """Peak memory of this process."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
