"""Environments of their own for other servers, made with uv from the package index, in a cache folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_NOT_NEEDED = ("pyaudio", "openvino", "openvino-genai", "openvino-tokenizers", "optimum", "optimum-intel")
"""Requirements of peers that their servers do not need here; PyAudio has no wheel."""


def cache() -> Path:
    """The folder of the environments, and of what the servers in them need."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voz-benchmarks"


def python_with(packages: Sequence[str]) -> Path:
    """The interpreter of an environment with these packages, which is made if need be. That takes minutes.

    Args:
        packages: pinned requirements; the first one names the environment.
    """
    folder = cache() / packages[0].replace("==", "-")
    python = folder / "bin" / "python"
    if (folder / "made").is_file():
        return python
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    folder.parent.mkdir(parents=True, exist_ok=True)
    overrides = cache() / "not-needed.txt"
    overrides.write_text("".join(f"{name}; sys_platform == 'never'\n" for name in _NOT_NEEDED))
    print(f"making an environment for {packages[0]}", flush=True)
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", "3.11", folder], check=True)
    install: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python, "--override", overrides]
    subprocess.run([*install, *packages], check=True)
    (folder / "made").touch()
    return python
