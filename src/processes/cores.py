"""The number of CPU cores that this process may use."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = _CGROUPS, own: Path = _OWN) -> int:
    """The cores that the process may run on, at most the container's CPU quota; at least one.

    A quota of 2.5 cores gives 2. With more threads than that, the kernel stops all of them once the quota of
    a period is used.

    Args:
        cgroups: where control groups are mounted.
        own: file that names the control groups of this process.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([cores, *_quotas(cgroups, own)])))


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    """The CPU quota in cores of each control group of this process that has one."""
    try:
        lines = own.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if not controllers:
            yield from filter(None, (_quota_v2(folder) for folder in _upwards(cgroups, name)))
        elif "cpu" in controllers.split(","):
            for mount in ("cpu", "cpu,cpuacct"):
                yield from filter(None, (_quota_v1(folder) for folder in _upwards(cgroups / mount, name)))


def _upwards(mount: Path, name: str) -> Iterator[Path]:
    """The folders of a control group and of its parents. Any of them may have a limit.

    In a container the name may be the host's, of which the mount shows the last part as its root.
    """
    relative = PurePosixPath(name.lstrip("/"))
    yield mount / relative
    for around in relative.parents:
        if around != relative:
            yield mount / around


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        return None if quota <= 0 else quota / int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError, ZeroDivisionError):
        return None
