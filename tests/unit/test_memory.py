"""The memory that there is: of a container with a limit, of the machine without one."""

from pathlib import Path

import pytest

from src.core.memory import memory_in_use

MIB = 2**20


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    file = tmp_path / "meminfo"
    file.write_text(
        "MemTotal:        8192 kB\nMemFree:  1024 kB\nMemAvailable:    6144 kB\nHugePages_Total: 0\n"
    )
    return file


def container(folder: Path, limit: str) -> Path:
    (folder / "memory.max").write_text(limit + "\n")
    (folder / "memory.current").write_text(f"{3 * MIB}\n")
    (folder / "memory.stat").write_text(f"anon {MIB}\nfile {2 * MIB}\ninactive_file {MIB}\n")
    return folder


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
    tmp_path: Path, machine: Path, limit: str, expected: tuple[int, int]
) -> None:
    assert memory_in_use(container(tmp_path, limit), machine) == expected


def test_without_a_cgroup_it_is_the_machine(tmp_path: Path, machine: Path) -> None:
    assert memory_in_use(tmp_path / "none", machine) == (2 * MIB, 8 * MIB)


def test_this_machine_has_memory() -> None:
    used, total = memory_in_use()
    assert 0 < used < total
