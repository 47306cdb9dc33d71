"""What `benchmarks/tts.py` prints."""

import resource
import statistics
from collections.abc import Sequence


class Rounds:
    """Seconds of one side, a round each."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def add(self, seconds: float) -> None:
        self.seconds.append(seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def line(name: str, ours: Rounds, theirs: Rounds, sound: float) -> None:
    """Seconds of both, the ratio of each round, and seconds of work a second of sound."""
    ratios = sorted(other / mine for mine, other in zip(ours.seconds, theirs.seconds, strict=True))
    print(
        f"{name:18}{theirs.median:.2f} s -> {ours.median:.2f} s: {statistics.median(ratios):.2f}x "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}), real-time factor {ours.median / sound:.3f}, "
        f"theirs {theirs.median / sound:.3f}"
    )


def percentiles(waits: Sequence[float]) -> str:
    ordered = sorted(waits)
    return f"p50 {ordered[len(ordered) // 2]:.2f} s, p95 {ordered[int(0.95 * (len(ordered) - 1))]:.2f} s"


def memory() -> str:
    """The most that this process ever held."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
