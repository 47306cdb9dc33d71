"""Speed of text to speech on a GPU beside this machine's CPU: Kokoro's weights, and Coqui's with random ones.

    python -m benchmarks.tts_gpu --models-dir models

The results are printed; nothing is asserted. A sentence's real-time factor is the seconds that it takes over
the seconds that it lasts.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.tts import PARAGRAPHS
from src.engines import cpu
from src.engines.base import TextToSpeech, Voice
from src.engines.coqui import CoquiEngine
from src.engines.kokoro import KokoroEngine
from src.engines.voices import VoiceRegistry
from src.weights.store import CoquiFiles, ModelStore


async def measure(engine: TextToSpeech, clients: Sequence[int], rounds: int) -> None:
    """Sentences one by one, and in crowds."""
    voices = VoiceRegistry(engine.voices)
    for language, texts in PARAGRAPHS.items():
        voice = voices.default(language)
        factors, waits = [], []
        for text in texts * rounds:
            begun = time.perf_counter()
            audio = await engine.synthesize(text, voice, text)
            waits.append(time.perf_counter() - begun)
            factors.append(waits[-1] * voice.sample_rate / len(audio))
        print(
            f"  {language} alone        {statistics.median(waits) * 1000:6.0f} ms a sentence, "
            f"real-time factor {statistics.median(factors):.4f}",
            flush=True,
        )
        for count in clients:
            print(f"  {language} {count:3} clients  {await crowd(engine, voice, texts, count)}", flush=True)


async def crowd(engine: TextToSpeech, voice: Voice, texts: Sequence[str], count: int) -> str:
    """Clients that each send a sentence as soon as their last one is spoken."""
    waiting = [text for text in texts for _ in range(max(1, count // 2))]
    sent, sound, waits = len(waiting), 0.0, []

    async def client(name: str) -> None:
        nonlocal sound
        while waiting:
            begun = time.perf_counter()
            audio = await engine.synthesize(waiting.pop(), voice, name)
            waits.append(time.perf_counter() - begun)
            sound += len(audio) / voice.sample_rate

    begun = time.perf_counter()
    await asyncio.gather(*(client(str(number)) for number in range(count)))
    took = time.perf_counter() - begun
    return (
        f"{sent / took:6.1f} sentences and {sound / took:6.1f} s of sound a second, "
        f"p50 {statistics.median(waits):.2f} s"
    )


@contextmanager
def coqui_files() -> Iterator[list[CoquiFiles]]:
    from tests.support import coqui

    with tempfile.TemporaryDirectory() as scratch:
        english, spanish = coqui.english(Path(scratch) / "en"), coqui.spanish(Path(scratch) / "es")
        yield [replace(english, language="en"), replace(spanish, language="es")]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--devices", nargs="+", choices=["cpu", "cuda"], default=["cuda", "cpu"])
    parser.add_argument("--engines", nargs="+", choices=["kokoro", "coqui"], default=["kokoro", "coqui"])
    parser.add_argument("--compute-types", nargs="+", default=["auto"], help="of Coqui")
    parser.add_argument("--clients", type=int, nargs="*", default=[8, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    for device in given.devices:
        name = (
            torch.cuda.get_device_name() if device == "cuda" else f"{cpu.in_words()}, {given.threads} threads"
        )
        print(name, flush=True)
        if "kokoro" in given.engines:
            files = ModelStore(given.models_dir).kokoro()
            async with KokoroEngine(files.model, files.voices, given.threads, device) as kokoro:
                print(f" {kokoro.info.engine}, {kokoro.info.device}, {kokoro.info.compute_type}")
                await measure(kokoro, given.clients, given.rounds)
        if "coqui" in given.engines:
            with coqui_files() as models:
                for compute_type in given.compute_types:
                    async with CoquiEngine(models, device, compute_type, given.threads) as coqui:
                        print(f" {coqui.info.engine}, {coqui.info.device}, {coqui.info.compute_type}")
                        await measure(coqui, given.clients, given.rounds)


if __name__ == "__main__":
    asyncio.run(main())
