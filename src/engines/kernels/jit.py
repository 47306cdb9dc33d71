"""Compiles kernels with Numba and caches them on disk, keyed by all of this package's sources.

Numba's own cache is keyed by the file of the compiled function alone. It would run old machine code after a
change in a function that is inlined from another file.
"""

import contextlib
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

_F = TypeVar("_F", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "nogil": True,
    # vector registers may sum in their own order; infinities keep their meaning
    "fastmath": {"reassoc", "contract", "nsz", "arcp", "nnan"},
}


@functools.cache
def source_stamp(folder: Path) -> str:
    """Hash of the names and contents of all Python files in `folder`."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


class _PackageCache(FunctionCache):
    """Numba's cache of one function. Any change in the function's folder makes it stale."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._cache_file = IndexDataCacheFile(  # type: ignore[no-untyped-call]
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=source_stamp(Path(function.__code__.co_filename).parent),
        )


def compiled(function: _F) -> _F:
    """Compile `function` when it is first called, and keep the machine code on disk.

    Where no folder can be written to, each process compiles anew.
    """
    dispatcher = njit(**_OPTIONS)(function)
    with contextlib.suppress(RuntimeError):  # Numba found no folder for the cache
        dispatcher._cache = _PackageCache(function)
    return cast(_F, dispatcher)


def inlined(function: _F) -> _F:
    """Compile `function` as a part of its callers, where the compiler still knows constant arguments."""
    return cast(_F, njit(error_model="numpy", inline="always")(function))
