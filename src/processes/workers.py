"""The folder that the worker processes of one server share, for counters and marks."""

import contextlib
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
"""Environment variable in which gunicorn.conf.py puts the process id of gunicorn's master."""
SIBLINGS = "VOZ_SIBLINGS"
"""Environment variable of processes that another supervisor started, one parent for all of them."""
_MEMORY = Path("/dev/shm")  # noqa: S108 - the names in it are checked as those in /tmp are
_ENOUGH_BYTES = 32 * 2**20


def is_worker() -> bool:
    """Whether a supervisor of several workers started this process (gunicorn, uvicorn's `--workers`, Ray)."""
    return multiprocessing.parent_process() is not None or is_gunicorn() or SIBLINGS in os.environ


def is_gunicorn() -> bool:
    """Whether gunicorn started this process."""
    return "gunicorn" in os.environ.get("SERVER_SOFTWARE", "").lower()


def is_alive(pid: int) -> bool:
    """Whether there is a process with this id. It works on every POSIX system, unlike `/proc`."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it belongs to another user
    return True


@functools.cache
def shared_folder() -> Path | None:
    """The folder of this server's workers; None for a single process.

    The first worker makes it, and the last one removes it. Its name has the process id of the server. It is
    in /dev/shm if that exists, else in the system's folder for temporary files. Uploads may fill that folder,
    and a process that writes to a mapped file on a full file system dies of SIGBUS. Each worker holds a
    shared lock on the folder, so that a folder that a killed server left behind is recognised and removed.
    """
    if not is_worker():
        return None
    prefix = f"voz-{os.getuid()}-"
    # with --preload this runs in gunicorn's master, whose parent may have started other servers as well
    master = os.environ.get(MASTER_PID) if is_gunicorn() else None
    name = f"{prefix}{master or os.getppid()}"
    base = _base(name)
    for folder in base.glob(f"{prefix}*"):
        _remove_if_unused(folder)
    folder = base / name
    lock = _join(folder)
    # unlike atexit, this also runs at the end of a multiprocessing child, as uvicorn's workers are
    multiprocessing.util.Finalize(None, _leave, (folder, lock), exitpriority=0)
    return folder


def _base(name: str) -> Path:
    """The folder in which the shared folder is, or is to be made."""
    with contextlib.suppress(OSError):
        usable = os.access(_MEMORY, os.W_OK | os.X_OK)
        # later workers must find the folder of the first one, however full the file system has become
        if usable and ((_MEMORY / name).is_dir() or shutil.disk_usage(_MEMORY).free >= _ENOUGH_BYTES):
            return _MEMORY
    return Path(tempfile.gettempdir())


def _join(folder: Path) -> int:
    """Make the folder if it is missing, and lock it; returns the descriptor of the lock.

    Raises:
        PermissionError: another user has made something of that name.
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
