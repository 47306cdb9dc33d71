"""What a benchmark ran on, in words."""

import os
import platform
from pathlib import Path

from src.engines import cpu


def in_words() -> str:
    """The CPU, its cores, and the instructions in use."""
    return f"{_cpu_name()}, {len(os.sched_getaffinity(0))} cores, {cpu.in_words()}"


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
