import argparse
import asyncio
import json
import os
from pathlib import Path

from benchmarks.capacity import __doc__ as description
from benchmarks.capacity import measure, report

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.capacity", description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("step", choices=["measure", "simulate"])
    parser.add_argument("--file", type=Path, default=HERE / "measured.json")
    parser.add_argument("--half", type=Path, default=HERE / "half.json", help="on half of the cores")
    parser.add_argument("--cluster", type=Path, default=HERE / "cluster.json", help="of benchmarks.ray")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    parser.add_argument("--threads", type=int, default=2, help="of the engine")
    parser.add_argument(
        "--cores", type=int, help="run on so many cores alone, as replicas that share a machine"
    )
    parser.add_argument("--closed", action="store_true", help="measure no rows that come at random")
    parser.add_argument("--http-ms", type=float, default=4, help="CPU time of a request in its HTTP process")
    parser.add_argument("--handle-ms", type=float, default=3, help="a row's way to a replica and back")
    parser.add_argument("--limits-us", type=float, default=33, help="one operation of the limits store")
    parser.add_argument("--overhead-ms", type=float, default=12.5, help="a request beside engine and queues")
    parser.add_argument("--price", type=float, default=0.06, help="of an hour of a machine")
    parser.add_argument("--plots", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    if given.step == "measure":
        if given.cores:  # threads of the engine are not all that it has: encoding goes on beside decoding
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.cores])
        found = asyncio.run(
            measure.measure(given.seconds, given.threads, () if given.closed else measure.LOADS)
        )
        given.file.write_text(json.dumps(found, indent=1) + "\n")
        return
    found = report.read(given.file)
    handle = given.handle_ms / 1e3
    report.validate(found, report.read(given.half), report.read(given.cluster), handle)
    every = report.simulate(
        found,
        http=given.http_ms / 1e3,
        handle=handle,
        limits=given.limits_us / 1e6,
        overhead=given.overhead_ms / 1e3,
    )
    report.plot(every, given.plots)
    report.print_cost(found, given.price, 0.6, replicas=10, others=3)


if __name__ == "__main__":
    main()
