"""What a benchmark ran on, in words."""

import os
import platform
from pathlib import Path

from src.engines import cpu


def in_words() -> str:
    """The CPU, its cores, and the instructions in use."""
    cores = len(os.sched_getaffinity(0))
    return f"{_cpu_name()}, {cores} core{'s' if cores > 1 else ''}, {cpu.in_words()}"


def cpu_seconds(pid: int, *, children: bool = False) -> float:
    """User and system time of a process; with `children`, also that of its children that have ended.

    Raises:
        OSError: there is no such process.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    # utime, stime, cutime, cstime are the fields 14 to 17; the third is the first after the name
    return sum(map(int, fields[11 : 15 if children else 13])) / os.sysconf("SC_CLK_TCK")


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
