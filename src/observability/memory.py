"""Memory in use and its limit, as the kernel's out-of-memory killer counts them."""

from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MACHINE = Path("/proc/meminfo")
_KINDS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),  # cgroup v2
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)


def memory_in_use(cgroup: Path = _CGROUP, machine: Path = _MACHINE) -> tuple[int, int]:
    """Bytes in use, and the limit in bytes.

    If the container has a limit, both are the container's, with all its processes and its /tmp. Otherwise
    they are the machine's. File contents that can be dropped at once do not count.

    Raises:
        OSError, ValueError: this is not Linux.
    """
    numbers = _numbers(machine)
    total = 1024 * numbers["MemTotal"]
    for limit_file, used_file, parts_file, droppable in _KINDS:
        try:
            limit = int((cgroup / limit_file).read_text())  # "max": none
            if limit < total:
                used = int((cgroup / used_file).read_text())
                return used - _numbers(cgroup / parts_file)[droppable], limit
        except (OSError, ValueError):
            continue
    return total - 1024 * numbers["MemAvailable"], total


def _numbers(file: Path) -> dict[str, int]:
    words = (line.replace(":", " ").split() for line in file.read_text().splitlines())
    return {name: int(number) for name, number, *_ in words}
