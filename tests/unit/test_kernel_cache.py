"""Compiled kernels are compiled anew when any source of their package has changed, and by one process."""

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


TYPES = """
import sys
import numpy as np
from kernels.outer import with_ours

for name in sys.argv[1].split(","):
    x = np.zeros(3, name)
    with_ours(x)
    print(x.sum(), sum(with_ours.stats.cache_hits.values()))
"""


def run(folder: Path, amount: float) -> list[list[float]]:
    """Run the kernels in a process of its own: the result of each, and whether its code was found on disk."""
    lay_out(folder, amount)
    return result(start(folder, "import kernels.outer"))


def lay_out(folder: Path, amount: float) -> None:
    """Write the kernels' package."""
    package = folder / "kernels"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "outer.py").write_text(KERNELS)
    (package / "inner.py").write_text(INNER.format(amount=amount))


def start(folder: Path, program: str, *arguments: str) -> "subprocess.Popen[str]":
    root = Path(__file__).parent.parent.parent
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        # Python takes a source of the same second and the same size for unchanged: it must keep no bytecode
        env={
            "PYTHONPATH": f"{folder}:{root}",
            "PATH": "/usr/bin",
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: "subprocess.Popen[str]") -> list[list[float]]:
    """The lines of numbers that a process printed."""
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, err
    return [[float(number) for number in line.split()] for line in out.splitlines()]


@pytest.mark.slow
def test_a_change_in_another_file_is_seen(tmp_path: Path) -> None:
    assert run(tmp_path, 1.0) == [[1.0, 0.0], [1.0, 0.0]]
    assert run(tmp_path, 1.0) == [[1.0, 1.0], [1.0, 1.0]]
    with_numbas_cache, with_ours = run(tmp_path, 2.0)
    assert with_numbas_cache == [1.0, 1.0], "the old code: ours would not be needed else"
    assert with_ours == [2.0, 0.0]


@pytest.mark.slow
def test_several_processes_compile_a_kernel_once(tmp_path: Path) -> None:
    """In whatever order they need it for these types: none runs the machine code of another type."""
    assert run(tmp_path, 1.0) == [[1.0, 0.0], [1.0, 0.0]]  # for float64
    orders = ["float32,int16,int64", "int64,float32,int16", "int16,int64,float32", "int16,int64,float32"]
    processes = [start(tmp_path, TYPES, order) for order in orders]
    lines = [result(one)[-3:] for one in processes]
    assert [[total for total, _ in one] for one in lines] == [[3.0] * 3] * len(orders)
    found = sum(one[-1][1] for one in lines)
    # each loads float64 when it imports the module, too
    assert found == len(orders) + (len(orders) - 1) * 3, "a kernel was compiled twice, or lost"


UNKEPT = """
import fcntl, sys
import numpy as np

def refuse(*_):
    raise OSError(37, "No locks available")

if sys.argv[1] == "True":
    fcntl.flock = refuse
from kernels.alone import with_ours

x = np.zeros(3)
with_ours(x)
print(x[0], len(with_ours._cache.cache_path or ""))
"""
ALONE = """
from src.engines.kernels.jit import compiled

@compiled
def with_ours(x):
    for at in range(len(x)):
        x[at] += 1
"""


@pytest.mark.slow
@pytest.mark.parametrize("cannot_lock", [True, False], ids=["files cannot be locked", "no folder for files"])
def test_a_kernel_runs_where_nothing_can_be_kept(cannot_lock: bool, tmp_path: Path) -> None:
    lay_out(tmp_path, 1.0)
    (tmp_path / "kernels" / "alone.py").write_text(ALONE)
    if not cannot_lock:  # neither beside the module nor in the user's cache
        for place in (tmp_path / "kernels" / "__pycache__", tmp_path / ".cache"):
            place.write_text("not a folder")
    [[added, length_of_folder]] = result(start(tmp_path, UNKEPT, str(cannot_lock)))
    assert added == 1.0
    assert bool(length_of_folder) is cannot_lock
