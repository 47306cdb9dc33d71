"""Compiled kernels are compiled anew when any source of their package has changed."""

import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = """
import sys
import numpy as np
{imports}
from kernels.inner import amount

@{decorator}
def add(x):
    for at in range(len(x)):
        x[at] += amount()

x = np.zeros(3)
add(x)
print(x[0], sum(add.stats.cache_hits.values()))
"""
INNER = """
from numba import njit

@njit(inline="always")
def amount():
    return {amount}
"""


def run(folder: Path, decorator: str, imports: str, amount: float) -> list[float]:
    """Run the kernel in a process of its own: the result, and how often compiled code was found on disk."""
    package = folder / "kernels"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "outer.py").write_text(KERNELS.format(decorator=decorator, imports=imports))
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
    return [float(number) for number in found.stdout.split()]


@pytest.mark.parametrize(
    ("decorator", "imports", "second"),
    [
        ("njit(cache=True)", "from numba import njit", [1.0, 1.0]),  # Numba's own cache: the old code
        ("compiled", "from src.engines.kernels.jit import compiled", [2.0, 0.0]),
    ],
)
def test_a_change_in_another_file_is_seen(
    tmp_path: Path, decorator: str, imports: str, second: list[float]
) -> None:
    assert run(tmp_path, decorator, imports, 1.0) == [1.0, 0.0]
    assert run(tmp_path, decorator, imports, 1.0) == [1.0, 1.0]
    assert run(tmp_path, decorator, imports, 2.0) == second
