"""The lock files belong to the requirements, and say nothing of the machine they were made on."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.deploy_host import REPOSITORY

LOCKS = ["requirements.lock", "requirements-cpu.lock", "requirements-dev.lock", "requirements-ray.lock"]
TORCH = {"torch", "torchaudio", "torchcodec"}


def pinned(name: str) -> dict[str, str]:
    """name -> version of a requirements or lock file, extras left out."""
    text = (REPOSITORY / name).read_text()
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\\n]+)", text, re.MULTILINE)
    return {package.lower().replace("_", "-"): version for package, version in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_has_what_is_required(lock: str) -> None:
    required = pinned("requirements.txt")
    if lock == "requirements-dev.lock":
        required |= pinned("requirements-ray.txt") | pinned("requirements-dev.txt")
    if lock == "requirements-ray.lock":
        required = pinned("requirements-ray.txt")
    if lock == "requirements-cpu.lock":
        required = {name: version for name, version in required.items() if name not in TORCH}
    assert len(required) > 20 or lock == "requirements-ray.lock"
    locked = pinned(lock)
    wrong = {name: (version, locked.get(name)) for name, version in required.items()}
    wrong = {name: versions for name, versions in wrong.items() if versions[0] != versions[1]}
    assert not wrong, "required and locked differ: `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_locked_by_hash_and_by_nothing_else(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (REPOSITORY / lock).read_text())
    packages = [entry for entry in entries if not entry.startswith("#")]
    assert len(packages) > 50
    for package in packages:
        assert "--hash=sha256:" in package
        assert not re.search(r"://|^-|file:", package), "an index or a place of one machine"


def test_the_cpu_image_takes_the_same_versions_without_cuda() -> None:
    everything, cpu = pinned("requirements.lock"), pinned("requirements-cpu.lock")
    assert cpu.items() < everything.items()
    left_out = everything.keys() - cpu.keys()
    assert {name.partition("-")[0] for name in left_out} == TORCH | {"triton", "cuda", "nvidia"}


def test_ray_is_installed_beside_the_same_versions() -> None:
    base, ray = pinned("requirements.lock"), pinned("requirements-ray.lock")
    both = base.keys() & ray.keys()
    assert {"numpy", "fastapi", "uvicorn"} <= both
    assert {name: ray[name] for name in both} == {name: base[name] for name in both}


def test_only_what_runs_on_ray_imports_it() -> None:
    """Ray is not installed on a server of one machine."""
    outside = {
        str(file.relative_to(REPOSITORY))
        for folder in ("src", "voz", "deploy", "scripts")
        for file in (REPOSITORY / folder).rglob("*.py")
        if "ray" in imports(file)
    }
    assert outside
    assert all(name.startswith("src/cluster/") or name == "scripts/run_ray.py" for name in outside), outside


def test_what_the_application_imports_is_installed_with_it() -> None:
    """Not only where the tests run: their tools bring packages of their own."""
    files = [file for folder in ("src", "voz") for file in (REPOSITORY / folder).rglob("*.py")]
    files += (REPOSITORY / "deploy").glob("*.py")
    imported = {name for file in files for name in imports(file)} - set(sys.stdlib_module_names)
    imported -= {"src", "voz", "deploy", "ray"}  # of Ray, see the test above
    assert {"fastapi", "torch"} <= imported
    distributions = packages_distributions()
    locked = pinned("requirements.lock").keys()
    missing = {
        name
        for name in imported
        if not {found.lower().replace("_", "-") for found in distributions.get(name, [])} & locked
    }
    assert not missing


def imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
