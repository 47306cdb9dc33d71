"""The plots and the tables of what was measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import documents, plots
from benchmarks.load.servers import VOZ
from benchmarks.load.workloads import WORKLOADS, Workload

_LINES = {"p50": "-", "p95": "--"}
_LATENCY = "Latency (p50 and p95) and answers a second by requests a second: {}"
_PERCENTILES = "load-percentiles"
_PERCENTILES_WORDS = "Latency of Voz (p50, p95 and p99) and refused requests by load"
_README_WORDS = {
    "README.md": _LATENCY.format(WORKLOADS["mixed"].title),
    "README.es.md": "Latencia (p50 y p95) y respuestas por segundo según las peticiones por segundo: "
    "Voz, y una llamada cada vez",
}


def plot(workload: Workload, found: dict[str, Any], folder: Path) -> None:
    """Write the plot of a workload (all servers, by requests a second).

    Of mixed requests also `load-percentiles` (Voz, by load).
    """
    systems = found["systems"]

    def both(axes: Any) -> None:
        latency, throughput = axes
        for number, (name, system) in enumerate(systems.items()):
            offered = [level["offered"] for level in system["levels"]]
            for share, line in _LINES.items():
                values = [level[share] for level in system["levels"]]
                label = f"{name}, {share}"
                latency.plot(offered, values, line, color=f"C{number}", marker=".", label=label)
            answered = [level["throughput"] for level in system["levels"]]
            throughput.plot(offered, answered, color=f"C{number}", marker=".", label=name)
        latency.set(xlabel="requests a second that come", ylabel="latency, seconds", yscale="log")
        throughput.set(
            xlabel="requests a second that come", ylabel="answered a second", xlim=(0, None), ylim=(0, None)
        )
        latency.set_xlim(0, None)
        latency.yaxis.set_major_formatter("{x:g}")
        for axis in axes:  # above the axes: everywhere inside there are lines
            axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)

    def ours(axes: Any) -> None:
        latency, refused = axes
        levels = systems[VOZ.name]["levels"]
        load = [100 * level["load"] for level in levels]
        for share in ("p50", "p95", "p99"):
            latency.plot(load, [level[share] for level in levels], marker=".", label=share)
        refused.plot(
            load, [100 * level["refused"] / max(level["requests"], 1) for level in levels], marker="."
        )
        latency.set(xlabel="load, % of capacity", ylabel="latency, seconds", ylim=(0, None))
        refused.set(xlabel="load, % of capacity", ylabel="refused with 503, %", ylim=(0, None))
        latency.legend()

    plots.save(workload.name, both, columns=2, folder=folder)
    if workload is WORKLOADS["mixed"]:
        plots.save(_PERCENTILES, ours, columns=2, folder=folder)


def write_table(workload: Workload, found: dict[str, Any]) -> None:
    """Write the table of a workload into the document."""
    model = "Kokoro alone" if workload.speaks else f"Whisper `{found['model']}` and Kokoro"
    lines = [
        f"{found['date']}, {found['machine']}; {model}, {found['threads']} threads, "
        f"at least {found['seconds']:g} s of arrivals for each row, twice as long above the capacity. "
        + ", ".join(
            f"{name}: {system['capacity']:.2f} requests a second" for name, system in found["systems"].items()
        )
        + " with eight clients.",
        *(
            f"\n{name}: {system['quality']}."
            for name, system in found["systems"].items()
            if "quality" in system
        ),
        "",
        "| | load | requests | p50 | p95 | p99 | refused (503) | failed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, system in found["systems"].items():
        for level in system["levels"]:
            waits = " | ".join(_seconds(level[share]) for share in ("p50", "p95", "p99"))
            load = f"{100 * level['load']:.0f} %, {level['offered']:.2f} a second"
            counts = f"{level['refused']} | {level['failed']}"
            lines.append(f"| {name} | {load} | {level['requests']} | {waits} | {counts} |")
    documents.write(workload.name, "\n".join(lines))


def write_pictures(measured: Sequence[Workload]) -> None:
    """Show the plots of what was measured in the document, and that of mixed requests in both READMEs."""
    words = {one.name: _LATENCY.format(one.title) for one in measured}
    words[_PERCENTILES] = _PERCENTILES_WORDS
    pictures = [documents.picture(name, text, "images") for name, text in words.items()]
    documents.write("plots", "\n\n".join(pictures))
    for readme, text in _README_WORDS.items():
        documents.write("load", documents.picture("load", text, "docs/images"), Path(readme))


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"
