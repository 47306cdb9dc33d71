"""The cores that a process may use, read from control groups as kernels and containers show them."""

import os
from pathlib import Path

import pytest

from src.processes.cores import usable_cores


@pytest.fixture(autouse=True)
def sixty_four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


def groups(root: Path, own: str) -> tuple[Path, Path]:
    """An empty mount, and a `/proc/self/cgroup` that says `own`."""
    (root / "own").write_text(own)
    (root / "cgroup").mkdir()
    return root / "cgroup", root / "own"


@pytest.mark.parametrize(
    ("quota", "cores"), [("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1)]
)
def test_a_quota_of_version_two_counts(tmp_path: Path, quota: str, cores: int) -> None:
    mount, own = groups(tmp_path, "0::/\n")
    (mount / "cpu.max").write_text(f"{quota}\n")
    assert usable_cores(mount, own) == cores


def test_the_narrowest_group_around_counts(tmp_path: Path) -> None:
    mount, own = groups(tmp_path, "0::/system.slice/voz.service\n")
    (mount / "system.slice/voz.service").mkdir(parents=True)
    (mount / "system.slice/voz.service/cpu.max").write_text("max 100000\n")
    (mount / "system.slice/cpu.max").write_text("300000 100000\n")
    assert usable_cores(mount, own) == 3


@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct"])
def test_a_quota_of_version_one_counts_under_the_host_s_name_for_the_group(
    tmp_path: Path, controllers: str
) -> None:
    mount, own = groups(tmp_path, f"5:memory:/docker/ab\n4:{controllers}:/docker/ab\n0::/docker/ab\n")
    (mount / controllers).mkdir()
    (mount / controllers / "cpu.cfs_quota_us").write_text("400000\n")
    (mount / controllers / "cpu.cfs_period_us").write_text("200000\n")
    assert usable_cores(mount, own) == 2


@pytest.mark.parametrize("quota", ["max 100000", "damaged", "100000 0", ""])
def test_without_a_limit_all_cores_count(tmp_path: Path, quota: str) -> None:
    mount, own = groups(tmp_path, "0::/\n1:cpu:/\n")
    (mount / "cpu.max").write_text(quota)
    (mount / "cpu").mkdir()
    (mount / "cpu/cpu.cfs_quota_us").write_text("-1\n")
    assert usable_cores(mount, own) == 64


def test_a_quota_of_more_cores_than_may_be_used_gives_none(tmp_path: Path) -> None:
    mount, own = groups(tmp_path, "0::/\n")
    (mount / "cpu.max").write_text("9900000 100000\n")
    assert usable_cores(mount, own) == 64


def test_elsewhere_than_on_linux_the_machine_s_cores_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    assert usable_cores(tmp_path / "none", tmp_path / "neither") == 10
