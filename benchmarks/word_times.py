"""Compare word times of synthesised speech with those that two other methods find in the audio.

    pip install -r requirements-dev.txt
    python -m benchmarks.word_times                             # Kokoro, fifty sentences a language
    python -m benchmarks.word_times --voices am_michael em_alex
    python -m benchmarks.word_times --coqui DIR                 # a Coqui folder, its vocoder in DIR/vocoder

The methods: forced alignment by PocketSphinx (`hmm_aligner`), and dynamic time warping against espeak's own
speech (`dtw_aligner`). The difference between these two shows how exactly such times can be known.

Coqui needs trained weights here: audio of random weights has no speech to align.
"""

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np

from benchmarks.dtw_aligner import DtwAligner
from benchmarks.hmm_aligner import HmmAligner
from src.engines.base import TextToSpeech, Voice
from src.engines.coqui import CoquiEngine
from src.engines.kokoro import KokoroEngine
from src.engines.voices import VoiceRegistry
from src.services.text import to_speech
from src.weights.store import ModelStore
from tests.support.sentences import SENTENCES

Times = Sequence[float | None]


class Differences:
    """Of the times by two methods, in seconds."""

    def __init__(self) -> None:
        self._found: dict[str, list[float]] = defaultdict(list)

    def add(self, name: str, ours: Times, theirs: Times) -> None:
        pairs = zip(ours, theirs, strict=True)
        self._found[name] += [a - b for a, b in pairs if a is not None and b is not None]

    def show(self) -> None:
        print(f"  {'milliseconds':34}{'words':>6}{'signed':>8}{'mean':>7}{'median':>8}{'p90':>6}")
        for name, found in self._found.items():
            signed = 1000 * np.array(found)
            size = np.abs(signed)
            print(
                f"  {name:34}{len(found):6}{signed.mean():+8.1f}{size.mean():7.1f}"
                f"{np.median(size):8.1f}{np.percentile(size, 90):6.0f}"
            )


async def measure(engine: TextToSpeech, voice: Voice, dtw: DtwAligner, count: int | None) -> None:
    hmm = HmmAligner(voice.language)
    differences = Differences()
    failed = 0
    for sentence in SENTENCES[voice.language][:count]:
        for piece in to_speech(sentence.text, voice.language):
            words = piece.text.split()
            row = await engine.utter(piece.text, voice, "word times", timed=True)
            if row.words is None:
                raise SystemExit(f"the voice {voice.id} cannot tell when words are said")
            try:
                aligned = hmm.align(row.audio, voice.sample_rate, words)
            except ValueError as error:
                print(f"  {error}")
                failed += 1
                continue
            warped = dtw.align(row.audio, voice.sample_rate, words, voice.language)
            for edge, name in enumerate(("starts", "ends")):
                ours = [span[edge] for span in row.words]
                theirs = [span[edge] for span in aligned]
                differences.add(f"{name}: ours, HMM", ours, theirs)
                differences.add(f"{name}: ours, DTW", ours, warped[edge])
                differences.add(f"{name}: HMM, DTW", theirs, warped[edge])
    print(f"{voice.engine}, {voice.id}, {voice.language}" + (f": {failed} not aligned" if failed else ""))
    differences.show()


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--coqui", metavar="DIR", help="a Coqui model folder in place of Kokoro")
    parser.add_argument("--voices", nargs="+", default=[], help="ids; by default the first of each language")
    parser.add_argument("--sentences", type=int, help="so many of each language; all by default")
    asked = parser.parse_args()
    store, aligner = ModelStore(asked.models_dir), DtwAligner()
    engine: TextToSpeech
    if asked.coqui:
        engine = CoquiEngine([store.coqui(asked.coqui)])
    else:
        files = store.kokoro()
        engine = KokoroEngine(files.model, files.voices, threads=1)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(engine)
        voices = VoiceRegistry(engine.voices)
        for voice in [voices.find(name) for name in asked.voices] or [
            voices.default(language) for language in voices.languages
        ]:
            await measure(engine, voice, aligner, asked.sentences)


if __name__ == "__main__":
    asyncio.run(main())
