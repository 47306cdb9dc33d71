"""Compiles kernels with Numba and caches them on disk, keyed by all of this package's sources.

Numba's own cache is keyed by the file of the compiled function alone. It would run old machine code after a
change in a function that is inlined from another file. It is not made for several processes either: two that
save at once may give their machine code the same file, and each would compile what the other compiles.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.compiler_lock import global_compiler_lock

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

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from loading, compiling or saving this function, where files can be locked."""
        folder = Path(self._cache_path)
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                name = folder / f"{self._impl.filename_base}.lock"
                lock = os.open(name, os.O_CREAT | os.O_RDWR, 0o644)
                stack.callback(os.close, lock)
                fcntl.flock(lock, fcntl.LOCK_EX)
                # a process that was forked meanwhile has the file open, too
                stack.callback(fcntl.flock, lock, fcntl.LOCK_UN)
            yield


def compiled(function: _F) -> _F:
    """Compile `function` when it is first called, and keep the machine code on disk.

    One process compiles it; others that want it meanwhile wait, and load it. Where no folder can be written
    to, each process compiles anew.
    """
    dispatcher = njit(**_OPTIONS)(function)
    with contextlib.suppress(RuntimeError):  # Numba found no folder for the cache
        dispatcher._cache = cache = _PackageCache(function)
        dispatcher.compile = _by_one_process(dispatcher.compile, cache)
    return cast(_F, dispatcher)


def _by_one_process(compile_it: Callable[[Any], Any], cache: _PackageCache) -> Callable[[Any], Any]:
    def compile_locked(signature: Any) -> Any:
        # Numba's lock first: the thread that has it may be compiling a kernel that calls this one
        with global_compiler_lock, cache.locked():
            return compile_it(signature)

    return compile_locked


def inlined(function: _F) -> _F:
    """Compile `function` as a part of its callers, where the compiler still knows constant arguments."""
    return cast(_F, njit(error_model="numpy", inline="always")(function))
