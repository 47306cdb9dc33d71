"""The CPU, the memory, GPUs, and programs and libraries of the system."""

import os
import platform
import shutil
from collections.abc import Iterator

from src.cli import player
from src.cli.checks.finding import Finding, note, ok

_GIB = 2**30
_LITTLE_MEMORY = 4


def cpu() -> Iterator[Finding]:
    """Cores, and which vector instructions each library uses."""
    from src.engines import cpu as instructions
    from src.processes.cores import usable_cores

    machine = os.cpu_count() or 1
    usable = usable_cores()
    of = f" of {machine} (the rest is not this process's to use)" if usable < machine else ""
    yield ok("CPU", f"{platform.machine()}, {usable} cores{of}")
    used = {library: instructions.in_use(library) for library in instructions.LIBRARIES}
    held_back = [library for library, level in used.items() if level < instructions.available()]
    if held_back:
        yield note(
            "instructions",
            instructions.in_words(),
            f"Environment variables hold back {', '.join(held_back)}: see docs/operations/tune.md",
        )
    elif instructions.available() is instructions.Level.BASELINE and platform.machine() in (
        "x86_64",
        "AMD64",
    ):
        yield note("instructions", instructions.in_words(), "Without AVX2 all is several times slower.")
    else:
        yield ok("instructions", f"{instructions.in_words()}, in use by {', '.join(used)}")


def memory() -> Iterator[Finding]:
    """Memory of the machine."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB
    if total < _LITTLE_MEMORY:
        yield note("memory", f"{total:.1f} GiB", "STT_MODEL=tiny and TTS_ENGINE=kokoro need the least.")
    else:
        yield ok("memory", f"{total:.1f} GiB")


def gpu() -> Iterator[Finding]:
    """GPUs that PyTorch and CTranslate2 can use."""
    import ctranslate2
    import torch

    found = ctranslate2.get_cuda_device_count()
    if torch.cuda.is_available() and found:
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        yield ok("GPU", f"{', '.join(names)}; CUDA {torch.version.cuda}")
    elif torch.cuda.is_available() or found:
        finder, blind = ("PyTorch", "CTranslate2") if not found else ("CTranslate2", "PyTorch")
        yield note("GPU", f"{finder} finds one and {blind} does not", "See docs/operations/install.md.")
    else:
        yield ok("GPU", "none that can be used: the models run on the CPU")


def system() -> Iterator[Finding]:
    """Libraries and programs beside Python's packages."""
    name = player.find()
    if name:
        yield ok("player", f"{name} ({shutil.which(name)})")
    else:
        yield note("player", "none for `voz say --play`", "Install ffmpeg, mpv, sox or alsa-utils.")
    from src.services.decoding.confinement import prepare_filter

    calls = prepare_filter()
    if isinstance(calls, str):
        yield note(
            "decoder filter",
            f"system calls of decoder processes are not filtered: {calls}",
            "On Debian and Ubuntu: apt-get install libseccomp2. The other limits hold without it.",
        )
    else:
        yield ok("decoder filter", "libseccomp is there")
