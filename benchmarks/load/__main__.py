import argparse
import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine, plots
from benchmarks.load import __doc__ as description
from benchmarks.load import report
from benchmarks.load.drive import LOADS, capacity, open_arrivals
from benchmarks.load.servers import running
from src.config import load_settings

_LONGER = 2
"""Factor of the seconds for which requests come at loads above the capacity."""
_LEAST = 20
"""Requests of each level that are due at the least: percentiles of fewer say little."""


async def measure(seconds: float, threads: int) -> dict[str, Any]:
    """What was measured, ready for JSON.

    Args:
        seconds: of arrivals at each load up to the capacity, twice as many above, and more where fewer than
            `_LEAST` requests would come; measuring the capacity takes as long.
        threads: of the engines of each server.
    """
    found: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.in_words(),
        "model": load_settings(api_key="benchmark-key").stt_model,
        "threads": threads,
        "seconds": seconds,
        "systems": {},
    }
    async with running(threads) as clients:
        for name, client in clients.items():
            await capacity(client, 2)  # the first calls are slower
            most = await capacity(client, seconds)
            print(f"{name}: {most:.2f} requests a second", flush=True)
            found["systems"][name] = {"capacity": round(most, 3), "levels": []}
        for number, load in enumerate(LOADS):
            for name, client in clients.items():
                system = found["systems"][name]
                offered = load * system["capacity"]
                # a queue that grows slowly must have the time to fill
                length = max(_LONGER * seconds if load > 1 else seconds, _LEAST / offered)
                outcome = await open_arrivals(client, offered, length, seed=number)
                level = {
                    "load": load,
                    "offered": round(offered, 3),
                    "seconds": round(length),
                    **outcome.summary(),
                }
                system["levels"].append(level)
                print(name, level, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.load", description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("step", choices=["measure", "plot"])
    parser.add_argument("--file", type=Path, default=plots.FOLDER / "load.json")
    parser.add_argument(
        "--seconds",
        type=float,
        default=20,
        help="of arrivals at each load; above the capacity twice as long, and longer for 20 requests",
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    if given.step == "measure":
        found = asyncio.run(measure(given.seconds, given.threads))
        given.file.write_text(json.dumps(found, indent=1) + "\n")
    found = json.loads(given.file.read_text())
    report.plot(found, plots.FOLDER)
    report.write_documents(found)


if __name__ == "__main__":
    main()
