"""Which of the CPU's vector instructions each library uses, and how to hold all of them to fewer.

What a CPU has is LLVM's answer (llvmlite). Each library has a switch of its own, an environment variable that
it reads once, at its first use. ONNX Runtime has none: Kokoro and the VAD always use what it finds.
"""

import functools
import os
import platform
from enum import IntEnum

from llvmlite import binding


class Level(IntEnum):
    """What a kernel may be made of; each level includes those before it."""

    BASELINE = 0
    """Less than AVX2, or another architecture."""
    AVX2 = 1
    """AVX2 with FMA and F16C, which widens float16."""
    AVX512 = 2
    """F, BW, DQ and VL, which oneDNN and FBGEMM ask for together."""
    AVX512_VNNI = 3
    """Products of bytes that do not overflow."""
    AVX512_BF16 = 4
    """Products of bfloat16."""

    @property
    def title(self) -> str:
        """The level's name as people write it."""
        if self is Level.BASELINE:
            return f"{platform.machine()} baseline"
        return self.name.replace("AVX512", "AVX-512").replace("_", " ")


_NEEDED = {
    Level.AVX2: ("avx2", "fma", "f16c"),
    Level.AVX512: ("avx512f", "avx512bw", "avx512dq", "avx512vl"),
    Level.AVX512_VNNI: ("avx512vnni",),
    Level.AVX512_BF16: ("avx512bf16",),
}


def _features(level: Level) -> str:
    """The CPU features of `level` beyond the architecture's least, as Numba takes them."""
    return ",".join(f"+{name}" for higher, names in _NEEDED.items() if higher <= level for name in names)


_SWITCHES: list[tuple[str, str, dict[Level, str]]] = [
    (
        "oneDNN",
        "ONEDNN_MAX_CPU_ISA",
        {
            Level.AVX2: "AVX2",
            Level.AVX512: "AVX512_CORE",
            Level.AVX512_VNNI: "AVX512_CORE_VNNI",
            Level.AVX512_BF16: "AVX512_CORE_BF16",
        },
    ),
    ("ATen", "ATEN_CPU_CAPABILITY", dict.fromkeys(_NEEDED, "avx512") | {Level.AVX2: "avx2"}),
    (
        "FBGEMM",
        "FBGEMM_ENABLE_INSTRUCTIONS",
        dict.fromkeys(_NEEDED, "AVX512_E1") | {Level.AVX2: "AVX2", Level.AVX512: "AVX512"},
    ),
    ("MKL", "MKL_ENABLE_INSTRUCTIONS", dict.fromkeys(_NEEDED, "AVX512") | {Level.AVX2: "AVX2"}),
    ("CTranslate2", "CT2_FORCE_CPU_ISA", dict.fromkeys(_NEEDED, "AVX512") | {Level.AVX2: "AVX2"}),
    (
        "Numba",
        "NUMBA_CPU_NAME",
        {
            Level.AVX2: "haswell",
            Level.AVX512: "skylake-avx512",
            Level.AVX512_VNNI: "cascadelake",
            Level.AVX512_BF16: "cooperlake",
        },
    ),
    # without it Numba would add all that the CPU has to what the named one has
    ("Numba", "NUMBA_CPU_FEATURES", {level: _features(level) for level in _NEEDED}),
    # with 0 Numba has no vector of 512 bits, and LLVM ends a process whose kernels ask for one
    ("Numba", "NUMBA_ENABLE_AVX", dict.fromkeys(_NEEDED, "1")),
]
"""The library, its variable, and what that is set to for each level."""

LIBRARIES = tuple(dict.fromkeys(library for library, _, _ in _SWITCHES))


@functools.cache
def available() -> Level:
    """What this CPU and its operating system have."""
    try:
        features = binding.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know how to ask this kind of CPU
        return Level.BASELINE
    level = Level.BASELINE
    for higher, needed in _NEEDED.items():
        if not all(features.get(name) for name in needed):
            break
        level = higher
    return level


@functools.cache
def in_use(library: str) -> Level:
    """What `library` (one of `LIBRARIES`) uses here.

    A value of its switch that is not known here is taken for AVX2, which is right on every CPU that has it,
    if slower.
    """
    level = available()
    for owner, variable, values in _SWITCHES:
        given = os.environ.get(variable, "").strip().lower()
        if owner == library and given and given != "all":
            # several levels may share a value: then it holds nothing back of the highest
            allowed = (one for one, value in values.items() if value.lower() == given)
            level = min(level, max(allowed, default=Level.AVX2))
    return level


def has_avx2_alone() -> bool:
    """Whether kernels of ours for AVX2 are wanted: Numba compiles for it, and oneDNN has nothing wider."""
    return in_use("Numba") is Level.AVX2 and in_use("oneDNN") <= Level.AVX2


def multiplies_bytes() -> bool:
    """FBGEMM and oneDNN multiply bytes without an overflow (VNNI).

    Without, they add two products up in 16 bits, which two products of any bytes do not fit.
    """
    return min(in_use("FBGEMM"), in_use("oneDNN")) >= Level.AVX512_VNNI


def multiplies_words(library: str) -> bool:
    """`library` multiplies 8-bit and 16-bit integers and adds them up in one instruction (AVX512-VNNI)."""
    return in_use(library) >= Level.AVX512_VNNI


def multiplies_bfloat16(library: str) -> bool:
    """`library` multiplies bfloat16 in an instruction of its own (AVX512-BF16)."""
    return in_use(library) >= Level.AVX512_BF16


def held_to(level: Level) -> dict[str, str]:
    """The environment in which a process uses no more than `level` (AVX2 or above)."""
    if level < Level.AVX2:
        raise ValueError(f"no library can be held to {level.name}")
    return {variable: values[level] for _, variable, values in _SWITCHES}


def in_words() -> str:
    """`AVX-512 BF16`, or what is used of it: `AVX2 (of AVX-512 BF16)`, `AVX2 in Numba (of AVX-512 BF16)`."""
    used = {library: in_use(library) for library in LIBRARIES}
    least = min(used.values())
    if least == available():
        return least.title
    limited = [library for library, level in used.items() if level < available()]
    everywhere = all(os.environ.get(variable) == value for variable, value in held_to(least).items())
    where = "" if everywhere else f" in {', '.join(limited)}"
    return f"{least.title}{where} (of {available().title})"
