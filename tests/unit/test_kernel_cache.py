"""Compiled kernels are compiled anew when any source of their package has changed."""

import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = """
import numpy as np
from numba import njit
from src.engines.kernels.jit import compiled
from kernels.inner import amount

@njit(cache=True)
def with_numbas_cache(x):
    for at in range(len(x)):
        x[at] += amount()

@compiled
def with_ours(x):
    for at in range(len(x)):
        x[at] += amount()

for kernel in (with_numbas_cache, with_ours):
    x = np.zeros(3)
    kernel(x)
    print(x[0], sum(kernel.stats.cache_hits.values()))
"""
INNER = """
from numba import njit

@njit(inline="always")
def amount():
    return {amount}
"""


def run(folder: Path, amount: float) -> list[list[float]]:
    """Run the kernels in a process of its own: the result of each, and whether its code was found on disk."""
    package = folder / "kernels"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "outer.py").write_text(KERNELS)
    (package / "inner.py").write_text(INNER.format(amount=amount))
    root = Path(__file__).parent.parent.parent
    found = subprocess.run(
        [sys.executable, "-c", "import kernels.outer"],
        # Python takes a source of the same second and the same size for unchanged: it must keep no bytecode
        env={
            "PYTHONPATH": f"{folder}:{root}",
            "PATH": "/usr/bin",
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [[float(number) for number in line.split()] for line in found.stdout.splitlines()]


@pytest.mark.slow
def test_a_change_in_another_file_is_seen(tmp_path: Path) -> None:
    assert run(tmp_path, 1.0) == [[1.0, 0.0], [1.0, 0.0]]
    assert run(tmp_path, 1.0) == [[1.0, 1.0], [1.0, 1.0]]
    with_numbas_cache, with_ours = run(tmp_path, 2.0)
    assert with_numbas_cache == [1.0, 1.0], "the old code: ours would not be needed else"
    assert with_ours == [2.0, 0.0]
