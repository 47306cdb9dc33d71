"""How much memory this server may use, and how much is in use: the numbers by which a kernel kills."""

from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MACHINE = Path("/proc/meminfo")


def memory_in_use(cgroup: Path = _CGROUP, machine: Path = _MACHINE) -> tuple[int, int]:
    """Bytes in use, and bytes there are.

    Of the container, all its processes and what lies in its /tmp included, where it has a limit (cgroup v2);
    else of the whole machine. File contents that can be dropped at once do not count.

    Raises:
        OSError, ValueError: this is not Linux.
    """
    numbers = _numbers(machine)
    total = 1024 * numbers["MemTotal"]
    try:
        limit = int((cgroup / "memory.max").read_text())  # "max": none
        if limit < total:
            used = int((cgroup / "memory.current").read_text())
            return used - _numbers(cgroup / "memory.stat")["inactive_file"], limit
    except (OSError, ValueError):
        pass
    return total - 1024 * numbers["MemAvailable"], total


def _numbers(file: Path) -> dict[str, int]:
    words = (line.replace(":", " ").split() for line in file.read_text().splitlines())
    return {name: int(number) for name, number, *_ in words}
