"""The simulation against what was measured, then many replicas: tables, and plots as SVG."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import plots
from benchmarks.capacity.model import Costs, Outcome, closed_loop, from_idle, open_arrivals

REPLICAS = (1, 2, 10, 100, 1000)
LOADS = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5)
REPLICAS_OF_AN_HTTP_PROCESS = 10
DRAWS = 40
"""Of the requests of a measurement, which were few: the simulation says how far chance takes them."""
REQUESTS = {1: 10_000, 2: 10_000, 10: 20_000, 100: 50_000, 1000: 250_000}


def costs_of(found: dict[str, Any]) -> Costs:
    """What was measured, as the simulation takes it."""
    return Costs(
        speed={int(rows): value for rows, value in found["speed"].items()},
        overhead=0.0,
        http=0.0,
        handle=0.0,
        limits=0.0,
        max_rows=max(int(rows) for rows in found["speed"]),
        max_queue=10**6,
    )


def validate(found: dict[str, Any], half: dict[str, Any], cluster: dict[str, Any], handle: float) -> None:
    """Print what was measured, and what the simulation says of it: for rows at random, of `DRAWS` draws of as
    many rows as were measured the median, and in brackets what nine of ten are in.

    Args:
        found: what `measure` wrote of an engine with all cores.
        half: the same, of one on half of them.
        cluster: what `benchmarks.ray` wrote: throughput with both.
        handle: seconds of a row's way to a replica and back.
    """
    costs, lengths = costs_of(found), found["lengths"]
    print(f"One engine ({found['engine']}; {found['machine']}), rows at random:\n")
    print("| load | requests | p50 measured | simulated | p95 measured | simulated |")
    print("| --- | --- | --- | --- | --- | --- |")
    for seen in found["observed"]:
        draws = [from_idle(costs, lengths, seen["load"], seen["requests"], seed) for seed in range(DRAWS)]
        columns = []
        for share in (50, 95):
            low, middle, high = np.percentile([one.percentile(share) for one in draws], (5, 50, 95))
            columns += [f"{seen[f'p{share}']:.2f} s", f"{middle:.2f} s ({low:.2f}–{high:.2f})"]
        print(f"| {100 * seen['load']:.0f} % | {seen['requests']} | {' | '.join(columns)} |")
    callers, row = cluster["callers"], cluster["row_seconds"]
    print(f"\n{callers} callers, rows of {row:.1f} s, each sends one when the last is answered:\n")
    print("| Whisper | audio a second measured | simulated |\n| --- | --- | --- |")
    for name, replicas, measured, way in (
        ("in this process", 1, found, 0.0),
        ("1 replica", 1, found, handle),
        ("2 replicas", 2, half, handle),
    ):
        said = closed_loop(replace(costs_of(measured), handle=way), replicas, [row], callers, 5_000)
        seen_rows = float(np.median(cluster["rows_per_second"][name]))
        print(f"| {name} | {seen_rows * row:.1f} s | {said.audio / said.seconds:.1f} s |")


def simulate(
    found: dict[str, Any], http: float, handle: float, limits: float, overhead: float
) -> dict[int, list[Outcome]]:
    """Print a table for each number of replicas.

    Args:
        found: what `measure` wrote.
        http: seconds of CPU time of a request in its HTTP process.
        handle: seconds of a row's way to a replica and back.
        limits: seconds of one operation of the limits store.
        overhead: seconds of a request beside engine and queues.
    """
    costs = replace(costs_of(found), http=http, handle=handle, limits=limits, overhead=overhead, max_queue=16)
    every = {}
    for replicas in REPLICAS:
        processes = max(1, replicas // REPLICAS_OF_AN_HTTP_PROCESS)
        every[replicas] = [
            open_arrivals(costs, replicas, processes, found["lengths"], load, REQUESTS[replicas])
            for load in LOADS
        ]
        print(f"\n{replicas} replicas, {processes} HTTP processes:\n")
        print("| load | audio a second | p50 | p95 | refused | HTTP busy | limits store busy |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for load, outcome in zip(LOADS, every[replicas], strict=True):
            refused = outcome.refused / max(len(outcome.waits) + outcome.refused, 1)
            print(
                f"| {100 * load:.0f} % | {outcome.audio / outcome.seconds:.0f} s"
                f" | {outcome.percentile(50):.2f} s | {outcome.percentile(95):.2f} s | {100 * refused:.1f} %"
                f" | {100 * outcome.http_busy:.0f} % | {100 * outcome.limits_busy:.1f} % |"
            )
    return every


def plot(every: dict[int, list[Outcome]], folder: Path) -> None:
    """Write the plots, for light and dark pages."""

    def draw(axes: Any) -> None:
        throughput, median, slow = axes
        load = [100 * load for load in LOADS]
        for replicas, outcomes in every.items():
            throughput.plot(
                load,
                [one.audio / one.seconds / replicas for one in outcomes],
                marker=".",
                label=f"{replicas:,}",
            )
            median.plot(load, [one.percentile(50) for one in outcomes], marker=".")
            slow.plot(load, [one.percentile(95) for one in outcomes], marker=".")
        for plot, label in zip(
            axes, ("audio s/s for each replica", "p50, seconds", "p95, seconds"), strict=True
        ):
            plot.set(xlabel="load, % of capacity", ylabel=label, ylim=(0, None))
        throughput.legend(title="replicas")

    plots.save("capacity", draw, columns=3, size=(11, 3.4), folder=folder)


def read(file: Path) -> dict[str, Any]:
    if not file.exists():
        raise SystemExit(f"{file} is not there: see `python -m benchmarks.capacity --help`")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def print_cost(found: dict[str, Any], price: float, load: float, replicas: int, others: int) -> None:
    """Print what 1,000 hours of audio cost, and what that takes for granted.

    Args:
        found: what `measure` wrote.
        price: of an hour of one machine.
        load: share of their capacity that the replicas are kept at.
        replicas: one on each machine.
        others: machines without an engine: the head, HTTP processes, the limits store.
    """
    speed = costs_of(found).capacity()
    hours = replicas * speed * load
    machines = replicas + others
    rows = {
        "engine": f"{found['engine']}, {speed:.1f} s of audio a second",
        "machines with an engine": f"{replicas}",
        "other machines (head, HTTP processes, limits store)": f"{others}",
        "price of a machine": f"{price:.3f} an hour",
        "load": f"{100 * load:.0f} %",
        "audio": f"{hours:.0f} hours an hour",
        "**1,000 hours of audio**": f"**{1000 / hours * machines * price:.2f}**",
    }
    print("\n| | |\n| --- | --- |")
    for name, value in rows.items():
        print(f"| {name} | {value} |")
