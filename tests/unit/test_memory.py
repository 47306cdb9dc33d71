"""The memory that there is: of a container with a limit, of the machine without one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from src.observability.memory import memory_in_use

MIB = 2**20


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    file = tmp_path / "meminfo"
    file.write_text(
        "MemTotal:        8192 kB\nMemFree:  1024 kB\nMemAvailable:    6144 kB\nHugePages_Total: 0\n"
    )
    return file


def old_container(folder: Path, limit: str) -> Path:
    (folder / "memory").mkdir()
    (folder / "memory" / "memory.limit_in_bytes").write_text(f"{2**63 - 4096 if limit == 'max' else limit}\n")
    (folder / "memory" / "memory.usage_in_bytes").write_text(f"{3 * MIB}\n")
    (folder / "memory" / "memory.stat").write_text(f"inactive_file 0\ntotal_inactive_file {MIB}\n")
    return folder


def container(folder: Path, limit: str) -> Path:
    (folder / "memory.max").write_text(limit + "\n")
    (folder / "memory.current").write_text(f"{3 * MIB}\n")
    (folder / "memory.stat").write_text(f"anon {MIB}\nfile {2 * MIB}\ninactive_file {MIB}\n")
    return folder


@pytest.mark.parametrize("cgroup", [container, old_container], ids=["v2", "v1"])
@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (str(4 * MIB), (2 * MIB, 4 * MIB)),
        ("max", (2 * MIB, 8 * MIB)),
        (str(64 * MIB), (2 * MIB, 8 * MIB)),
    ],
    ids=["limited", "unlimited", "a limit that the machine has not"],
)
def test_a_container_counts_where_it_is_limited(
    tmp_path: Path, machine: Path, limit: str, expected: tuple[int, int], cgroup: Callable[[Path, str], Path]
) -> None:
    assert memory_in_use(cgroup(tmp_path, limit), machine) == expected


def test_without_a_cgroup_it_is_the_machine(tmp_path: Path, machine: Path) -> None:
    assert memory_in_use(tmp_path / "none", machine) == (2 * MIB, 8 * MIB)


def test_this_machine_has_memory() -> None:
    used, total = memory_in_use()
    assert 0 < used < total
