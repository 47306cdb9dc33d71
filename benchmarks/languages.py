"""Compare language detection and word error rate with faster-whisper, on the same weights.

    python -m benchmarks.languages --model models/whisper/base --languages fr it ru --clips 60
    python -m benchmarks.languages ... --root /tmp/unpacked          # packages unpacked with dpkg -x

Language detection is on. Prints wrong languages and word error rates, asserts nothing.
"""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.speech import Clip, clips, word_error_rate
from benchmarks.systems import open_both
from src.engines.base import SttOptions
from src.services.stt import SttService

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

Found = tuple[str, float, str]
"""Language, its probability, text."""
Read = Callable[[Path], Awaitable[Found]]
Pool = tuple[str, str, list[Clip]]
"""What is printed above the results of some clips, their language, and the clips."""

_AT_ONCE = 4


async def read_all(read: Read, pool: list[Clip]) -> list[Found]:
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(clip: Clip) -> Found:
        async with places:
            return await read(clip.path)

    return list(await asyncio.gather(*(one(clip) for clip in pool)))


def readers(service: SttService, model: "WhisperModel") -> dict[str, Read]:
    """Voz and faster-whisper, by name. The latter reads one file at a time."""
    one_at_a_time = asyncio.Lock()

    async def ours(path: Path) -> Found:
        with path.open("rb") as file:
            result = await service.transcribe(file, SttOptions())
        return result.language, result.language_probability, result.text

    def transcribe(path: Path) -> Found:
        segments, info = model.transcribe(str(path))
        return info.language, info.language_probability, " ".join(one.text.strip() for one in segments)

    async def theirs(path: Path) -> Found:
        async with one_at_a_time:
            return await asyncio.to_thread(transcribe, path)

    return {"ours": ours, "faster-whisper": theirs}


def report(name: str, language: str, pool: list[Clip], found: list[Found]) -> None:
    wrong = [(clip, one) for clip, one in zip(pool, found, strict=True) if one[0] != language]
    rate = word_error_rate(language, [clip.text for clip in pool], [text for _, _, text in found])
    print(f"  {name:15} {len(wrong):3} of {len(pool)} in a wrong language   WER {rate:5.2f} %", flush=True)
    for clip, (taken_for, probability, text) in wrong:
        print(f"      {clip.name}: {taken_for} ({probability:.2f}) {text.strip()!r} for {clip.text!r}")


def command_line(description: str | None, languages: list[str]) -> argparse.ArgumentParser:
    """The options of a comparison; what it is given goes to `compare`.

    Args:
        description: of the benchmark.
        languages: that are compared if none is named.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a CTranslate2 Whisper folder")
    parser.add_argument("--languages", nargs="+", default=languages)
    parser.add_argument("--clips", type=int, default=1000, help="of each language at most")
    parser.add_argument("--root", type=Path, default=Path("/"), help="where Debian's packages are")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--compute-type", default="int8")
    parser.set_defaults(device="cpu")
    return parser


async def compare(given: argparse.Namespace, pools: Iterable[Pool]) -> None:
    """Transcribe all clips with both systems, and print what came of each pool."""
    async with AsyncExitStack() as stack:
        engine, service, model = await open_both(given, stack)
        systems = readers(service, model)
        for title, language, pool in pools:
            seconds = sum(clip.seconds for clip in pool)
            print(f"{title}: {len(pool)} clips, {seconds:.0f} s", flush=True)
            for name, read in systems.items():
                report(name, language, pool, await read_all(read, pool))
        print(f"decoded again: {engine.stats.retry_rate:.1%} of rows: {dict(engine.stats.issues)}")


def main() -> None:
    given = command_line(__doc__, ["en", "es", "fr", "it", "ru"]).parse_args()
    pools = ((name, name, clips(name, given.root)[: given.clips]) for name in given.languages)
    asyncio.run(compare(given, pools))


if __name__ == "__main__":
    main()
