"""Python, and the packages against what this version was tried with."""

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from src.cli.checks.finding import Finding, note, ok, problem

_REQUIREMENTS = Path(__file__).parent.parent.parent.parent / "requirements.txt"
_SHOWN = ("torch", "ctranslate2", "faster-whisper", "coqui-tts", "kokoro-onnx", "onnxruntime", "av", "numba")


def packages() -> Iterator[Finding]:
    """Python's version and what is installed."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 14):
        yield ok("Python", f"{version} in {sys.prefix}")
    else:
        yield note("Python", version, "Voz is tried with 3.11 to 3.13; some packages may be missing.")
    wanted = _pinned()
    if not wanted:
        yield note("packages", "the list of what is needed is not here", "Install Voz: pip install .")
        return
    missing, others = [], []
    for name, pin in wanted.items():
        found = _installed(name)
        if found is None:
            missing.append(name)
        elif found.split("+")[0] != pin:
            others.append(f"{name} {found} instead of {pin}")
    if missing:
        yield problem(
            "packages",
            f"{len(missing)} of {len(wanted)} are missing: {', '.join(missing[:8])}",
            "To run the models here: pip install . (a client of a server needs them not)",
        )
    elif others:
        yield note(
            "packages",
            f"other versions: {', '.join(others[:8])}",
            "requirements.txt: tried together",
        )
    else:
        yield ok("packages", f"all {len(wanted)}, in the versions that were tried together")
    shown = [f"{name} {_installed(name)}" for name in _SHOWN if _installed(name)]
    if shown:
        yield ok("engines", ", ".join(shown))


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _pinned() -> dict[str, str]:
    """What Voz needs on this machine, by name: from the checkout, or from the installed package."""
    if _REQUIREMENTS.is_file():
        lines = _REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    else:
        try:
            lines = metadata.requires("voz") or []
        except metadata.PackageNotFoundError:
            lines = []
    from packaging.requirements import Requirement

    found = {}
    for line in lines:
        if not re.match(r"\w", line):
            continue
        requirement = Requirement(line)
        exact = [one.version for one in requirement.specifier if one.operator == "=="]
        if exact and (requirement.marker is None or requirement.marker.evaluate()):
            found[requirement.name] = exact[0]
    return found
