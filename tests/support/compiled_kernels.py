"""Machine code of the kernels for copies of the sources: compiling it takes ten seconds of CPU time."""

import shutil
from pathlib import Path

_KERNELS = Path("engines") / "kernels" / "__pycache__"
_SOURCES = Path(__file__).parent.parent.parent / "src"


def lend_kernels(sources: Path) -> None:
    """Copy what this checkout has compiled so far to a copy of `src`, whose own starts then find it.

    It is keyed by the contents of the sources, not by where they are.
    """
    there = sources / _KERNELS
    there.mkdir(exist_ok=True)
    for name in ("*.nbc", "*.nbi"):  # the index last: it names the other files
        for file in (_SOURCES / _KERNELS).glob(name):
            shutil.copy(file, there)
