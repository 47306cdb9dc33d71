"""Benchmarks that run beside other work."""

import pytest

from benchmarks.idle_clock import _idle_seconds


@pytest.mark.parametrize(
    ("run", "wait", "cores", "seconds"),
    [
        (0.0, 0.0, 2, 1.0),
        (1.5, 0.0, 2, 1.0),
        (1.0, 1.0, 2, 0.5),
        (0.5, 0.5, 2, 0.5),
        (2.0, 4.0, 2, 1.0),
        (1.0, 2.0, 1, 1.0),
        (0.5, 2.5, 1, 0.5),
    ],
    ids=[
        "nothing to do",
        "nobody else",
        "others have one of two cores",
        "one thread and others on every core",
        "six threads on two cores, nobody else",
        "three threads on one core, nobody else",
        "three threads on half of one core",
    ],
)
def test_time_goes_slower_only_while_others_have_the_cores(
    run: float, wait: float, cores: int, seconds: float
) -> None:
    assert _idle_seconds(1.0, run, wait, cores) == pytest.approx(seconds)
