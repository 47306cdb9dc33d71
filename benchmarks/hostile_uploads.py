"""Latency of clips while other clients send files that keep a decoder busy.

    make run                                             # or any other server
    python -m benchmarks.hostile_uploads --key KEY       # http://127.0.0.1:8000

Prints how long each kind of hostile file waits for its answer, and the latency of clips (3 s of speech) alone
and beside bursts of hostile files.
"""

import argparse
import asyncio
import time
from collections import Counter
from itertools import cycle, islice

import httpx
import numpy as np

from tests.support.speech import clip, wav
from tests.support.traps import claims_samples, floods, silent_flac

_SIZE = 1_000_000
_BURSTS = 4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key", required=True)
    parser.add_argument("--clips", type=int, default=40, help="sent one after the other, in each part")
    parser.add_argument(
        "--callers", type=int, default=20, help="who each send a hostile file at once, four times"
    )
    asyncio.run(_run(parser.parse_args()))


async def _run(given: argparse.Namespace) -> None:
    files = floods(_SIZE) | {"claims 67 million samples": claims_samples(2**26 - 1)}
    files["100 hours of silence"] = silent_flac(100 * 3600)
    limits = httpx.Limits(max_connections=given.callers + 4)
    async with httpx.AsyncClient(
        base_url=given.url, headers={"X-API-Key": given.key}, timeout=120, trust_env=False, limits=limits
    ) as client:
        await _clips(client, 3)
        for name, content in files.items():
            began = time.perf_counter()
            answer = await client.post("/stt", files={"file": content})
            print(
                f"{name}, {len(content):,} bytes: {answer.status_code}, {time.perf_counter() - began:.2f} s"
            )
        alone = await _clips(client, given.clips)
        print(f"clips alone: p50 {_at(alone, 50):.3f} s, p95 {_at(alone, 95):.3f} s")
        statuses: Counter[int] = Counter()
        beside: list[float] = []
        for _ in range(_BURSTS):
            burst = [
                asyncio.create_task(_send(client, content, statuses))
                for content in islice(cycle(floods(_SIZE).values()), given.callers)
            ]
            beside += await _clips(client, given.clips // _BURSTS)
            await asyncio.gather(*burst)
        print(
            f"clips beside {_BURSTS} bursts of {given.callers} floods of boxes: p50 {_at(beside, 50):.3f} s, "
            f"p95 {_at(beside, 95):.3f} s, {_at(beside, 95) / _at(alone, 95):.2f} times as long; "
            f"hostile files were answered {dict(statuses)}"
        )


async def _clips(client: httpx.AsyncClient, count: int) -> list[float]:
    """Latency in seconds of each of a number of clips."""
    content, took = _clip(), []
    for _ in range(count):
        began = time.perf_counter()
        answer = await client.post("/stt", files={"file": content}, data={"language": "en"})
        answer.raise_for_status()
        took.append(time.perf_counter() - began)
    return took


async def _send(client: httpx.AsyncClient, content: bytes, statuses: Counter[int]) -> None:
    answer = await client.post("/stt", files={"file": content})
    statuses[answer.status_code] += 1


def _clip() -> bytes:
    return wav(clip("en-agent")[: 3 * 16_000]).getvalue()


def _at(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent))


if __name__ == "__main__":
    main()
