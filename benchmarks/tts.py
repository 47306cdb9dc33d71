"""How fast text becomes speech, against the peers, in one run on the same cores.

    python -m benchmarks.tts coqui                      # random weights, wired to speak to the end
    python -m benchmarks.tts coqui --folder DIR         # a Coqui model folder, its vocoder in DIR/vocoder
    python -m benchmarks.tts kokoro --models-dir models
    python -m benchmarks.tts http --url http://127.0.0.1:8000 --key KEY

The two sides take turns, round after round, so that a noisy machine is noisy for both; what counts is the
ratio of each round. Coqui's `Synthesizer` is called as its users call it, with the sentences already cut
for both sides alike: eight clients stand in line for it, since it can be in one sentence only.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tts_report import Rounds, line, memory, percentiles
from src.core.model_store import CoquiFiles, ModelStore
from src.engines.base import Audio, TextToSpeech
from src.engines.coqui import CoquiEngine
from src.engines.kokoro import KokoroEngine

PARAGRAPHS = {
    "en": [
        "It was a bright cold day in April, and the clocks were striking thirteen.",
        "The hallway smelt of boiled cabbage and old rag mats.",
        "At one end of it a coloured poster, too large for indoor display, had been tacked to the wall.",
        "It was no use trying the lift.",
        "Even at the best of times it was seldom working, and at present the current was cut off.",
        "The flat was seven flights up, and he went slowly, resting several times on the way.",
        "Inside the flat a fruity voice was reading out a list of figures.",
        "The voice came from an oblong metal plaque like a dulled mirror.",
    ],
    "es": [
        "En un lugar de la Mancha, de cuyo nombre no quiero acordarme, vivía un hidalgo.",
        "Era de complexión recia, seco de carnes y enjuto de rostro.",
        "Los ratos que estaba ocioso se daba a leer libros con tanta afición y gusto.",
        "Olvidó casi de todo punto el ejercicio de la caza.",
        "Vendió muchas hanegas de tierra para comprar libros en que leer.",
        "Con estas razones perdía el pobre caballero el juicio.",
        "Tuvo muchas veces competencia con el cura de su lugar.",
        "En resolución, se enfrascó tanto en su lectura que se le pasaban las noches.",
    ],
}

Peer = Callable[[Sequence[str]], list[Audio]]
"""Speaks sentences one after the other, as its users would."""


async def compare(engine: TextToSpeech, peer: Peer, language: str, rounds: int) -> None:
    """One sentence, a paragraph, eight clients: seconds of both, in turn."""
    sentences = PARAGRAPHS[language]
    cases = {"1 sentence": sentences[:1], "paragraph of 8": sentences, "8 clients": sentences}
    for name, texts in cases.items():
        ours, theirs, first = Rounds(), Rounds(), Rounds()
        audio: list[Audio] = []
        for _ in range(rounds):
            begun = time.perf_counter()
            rows = [
                asyncio.ensure_future(engine.synthesize(text, language, lane=name if len(cases) else text))
                for text in texts
            ]
            await rows[0]
            first.add(time.perf_counter() - begun)
            audio = [await row for row in rows]
            ours.add(time.perf_counter() - begun)
            begun = time.perf_counter()
            expected = await asyncio.to_thread(peer, texts)
            theirs.add(time.perf_counter() - begun)
        seconds = sum(map(len, audio)) / engine.sample_rate(language)
        line(name, ours, theirs, seconds)
        print(f"{'':18}first sound after {first.median:.2f} s, {first.median / ours.median:.0%} of the whole")
        differences = [
            float(np.abs(mine[:shorter] - other[:shorter]).max())
            for mine, other in zip(audio, expected, strict=True)
            if (shorter := min(len(mine), len(other)))
        ]
        drift = max(abs(len(mine) - len(other)) for mine, other in zip(audio, expected, strict=True))
        print(f"{'':18}largest difference of a sample {max(differences):.1e}, of length {drift} samples")


async def clients(speak: Callable[[str], Awaitable[None]], texts: Sequence[str]) -> None:
    """Seconds that a client waits for its sentence, with ever more of them at once."""
    for count in (1, 4, 8, 16):
        waits: list[float] = []

        async def client(number: int, waits: list[float] = waits) -> None:
            for turn in range(3):
                begun = time.perf_counter()
                await speak(texts[(number + turn) % len(texts)])
                waits.append(time.perf_counter() - begun)

        begun = time.perf_counter()
        await asyncio.gather(*map(client, range(count)))
        rate = len(waits) / (time.perf_counter() - begun)
        print(f"{count:3} clients         {percentiles(waits)}, {rate:.2f} sentences a second")


async def coqui(options: argparse.Namespace) -> None:
    import torch
    from TTS.utils.synthesizer import Synthesizer

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        files = _coqui_files(options, Path(scratch))
        async with CoquiEngine(
            {options.language: files}, "cpu", options.compute_type, options.threads
        ) as engine:
            print(f"{engine.info}, {options.threads} threads, {memory()} with ours open")
            synthesizer = Synthesizer(
                tts_checkpoint=files.checkpoint,
                tts_config_path=files.config,
                vocoder_checkpoint=files.vocoder_checkpoint,
                vocoder_config=files.vocoder_config,
            )

            def peer(texts: Sequence[str]) -> list[Audio]:
                return [
                    np.array(synthesizer.tts(text, split_sentences=False)[:-10_000], np.float32)
                    for text in texts
                ]

            await _both(engine, peer, options)
    print(f"{memory()} in all")


def _coqui_files(options: argparse.Namespace, scratch: Path) -> CoquiFiles:
    if options.folder:
        return ModelStore(options.models_dir).coqui(str(options.folder))
    from tests.support import coqui as fixture

    return getattr(fixture, {"en": "english", "es": "spanish"}[options.language])(scratch)  # type: ignore[no-any-return]


async def kokoro(options: argparse.Namespace) -> None:
    import onnxruntime
    from kokoro_onnx import Kokoro

    files = ModelStore(options.models_dir).kokoro()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    with tempfile.TemporaryDirectory() as scratch:
        voices = Path(scratch) / "voices.npz"
        style = np.fromfile(files.voices[options.language], np.float32).reshape(-1, 1, 256)
        np.savez(voices, voice=style)
        session = onnxruntime.InferenceSession(str(files.model), settings, providers=["CPUExecutionProvider"])
        theirs = Kokoro.from_session(session, str(voices))

    def peer(texts: Sequence[str]) -> list[Audio]:
        espeak = {"en": "en-us", "es": "es"}[options.language]
        return [theirs.create(text, "voice", lang=espeak)[0] for text in texts]

    async with KokoroEngine(files.model, files.voices, options.threads) as engine:
        print(f"{engine.info}, {options.threads} threads, {memory()} with both open")
        await _both(engine, peer, options)


async def _both(engine: TextToSpeech, peer: Peer, options: argparse.Namespace) -> None:
    await compare(engine, peer, options.language, options.rounds)

    async def speak(text: str) -> None:
        await engine.synthesize(text, options.language, lane=object())

    await clients(speak, PARAGRAPHS[options.language])


async def http(options: argparse.Namespace) -> None:
    import httpx

    texts = PARAGRAPHS[options.language]
    limits = httpx.Limits(max_connections=64)
    headers = {"X-API-Key": options.key}
    async with httpx.AsyncClient(base_url=options.url, headers=headers, timeout=600, limits=limits) as client:

        def body(text: str) -> dict[str, Any]:
            return {"text": text, "language": options.language, "format": "wav"}

        async def speak(text: str) -> None:
            (await client.post("/tts", json=body(text))).raise_for_status()

        await speak(texts[0])
        first, whole = Rounds(), Rounds()
        for _ in range(options.rounds):
            begun = time.perf_counter()
            async with client.stream("POST", "/tts/stream", json=body(" ".join(texts))) as answer:
                answer.raise_for_status()
                chunks = answer.aiter_bytes()
                size = len(await anext(chunks))
                while size <= 44:  # the header of a WAV is no sound
                    size += len(await anext(chunks))
                first.add(time.perf_counter() - begun)
                async for _ in chunks:
                    pass
            whole.add(time.perf_counter() - begun)
        share = statistics.median(a / b for a, b in zip(first.seconds, whole.seconds, strict=True))
        print(f"streamed paragraph {whole.median:.2f} s, first sound after {first.median:.2f} s, {share:.0%}")
        await clients(speak, texts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["coqui", "kokoro", "http"])
    parser.add_argument("--language", choices=sorted(PARAGRAPHS), default="en")
    parser.add_argument("--folder", type=Path, help="a Coqui model; random weights without it")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--compute-type", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key", default="")
    options = parser.parse_args(arguments)
    asyncio.run({"coqui": coqui, "kokoro": kokoro, "http": http}[options.what](options))


if __name__ == "__main__":
    main()
