"""Which build of PyTorch to install: for the CPU alone, or the ordinary one, which brings CUDA (3 GB)."""

import re
import shutil
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

_SECONDS = 2.0
"""For the index of CPU builds to answer in."""


def choose_torch_index(
    environment: Mapping[str, str], dockerfile: Path, driver: bool | None = None
) -> tuple[str | None, str]:
    """The index to take PyTorch's CPU build from (None: the ordinary build), and why, in a sentence.

    Args:
        environment: TORCH_INDEX_URL names the index; set and empty, it asks for the ordinary build.
        dockerfile: has the default of TORCH_INDEX_URL.
        driver: whether NVIDIA's driver is here; looked up, if None.
    """
    url = environment.get("TORCH_INDEX_URL")
    if url == "":
        return None, "PyTorch: the ordinary build, since TORCH_INDEX_URL is empty."
    if sys.platform != "linux":
        return None, "PyTorch: the ordinary build, which is without CUDA on this system."
    if url is None:
        if nvidia_driver() if driver is None else driver:
            return None, "PyTorch: the ordinary build, with CUDA, since NVIDIA's driver is here."
        [url] = re.findall(
            r"^ARG TORCH_INDEX_URL=(\S+)", dockerfile.read_text(encoding="utf-8"), re.MULTILINE
        )
    error = reach(f"{url.rstrip('/')}/torch/")
    if error:
        return None, f"PyTorch: the ordinary build, with CUDA (3 GB): {url} cannot be reached ({error})."
    return url, f"PyTorch: the build for the CPU alone, from {url}."


def nvidia_driver() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def reach(url: str, seconds: float = _SECONDS) -> str:
    """Why `url` does not answer in time; empty, if it does."""
    outcome = [f"no answer within {seconds:g} s"]

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=seconds):
                outcome[0] = ""
        except (OSError, ValueError) as error:
            outcome[0] = str(getattr(error, "reason", error))

    # looking up a name has no limit of its own
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return outcome[0]
