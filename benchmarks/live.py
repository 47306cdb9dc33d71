"""Live transcription: the delay of words, the word error rate, and how many speakers a server follows.

    make run                                        # or any other server
    python -m benchmarks.live --key KEY             # http://127.0.0.1:8000
    python -m benchmarks.live --key KEY --speakers 1 8 --minutes 10
    python -m benchmarks.live --key KEY --until 3   # more and more speakers, until p95 passes 3 s
    python -m benchmarks.live --key KEY --minutes 30 --pause 30
    python -m benchmarks.live --key KEY --peers whisperlivekit-alignatt whisper-live --speakers 1 4
    python -m benchmarks.live --offline --minutes 4 # in this process, without waiting: no server

Each speaker is a WebSocket that is fed recorded clips with pauses in real time. The clock is the alignment
of the words in the whole file (`POST /stt` with word times). A word's delay is the time at which it became
stable, minus the time at which it had been spoken. Reported: the delay of the first word of an utterance and
of every word, the word error rate of the final texts, of the stable words and of the same file sent whole,
the share of utterances whose final text contradicts the stable words, how the lag grew, how often a phrase
came in a row, and the server's memory.

Peers run in environments of their own, which are made with uv; they are measured after ours, in turn, on the
same weights (`--model`). With `--offline` the clock is the audio's own: updates take no time, so the result
depends on no machine's speed, and the CPU time is printed.
"""

import argparse
import asyncio
import re
import tempfile
import wave
from pathlib import Path

import httpx

from benchmarks.live_clients import RATE, Client, Voz
from benchmarks.live_offline import listen
from benchmarks.live_peers import PEERS, resident_mb, serving
from benchmarks.live_report import Clock, Speaker, every_delay, p95, report
from benchmarks.speech import long_file, normalised, word_error_rate
from src.engines import cpu

_MOST_SPEAKERS = 64


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key", default="")
    parser.add_argument("--speakers", type=int, nargs="+", default=[1])
    parser.add_argument("--until", type=float, metavar="SECONDS", help="add speakers until p95 passes this")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--pause", type=float, help="seconds of silence between clips, in place of 0.3 to 2")
    parser.add_argument("--language", default="en", choices=["en", "es"])
    parser.add_argument(
        "--model", type=Path, default=Path("models/whisper/base"), help="of peers and --offline"
    )
    parser.add_argument(
        "--peers",
        nargs="+",
        default=[],
        choices=sorted(name for name in PEERS if "wyoming" not in name),
        metavar="PEER",
    )
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--show", action="store_true", help="print the utterances that contradict themselves")
    asked = parser.parse_args()
    if not asked.key and not asked.offline:
        parser.error("--key is needed to ask the server")
    print(f"CPU: {cpu.in_words()}")
    with tempfile.TemporaryDirectory() as folder:
        path, said = long_file(asked.language, asked.minutes, Path(folder), asked.pause)
        with wave.open(str(path)) as file:
            audio = file.readframes(file.getnframes())
        if asked.offline:
            clock, whole, speaker, seconds = asyncio.run(listen(asked.model, asked.language, audio))
            _headline(asked, said, whole)
            report(asked.language, [speaker], clock, said, show=asked.show)
            print(f"  CPU time for a second of audio: {seconds / (len(audio) / 2 / RATE):.3f} s")
            return
        clock, whole = _clock(asked, path)
        _headline(asked, said, whole)
        before = _memory(asked)
        _measure(asked, Voz(asked.url, asked.key), audio, clock, said)
        print(f"memory of the server: {before:.0f} MB before, {_memory(asked):.0f} MB after")
        for name in asked.peers:
            with serving(name, asked.model.resolve(), asked.language) as (client, _, process):
                print(f"\n{name}: {', '.join(PEERS[name].packages)} {PEERS[name].note}")
                if client is not None:
                    before = resident_mb(process)
                    _measure(asked, client, audio, clock, said)
                    print(f"memory: {before:.0f} MB before, {resident_mb(process):.0f} MB after")


def _headline(asked: argparse.Namespace, said: str, whole: str) -> None:
    rate = word_error_rate(asked.language, [said], [whole])
    print(f"{asked.language}, {asked.minutes:g} min; the file sent whole: WER {rate:.1f} %", flush=True)


def _measure(asked: argparse.Namespace, client: Client, audio: bytes, clock: Clock, said: str) -> None:
    counts = asked.speakers if asked.until is None else range(asked.speakers[0], _MOST_SPEAKERS)
    for count in counts:
        speakers = asyncio.run(_run(client, audio, count, asked.language))
        report(asked.language, speakers, clock, said, show=asked.show)
        if asked.until is not None and p95(every_delay(speakers, clock)) > asked.until:
            print(f"with {count} speakers p95 passes {asked.until:g} s")
            return


async def _run(client: Client, audio: bytes, count: int, language: str) -> list[Speaker]:
    async def late(number: int) -> Speaker:
        # speakers do not breathe in time with each other
        await asyncio.sleep(3.7 * number / count)
        return await client.speak(audio, language)

    return await asyncio.gather(*(late(number) for number in range(count)))


def _clock(asked: argparse.Namespace, path: Path) -> tuple[Clock, str]:
    """Each word of the whole file with the second at which it has been spoken; and the file's text."""
    headers = {"X-API-Key": asked.key}
    with path.open("rb") as file:
        answer = httpx.post(
            f"{asked.url}/stt",
            headers=headers,
            files={"file": file},
            data={"language": asked.language, "response_format": "verbose_json", "word_timestamps": "true"},
            timeout=1800,
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


def _memory(asked: argparse.Namespace) -> float:
    """Memory of the server's processes in MB, as its metrics tell."""
    answer = httpx.get(f"{asked.url}/metrics", headers={"X-API-Key": asked.key}, timeout=60, trust_env=False)
    answer.raise_for_status()
    found = re.findall(r"^voz_process_resident_bytes(?:\{.*\})? (\S+)$", answer.text, re.MULTILINE)
    return sum(map(float, found)) / 2**20


if __name__ == "__main__":
    main()
