"""The cost of eight clients with eight voices, compared with eight clients with one voice.

    python -m benchmarks.voices                    # Kokoro, English

Each round speaks the same eight sentences twice: all with one voice, and each with another. Voices speak at
different rates, so what counts is the work for a second of sound. The one voice changes from round to round.
"""

import argparse
import asyncio
import statistics
from pathlib import Path

from benchmarks.tts import PARAGRAPHS
from benchmarks.tts_report import Rounds
from src.engines.base import TextToSpeech, Voice
from src.engines.kokoro import KokoroEngine
from src.weights.store import ModelStore

CLIENTS = 8


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--language", choices=sorted(PARAGRAPHS), default="en")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    files = ModelStore(asked.models_dir).kokoro()
    async with KokoroEngine(files.model, files.voices, asked.threads) as engine:
        voices = [voice for voice in engine.voices if voice.language == asked.language]
        voices = [voices[number % len(voices)] for number in range(CLIENTS)]
        one, each = Rounds(), Rounds()
        for number in range(asked.rounds):
            await _round(engine, [voices[number % CLIENTS]] * CLIENTS, asked.language, one)
            await _round(engine, voices, asked.language, each)
    for name, rounds in (("one voice for all", one), ("a voice each", each)):
        cpu, seconds = statistics.median(rounds.cpu), rounds.median
        print(f"{name:18}CPU {cpu:.3f} s for a second of sound, {seconds:.3f} s by the clock")
    for name, pairs in (("CPU", (one.cpu, each.cpu)), ("clock", (one.seconds, each.seconds))):
        ratios = sorted(mixed / alone for alone, mixed in zip(*pairs, strict=True))
        print(f"{name:6}ratio {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")


async def _round(engine: TextToSpeech, voices: list[Voice], language: str, rounds: Rounds) -> None:
    work = Rounds()
    with work.timed():
        audios = await asyncio.gather(
            *(
                engine.synthesize(text, voice, f"client {number}")
                for number, (text, voice) in enumerate(zip(PARAGRAPHS[language], voices, strict=True))
            )
        )
    sound = sum(len(audio) / voice.sample_rate for audio, voice in zip(audios, voices, strict=True))
    rounds.add(work.seconds[0] / sound, work.cpu[0] / sound)


if __name__ == "__main__":
    asyncio.run(main())
