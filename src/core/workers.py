"""The folder that the worker processes of one server share: what is counted in it holds over all of them."""

import fcntl
import functools
import multiprocessing
import multiprocessing.util
import os
import shutil
import stat
import tempfile
from pathlib import Path

_LOCK = "lock"
MASTER_PID = "VOZ_MASTER_PID"
"""Variable in which gunicorn.conf.py leaves the process id of gunicorn's master."""


def is_worker() -> bool:
    """Was this process started by one that minds several (gunicorn, `uvicorn --workers`, `--reload`)?"""
    return multiprocessing.parent_process() is not None or is_gunicorn()


def is_gunicorn() -> bool:
    """Was this process started by gunicorn?"""
    return "gunicorn" in os.environ.get("SERVER_SOFTWARE", "").lower()


def is_alive(pid: int) -> bool:
    """Is there a process of this number? On every POSIX system, where `/proc` is Linux' alone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True


@functools.cache
def shared_folder() -> Path | None:
    """The folder of this server's workers, made by the first, removed by the last; None for a lone process.

    It is named for the parent process and lies under the system's folder for temporary files. Each worker
    holds a shared lock on it, so that one which a killed server left behind is known and removed.
    """
    if not is_worker():
        return None
    base = Path(tempfile.gettempdir())
    prefix = f"voz-{os.getuid()}-"
    for folder in base.glob(f"{prefix}*"):
        _remove_if_unused(folder)
    # with --preload this runs in gunicorn's master itself, whose parent may have started other servers, too
    master = os.environ.get(MASTER_PID) if is_gunicorn() else None
    folder = base / f"{prefix}{master or os.getppid()}"
    lock = _join(folder)
    # unlike atexit, this also runs at the end of a multiprocessing child, which is what uvicorn's workers are
    multiprocessing.util.Finalize(None, _leave, (folder, lock), exitpriority=0)
    return folder


def _join(folder: Path) -> int:
    """Make the folder if need be and hold it; returns the descriptor of the lock.

    Raises:
        PermissionError: somebody else put something in its place.
    """
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise PermissionError(f"{folder} is not ours")
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # the last worker of before has just removed it
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            if os.path.samestat(os.fstat(lock), (folder / _LOCK).stat()):
                return lock
        except FileNotFoundError:
            pass
        os.close(lock)


def _leave(folder: Path, lock: int) -> None:
    os.close(lock)
    _remove_if_unused(folder)


def _remove_if_unused(folder: Path) -> None:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # another worker is in it
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
