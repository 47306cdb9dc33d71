"""Freed memory goes back to the system. In a process of its own: what is set holds for all of one."""

import subprocess
import sys
from pathlib import Path

FREED = """
import asyncio, os
from src.processes.allocator import trim_periodically, limit_malloc_arenas

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

async def main():
    limit_malloc_arenas()
    blocks = [b"x" * 50_000 for _ in range(4000)]  # too small to be mapped by themselves
    full, last = resident(), blocks[-1]
    del blocks  # what lies at the end keeps all before it
    print(full - resident())
    async with trim_periodically(0.05):
        await asyncio.sleep(0.5)
        print(full - resident())

asyncio.run(main())
"""
THREADS = """
import ctypes, threading
from src.processes.allocator import limit_malloc_arenas

limit_malloc_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
all_there = threading.Barrier(17)

def allocate():
    assert libc.malloc(50_000)
    all_there.wait()

for _ in range(16):
    threading.Thread(target=allocate).start()
all_there.wait()
file = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""
BLOCKS = """
import resource
from src.processes.allocator import reuse_freed_blocks

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def pass_on():
    copies = [bytearray(b"x") * 2**20 for _ in range(6)]

reuse_freed_blocks()
for _ in range(5):
    pass_on()
before = faults()
for _ in range(50):
    pass_on()
print(faults() - before)
"""


def run(scenario: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", scenario],
        cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def test_what_was_freed_goes_back() -> None:
    kept, given_back = map(float, run(FREED).split())
    assert kept < 50
    assert given_back > 150


def test_threads_share_two_arenas() -> None:
    assert run(THREADS).count("<heap nr=") == 2
    assert run(THREADS.replace("limit_malloc_arenas()\n", "", 1)).count("<heap nr=") > 2


def test_blocks_of_a_row_are_not_taken_from_the_system_each_time() -> None:
    assert int(run(BLOCKS)) < 1000
    assert int(run(BLOCKS.replace("reuse_freed_blocks()\n", "", 1))) > 20_000


def test_larger_blocks_of_engines_are_not_taken_from_the_system_each_time_either() -> None:
    """glibc comes to that by itself. A fixed limit that is too low would take it away."""
    larger = BLOCKS.replace("2**20 for _ in range(6)", "2**20 * 20 for _ in range(2)")
    assert larger != BLOCKS
    assert int(run(larger)) < 1000
