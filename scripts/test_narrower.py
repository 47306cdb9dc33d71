"""Run the engines' tests again with the libraries capped to fewer CPU instructions.

What an engine does on another CPU is a code path of its own. Here each such path runs, in a process of its
own, as far as this CPU has more: the tests marked `instructions`. AVX2, which most cloud machines have, gets
all of them, those of whole texts too. The levels above get those whose path no other run has.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from src.engines import cpu
from src.engines.cpu import Level

_WHOLE_TEXTS = [
    "tests/integration/test_whisper_loop.py",
    "tests/integration/test_coqui_engine.py",
    "tests/integration/test_kokoro_network.py",
]
_NUMBERS = [
    "tests/unit/test_cpu.py",
    "tests/unit/test_compute_types.py",
    "tests/unit/test_coqui_arithmetic.py",
    "tests/unit/test_kokoro_generator.py",
    "tests/unit/test_kernels.py",
    "tests/unit/test_linear.py",
    "tests/unit/test_whisper_capabilities.py",
]
"""Above AVX2, only integers and bfloat16 take other paths of ours."""
_CHOICES = [
    "tests/unit/test_cpu.py",
    "tests/unit/test_compute_types.py",
    "tests/unit/test_whisper_capabilities.py",
]
"""With VNNI, integers take the path of the CPU as it is, and bfloat16 that of AVX-512: both run already."""
_TESTS = {
    Level.AVX2: ["tests/unit", *_WHOLE_TEXTS],
    Level.AVX512: _NUMBERS,
    Level.AVX512_VNNI: _CHOICES,
}


def main() -> int:
    narrower = [level for level in _TESTS if level < cpu.available()]
    if not narrower:
        say(
            f"This CPU has {cpu.available().title}: there is nothing narrower to run the engines' tests with."
        )
        return 0
    # the longest first, two at a time: every machine has two cores
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(run, narrower))
    say("The engines' tests with fewer instructions:")
    for level, (code, seconds, last_line) in zip(narrower, outcomes, strict=True):
        say(f"  {level.title}: {'passed' if code == 0 else 'FAILED'} after {seconds:.0f} s: {last_line}")
    return max(code for code, _, _ in outcomes)


def run(level: Level) -> tuple[int, float, str]:
    """Exit code, seconds, and the last line that pytest wrote."""
    command = [sys.executable, "-m", "pytest", "-m", "instructions", *_TESTS[level]]
    command += ["-p", "no:cacheprovider", "--durations=5"]
    begun = time.monotonic()
    done = subprocess.run(
        command,
        env=os.environ | cpu.held_to(level),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    say(f"---- {level.title}\n{done.stdout}")
    lines = done.stdout.strip().splitlines()
    return done.returncode, time.monotonic() - begun, lines[-1].strip("= ") if lines else ""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
