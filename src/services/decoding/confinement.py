"""Confines a decoder process: it may compute, read its file and write to its socket, and nothing else.

Limits on memory, open files, written bytes and CPU time are the kernel's own (setrlimit). System calls are
filtered with seccomp, where Linux and libseccomp are there: no file can be opened, no socket made, no program
or process started, whatever the file system and the network look like.
"""

import contextlib
import ctypes
import errno
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, Protocol

MEMORY_BYTES = 192 * 2**20
"""Maximum number of bytes of address space for a file, beyond that of an idle decoder. The index of a film of
two hours takes some 30 MB, and FFmpeg reads whole video packets."""
_OPEN_FILES = 16
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CALLS = (
    # the upload and the socket; glibc's fstat is newfstatat
    "read", "readv", "pread64", "lseek", "_llseek", "fstat", "newfstatat", "statx", "close",
    "write", "writev", "sendto", "sendmsg", "recvfrom", "recvmsg", "poll", "ppoll", "fcntl",
    # memory
    "mmap", "munmap", "mremap", "mprotect", "madvise", "brk",
    # time, locks and the process's own signals
    "futex", "clock_gettime", "clock_nanosleep", "nanosleep", "gettimeofday", "times", "getrusage",
    "setitimer", "sched_yield", "sched_getaffinity", "getrandom",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "rseq",
    "getpid", "gettid", "tgkill", "exit", "exit_group",
)  # fmt: skip
"""Names of the allowed system calls. All others fail with EPERM."""


class Filter(Protocol):
    """A seccomp filter that can be loaded."""

    def load(self) -> None: ...


def prepare_filter() -> Filter | str:
    """The filter of system calls, or the reason why there is none. Made once and loaded in each decoder."""
    if sys.platform != "linux":
        return f"{sys.platform} has no seccomp"
    try:
        import pyseccomp  # type: ignore[import-untyped]  # raises RuntimeError without libseccomp
    except (ImportError, OSError, RuntimeError) as error:
        return str(error)
    calls = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    for name in _CALLS:
        with contextlib.suppress(OSError, ValueError):  # not every architecture has every call
            calls.add_rule(pyseccomp.ALLOW, name)
    prepared: Filter = calls
    return prepared


def confine(calls: Filter | str, parent: int, cpu_seconds: int) -> str:
    """Confine this process for good.

    Args:
        calls: the result of `prepare_filter`.
        parent: id of the parent process, which this process must not outlive.
        cpu_seconds: CPU seconds after which the kernel ends this process with SIGXCPU.

    Returns:
        The limits that could not be set, for the log; empty if all are set.
    """
    os.chdir("/")
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_CPU, cpu_seconds)
    if sys.platform != "linux":
        return calls if isinstance(calls, str) else ""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY_BYTES)
    with contextlib.suppress(OSError):  # if memory runs out, the kernel should take this process first
        Path("/proc/self/oom_score_adj").write_text("1000")
    libc: Any = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    if isinstance(calls, str):
        return calls
    try:
        calls.load()
    except OSError as error:  # a kernel or a container that allows no filters
        return f"seccomp: {error.strerror}"
    return ""


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    # SIGXCPU comes at the soft limit, SIGKILL, which does not say why, at the hard one
    last = most + 1 if what == resource.RLIMIT_CPU else most
    if hard != resource.RLIM_INFINITY:
        most, last = min(most, hard), min(last, hard)
    resource.setrlimit(what, (most, last))
