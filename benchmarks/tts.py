"""Compare the speed of text to speech with its peers, in one run on the same cores.

    python -m benchmarks.tts coqui                      # random weights that speak each text to its end
    python -m benchmarks.tts coqui --folder DIR         # a Coqui model folder, its vocoder in DIR/vocoder
    python -m benchmarks.tts kokoro --models-dir models
    python -m benchmarks.tts http --url http://127.0.0.1:8000 --key KEY

The two systems take turns in each round, so that noise affects both. The result is the ratio
of each round. Both systems get the same sentences. Coqui's `Synthesizer` is called as its users call it:
eight clients wait for it in a queue, since it synthesises one sentence at a time.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import tts_peers
from benchmarks.first_sound import mel_distance
from benchmarks.tts_peers import Peer
from benchmarks.tts_report import Rounds, line, memory, percentiles, stream_line
from src.engines.base import Audio, TextToSpeech, Voice
from src.engines.coqui import CoquiEngine
from src.engines.kokoro import KokoroEngine
from src.engines.voices import VoiceRegistry
from src.services.speech import SpeechRequest
from src.services.tts import TtsConfig, TtsService
from src.storage.local import LocalStorage
from src.weights.store import CoquiFiles, ModelStore

WAV_HEADER = 44
"""Bytes of the header."""

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

CASES = {"1 sentence": 1, "paragraph of 8": 8, "8 clients": 8}
"""Sentences of each; those of a paragraph share a request id, as those of a request do."""


def _voice(engine: TextToSpeech, language: str) -> Voice:
    return VoiceRegistry(engine.voices).default(language)


async def compare(engine: TextToSpeech, peer: Peer, language: str, rounds: int) -> None:
    """Times of both systems, in turn: one sentence, a paragraph, eight clients."""
    voice = _voice(engine, language)
    for name, count in CASES.items():
        texts = PARAGRAPHS[language][:count]
        ours, theirs = Rounds(), Rounds()
        audio: list[Audio] = []
        spoken = peer.speak(texts[:1])
        for _ in range(rounds):
            with ours.timed():
                ids = [text if name == "8 clients" else name for text in texts]
                audio = await asyncio.gather(
                    *(
                        engine.synthesize(text, voice, request_id)
                        for text, request_id in zip(texts, ids, strict=True)
                    )
                )
            spoken = await asyncio.to_thread(peer.speak, texts)
            theirs.add(spoken.seconds, spoken.cpu)
        seconds = sum(map(len, audio)) / voice.sample_rate
        line(name, ours, theirs, seconds)
        pairs = list(zip(audio, spoken.audio, strict=True))
        differences = [
            float(np.abs(mine[:shorter] - other[:shorter]).max())
            for mine, other in pairs
            if (shorter := min(len(mine), len(other)))
        ]
        drift = max(abs(len(mine) - len(other)) for mine, other in pairs)
        print(f"{'':18}largest difference of a sample {max(differences):.1e}, of length {drift} samples")
        if aligned := [mel_distance(mine, other)[0] for mine, other in pairs if len(mine) == len(other)]:
            print(
                f"{'':18}mel distance {np.mean(aligned):.2f} dB in {len(aligned)} of {len(pairs)} sentences"
            )
    print(f"{'':18}{memory()} here, {spoken.memory:.0f} MB theirs")


async def first_sound(engine: TextToSpeech, options: argparse.Namespace) -> None:
    """Time to the first audio of a paragraph, as with `POST /tts/stream` but without HTTP."""
    with tempfile.TemporaryDirectory() as scratch:
        async with LocalStorage(Path(scratch)) as storage:
            service = TtsService(engine, storage, TtsConfig())
            request = SpeechRequest(" ".join(PARAGRAPHS[options.language]), _voice(engine, options.language))
            firsts, wholes = Rounds(), Rounds()
            for _ in range(options.rounds):
                async with aclosing(service.stream(request)) as chunks:
                    await _listen(chunks, firsts, wholes)
    stream_line(firsts, wholes)


async def _listen(chunks: AsyncIterator[bytes], firsts: Rounds, wholes: Rounds) -> None:
    begun, size = time.perf_counter(), 0
    while size <= WAV_HEADER:
        size += len(await anext(chunks))
    firsts.add(time.perf_counter() - begun)
    async for _ in chunks:
        pass
    wholes.add(time.perf_counter() - begun)


async def clients(speak: Callable[[str], Awaitable[None]], texts: Sequence[str]) -> None:
    """Latency of a sentence in seconds, for growing numbers of clients."""
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
    with tempfile.TemporaryDirectory() as scratch:
        files = _coqui_files(options, Path(scratch))
        with Peer(tts_peers.coqui, files, options.threads) as peer:
            async with CoquiEngine(
                [replace(files, language=options.language)], "cpu", options.compute_type, options.threads
            ) as engine:
                await _both(engine, peer, options)


def _coqui_files(options: argparse.Namespace, scratch: Path) -> CoquiFiles:
    if options.folder:
        return ModelStore(options.models_dir).coqui(str(options.folder))
    from tests.support import coqui as fixture

    return getattr(fixture, {"en": "english", "es": "spanish"}[options.language])(scratch)  # type: ignore[no-any-return]


async def kokoro(options: argparse.Namespace) -> None:
    files = ModelStore(options.models_dir).kokoro()
    name = {"en": "af_heart", "es": "ef_dora"}[options.language]
    voice = files.voices[name]
    with Peer(tts_peers.kokoro, files.model, voice, options.language, options.threads) as peer:
        async with KokoroEngine(
            files.model, {name: voice}, options.threads, compute_type=options.compute_type
        ) as engine:
            await _both(engine, peer, options)


async def _both(engine: TextToSpeech, peer: Peer, options: argparse.Namespace) -> None:
    print(f"{engine.info}, {options.threads} threads")
    voice = _voice(engine, options.language)
    await compare(engine, peer, options.language, options.rounds)
    await first_sound(engine, options)

    async def speak(text: str) -> None:
        await engine.synthesize(text, voice, request_id=text)

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
            # a text that was spoken before would come from storage
            new = f"{text} {''.join(random.choices('aeioulmnrst', k=5))}."
            (await client.post("/tts", json=body(new))).raise_for_status()

        async def streamed() -> AsyncIterator[bytes]:
            # the answer's headers come with the first sound: the clock must run before
            async with client.stream("POST", "/tts/stream", json=body(" ".join(texts))) as answer:
                answer.raise_for_status()
                async for chunk in answer.aiter_bytes():
                    yield chunk

        await speak(texts[0])
        firsts, wholes = Rounds(), Rounds()
        for _ in range(options.rounds):
            await _listen(streamed(), firsts, wholes)
        stream_line(firsts, wholes)
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
