"""Live transcription: the delay of words, and the word error rate.

    make run                                        # or any other server
    python -m benchmarks.live --key KEY             # http://127.0.0.1:8000
    python -m benchmarks.live --key KEY --speakers 1 8 --minutes 10

Each speaker is a WebSocket that is fed recorded clips with pauses in real time. The clock is the alignment
of the words in the whole file (`POST /stt` with word times). A word's delay is the time at which it became
stable, minus the time at which it had been spoken. Reported: the delay of the first word of an utterance and
of every word, the word error rate of the final texts, of the stable words and of the same file sent whole,
the share of utterances whose final text contradicts the stable words, and the growth of the delay.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jiwer
from websockets.asyncio.client import connect

from benchmarks.speech import long_file, normalised, word_error_rate
from src.engines import cpu

_PIECE = 0.1
"""Seconds of audio in a message."""


@dataclass
class Speaker:
    """Events that one speaker received."""

    words: list[tuple[str, float]] = field(default_factory=list)
    """Stable words, and the seconds of audio that had been sent when each came."""
    finals: list[str] = field(default_factory=list)
    utterances: int = 0
    contradicted: int = 0
    lags: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key", required=True)
    parser.add_argument("--speakers", type=int, nargs="+", default=[1])
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--language", default="en", choices=["en", "es"])
    asked = parser.parse_args()
    print(f"CPU: {cpu.in_words()}")
    with tempfile.TemporaryDirectory() as folder:
        path, said = long_file(asked.language, asked.minutes, Path(folder))
        clock, whole = _clock(asked, path)
        rate = word_error_rate(asked.language, [said], [whole])
        print(f"{asked.language}, {asked.minutes:g} min; the file sent whole: WER {rate:.1f} %")
        for count in asked.speakers:
            speakers = asyncio.run(_run(asked, path, count))
            _report(asked.language, count, speakers, clock, said)


def _clock(asked: argparse.Namespace, path: Path) -> tuple[list[tuple[str, float]], str]:
    """Each word of the whole file with the second at which it has been spoken; and the file's text."""
    headers = {"X-API-Key": asked.key}
    with path.open("rb") as file:
        answer = httpx.post(
            f"{asked.url}/stt",
            headers=headers,
            files={"file": file},
            data={"language": asked.language, "response_format": "verbose_json", "word_timestamps": "true"},
            timeout=1200,
            trust_env=False,
        )
    answer.raise_for_status()
    body = answer.json()
    found = [
        (plain, word["end"])
        for segment in body["segments"]
        for word in segment["words"]
        for plain in normalised(asked.language, word["word"]).split()
    ]
    return found, body["text"]


async def _run(asked: argparse.Namespace, path: Path, count: int) -> list[Speaker]:
    with wave.open(str(path)) as file:
        rate, audio = file.getframerate(), file.readframes(file.getnframes())
    # the pauses of speakers are not synchronised
    return await asyncio.gather(
        *(_speak(asked, audio, rate, 3.7 * number / max(1, count)) for number in range(count))
    )


async def _speak(asked: argparse.Namespace, audio: bytes, rate: int, wait: float) -> Speaker:
    await asyncio.sleep(wait)
    speaker = Speaker()
    url = asked.url.replace("http", "ws", 1) + f"/stt/live?language={asked.language}&sample_rate={rate}"
    async with connect(url, additional_headers={"X-API-Key": asked.key}, proxy=None) as socket:
        begun = time.monotonic()
        feeding = asyncio.create_task(_feed(socket, audio, rate, begun))
        stable: dict[str, str] = {}
        async for text in socket:
            _hear(speaker, json.loads(text), time.monotonic() - begun, stable, asked.language)
        await feeding
    return speaker


async def _feed(socket: Any, audio: bytes, rate: int, begun: float) -> None:
    size = 2 * round(rate * _PIECE)
    for number, start in enumerate(range(0, len(audio), size), 1):
        # a piece can be sent when its last sample has been spoken
        await asyncio.sleep(max(0.0, begun + number * _PIECE - time.monotonic()))
        await socket.send(audio[start : start + size])
    await socket.send('{"type": "stop"}')


def _hear(
    speaker: Speaker, message: dict[str, Any], now: float, stable: dict[str, str], language: str
) -> None:
    match message["type"]:
        case "speech_started":
            speaker.utterances += 1
        case "partial":
            speaker.lags.append(message["lag"])
            stable[message["item_id"]] = message["text"]
            speaker.words += [(word, now) for word in normalised(language, message["delta"]).split()]
        case "final":
            text = normalised(language, message["text"]).split()
            before = normalised(language, stable.get(message["item_id"], "")).split()
            speaker.finals.append(message["text"])
            if text[: len(before)] != before:
                speaker.contradicted += 1
            speaker.words += [(word, now) for word in normalised(language, message["delta"]).split()]
        case "error":
            raise SystemExit(message["message"])


def _report(
    language: str, count: int, speakers: list[Speaker], clock: list[tuple[str, float]], said: str
) -> None:
    every: list[float] = []
    first: list[float] = []
    for speaker in speakers:
        delays = _delays(speaker.words, clock)
        every += [delay for _, delay in delays]
        # the first word behind a pause of half a second begins an utterance
        first += [delay for at, delay in delays if at == 0 or clock[at][1] - clock[at - 1][1] > 1.0]
    finals = word_error_rate(language, [said] * count, [" ".join(one.finals) for one in speakers])
    words = word_error_rate(
        language, [said] * count, [" ".join(word for word, _ in one.words) for one in speakers]
    )
    utterances = sum(one.utterances for one in speakers)
    contradicted = sum(one.contradicted for one in speakers)
    print(f"{count} speakers, {utterances} utterances")
    print(f"  first word of an utterance: {_spread(first)}")
    print(f"  every word:                 {_spread(every)}")
    print(f"  WER of final texts {finals:.1f} %, of stable words {words:.1f} %")
    print(f"  final texts that contradict stable words: {100 * contradicted / max(1, utterances):.1f} %")
    for half, lags in (("first", 0), ("second", 1)):
        part = [
            lag
            for one in speakers
            for lag in one.lags[lags * len(one.lags) // 2 : (lags + 1) * len(one.lags) // 2]
        ]
        print(f"  lag in the {half} half: {statistics.fmean(part) if part else 0:.2f} s")


def _delays(words: list[tuple[str, float]], clock: list[tuple[str, float]]) -> list[tuple[int, float]]:
    """For each word that was recognised as in the whole file: its index there, and its delay in seconds."""
    if not words or not clock:
        return []
    output = jiwer.process_words(" ".join(word for word, _ in clock), " ".join(word for word, _ in words))
    found = []
    for chunk in output.alignments[0]:
        if chunk.type == "equal":
            for offset in range(chunk.ref_end_idx - chunk.ref_start_idx):
                at, told = chunk.ref_start_idx + offset, words[chunk.hyp_start_idx + offset][1]
                found.append((at, told - clock[at][1]))
    return found


def _spread(delays: list[float]) -> str:
    if not delays:
        return "none"
    ordered = sorted(delays)
    return (
        f"p50 {ordered[len(ordered) // 2]:.2f} s, p95 {ordered[int(0.95 * (len(ordered) - 1))]:.2f} s "
        f"({len(ordered)} words)"
    )


if __name__ == "__main__":
    main()
