"""The limit of open files is raised, on systems that refuse what they promise, too."""

import resource

import pytest

from src.processes.descriptors import raise_descriptor_limit


@pytest.mark.parametrize(
    ("hard", "most", "expected"),
    [
        (4096, 4096, 4096),
        (1_000_000_000, 1_000_000_000, 65_536),
        (resource.RLIM_INFINITY, 1_000_000_000, 65_536),
        # macOS: the hard limit says nothing, and the kernel has one of its own
        (resource.RLIM_INFINITY, 10_240, 10_240),
        (resource.RLIM_INFINITY, 1024, 256),
    ],
)
def test_as_many_files_as_the_system_allows(
    hard: int, most: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [256, hard]

    def set_limit(_: int, wanted: tuple[int, int]) -> None:
        if wanted[0] > most:
            raise ValueError("current limit exceeds maximum limit")
        limits[:] = wanted

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    raise_descriptor_limit()
    assert limits == [expected, hard]
