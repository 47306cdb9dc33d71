import argparse
import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine, plots
from benchmarks.load import __doc__ as description
from benchmarks.load import quality, report
from benchmarks.load.drive import LOADS, capacity, open_arrivals
from benchmarks.load.servers import running
from benchmarks.load.workloads import WORKLOADS, Workload
from src.config import load_settings

_LONGER = 2
"""Factor of the seconds for which requests come at loads above the capacity."""
_LEAST = 20
"""Requests that each level waits for: percentiles of fewer say little."""
_LONGEST = 60.0
"""Seconds after which it waits no more: a slow server would take minutes."""


async def measure(workload: Workload, seconds: float, threads: int) -> dict[str, Any]:
    """What was measured, ready for JSON.

    Args:
        workload: requests and servers.
        seconds: of arrivals at each load up to the capacity, twice as many above, and up to a minute where
            fewer than `_LEAST` requests would come; measuring the capacity takes as long.
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
    async with running(workload.systems, threads) as clients:
        for name, client in clients.items():
            await capacity(workload.requests(client, 1), 2)  # the first calls are slower
            most = await capacity(workload.requests(client, 1), seconds)
            print(f"{name}: {most:.2f} requests a second", flush=True)
            found["systems"][name] = {"capacity": round(most, 3), "levels": []}
        for number, load in enumerate(LOADS):
            for name, client in clients.items():
                system = found["systems"][name]
                offered = load * system["capacity"]
                # a queue that grows slowly must have the time to fill
                length = _LONGER * seconds if load > 1 else seconds
                length = max(length, min(_LEAST / offered, _LONGEST))
                outcome = await open_arrivals(workload.requests(client, number), offered, length, seed=number)
                level = {
                    "load": load,
                    "offered": round(offered, 3),
                    "seconds": round(length),
                    **outcome.summary(),
                }
                system["levels"].append(level)
                print(name, level, flush=True)
        for name, words in (await quality.of(workload, clients)).items():
            found["systems"][name]["quality"] = words
            print(f"{name}: {words}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.load", description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("step", choices=["measure", "plot"])
    parser.add_argument("workload", nargs="?", choices=sorted(WORKLOADS), default="mixed")
    parser.add_argument(
        "--seconds",
        type=float,
        default=20,
        help="of arrivals at each load; above the capacity twice as long, and longer for 20 requests",
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    if given.step == "measure":
        workload = WORKLOADS[given.workload]
        found = asyncio.run(measure(workload, given.seconds, given.threads))
        _file(workload).write_text(json.dumps(found, indent=1) + "\n")
    measured = [one for one in WORKLOADS.values() if _file(one).is_file()]
    for workload in measured:
        found = json.loads(_file(workload).read_text())
        report.plot(workload, found, plots.FOLDER)
        report.write_table(workload, found)
    report.write_pictures(measured)


def _file(workload: Workload) -> Path:
    return plots.FOLDER / f"{workload.name}.json"


if __name__ == "__main__":
    main()
