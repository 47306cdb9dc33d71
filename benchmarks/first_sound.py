"""First sound of streamed speech: how soon it comes, whether a player starves, and what it does to the sound.

    python -m benchmarks.first_sound kokoro
    python -m benchmarks.first_sound coqui     # full size, random weights: only the times mean something

For sentences of 6, 12 and 30 words in both languages it prints when the first sound of `POST /tts/stream` is
there (without HTTP), how long the whole synthesis of the same sentence takes, their ratio, and for how long a
player that starts at once has nothing to play. Then how the sound differs from that of the whole synthesis:
mel distance, steps of level and pitch where slices join, and the word error rate of both by Whisper.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from src.engines.base import Audio, EarlySound, TextToSpeech, Voice
from src.engines.coqui import CoquiEngine
from src.engines.cpu import in_words
from src.engines.kokoro import KokoroEngine
from src.engines.voices import VoiceRegistry
from src.services.audio import AudioFormat
from src.services.speech import SpeechRequest
from src.services.tts import TtsConfig, TtsService
from src.storage.local import LocalStorage
from src.weights.store import ModelStore

WORDS = (6, 12, 30)
TEXTS = {
    "en": (
        "I will call you back later.",
        "The train to the coast leaves every morning at seven from platform two.",
        "When the storm had passed over the valley, the farmers went out to look at their fields, and found "
        "that most of the young trees were still standing in the rain.",
    ),
    "es": (
        "Te llamo más tarde desde casa.",
        "El tren a la costa sale cada mañana a las siete del andén dos.",
        "Cuando la tormenta había pasado sobre el valle, los campesinos salieron a ver sus campos y "
        "encontraron que la mayoría de los árboles jóvenes seguían en pie bajo la lluvia.",
    ),
}
_DEFAULTS = {"kokoro": ["af_heart", "am_michael", "bf_emma", "ef_dora", "em_alex"], "coqui": []}
_LOUD_DB = 50.0
"""Mel bands this far below the loudest one do not count: nobody hears them."""
_JOIN_SECONDS = 0.06


@dataclass
class Streamed:
    first: float
    """Seconds until the first sound."""
    first_cpu: float
    """Seconds of CPU time until then."""
    whole_cpu: float
    starved: float
    """Seconds in which a player has nothing to play, which starts with the first sound."""


async def stream(service: TtsService, text: str, voice: Voice) -> Streamed:
    """As `POST /tts/stream` without HTTP, with the clock of a player."""
    begun, cpu = time.perf_counter(), time.process_time()
    first = first_cpu = until = starved = 0.0
    request = SpeechRequest(text, voice, AudioFormat.PCM)
    async with aclosing(service.stream(request)) as chunks:
        async for chunk in chunks:
            now = time.perf_counter() - begun
            if not first:
                first = until = now
                first_cpu = time.process_time() - cpu
            starved += max(0.0, now - until)
            until = max(until, now) + len(chunk) / 2 / 24_000
    return Streamed(first, first_cpu, time.process_time() - cpu, starved)


async def timed(service: TtsService, engine: TextToSpeech, text: str, voice: Voice, rounds: int) -> str:
    """Medians of `rounds`, the stream and the whole by turns."""
    await stream(service, text, voice)
    streams, wholes, cpus = [], [], []
    seconds = 0.0
    for _ in range(rounds):
        streams.append(await stream(service, text, voice))
        begun, cpu = time.perf_counter(), time.process_time()
        seconds = len(await engine.synthesize(text, voice, "whole")) / voice.sample_rate
        wholes.append(time.perf_counter() - begun)
        cpus.append(time.process_time() - cpu)
    first, whole = np.median([each.first for each in streams]), np.median(wholes)
    share = np.median([each.first / of for each, of in zip(streams, wholes, strict=True)])
    starved = max(each.starved for each in streams)
    first_cpu = np.median([each.first_cpu for each in streams])
    whole_cpu = np.median(cpus)
    more = np.median([each.whole_cpu for each in streams]) / whole_cpu - 1
    return (
        f"{len(text.split()):2} words {seconds:5.2f} s: first sound {first:.2f} s, whole {whole:.2f} s, "
        f"share {100 * share:.0f} %, starved {starved:.2f} s; CPU time {first_cpu:.2f} of "
        f"{whole_cpu:.2f} s, share {100 * first_cpu / whole_cpu:.0f} %, all of the stream {100 * more:+.0f} %"
    )


async def compared(engine: TextToSpeech, text: str, voice: Voice, reader: "Reader") -> str:
    """How sound in slices differs from the whole."""
    ends: list[int] = []

    def early(sound: EarlySound) -> None:
        ends.append(len(sound.audio) + (ends[-1] if ends else 0))

    sliced = (await engine.utter(text, voice, "sliced", early=early)).audio
    whole = await engine.synthesize(text, voice, "whole")
    offset = _offset(sliced, whole)
    mine, its = sliced[max(0, -offset) :], whole[max(0, offset) :]
    length = min(len(mine), len(its))
    joins = [end - max(0, -offset) for end in ends if _JOIN_SECONDS * 24_000 < end < length - 2000]
    distance, bias = mel_distance(mine[:length], its[:length])
    level, pitch = _steps(mine, its, joins)
    elsewhere = _steps(mine, its, [(one + other) // 2 for one, other in pairwise([0, *joins])])
    errors = [reader.errors(audio, text, voice.language) for audio in (sliced, whole)]
    return (
        f"   {len(ends) + 1} slices; mel distance {distance:.2f} dB (bias {bias:+.2f}); steps at joins "
        f"beyond those of the whole: level {level:.1f} dB, pitch {pitch:.0f} cents (between joins "
        f"{elsewhere[0]:.1f}, {elsewhere[1]:.0f}); wrong words {errors[0]}, of the whole {errors[1]}"
    )


def _offset(sliced: Audio, whole: Audio) -> int:
    """Samples by which the whole begins earlier: both are trimmed by their own level."""
    size = 1 << (len(sliced) + len(whole) - 1).bit_length()
    product = np.fft.rfft(whole, size) * np.conj(np.fft.rfft(sliced, size))
    lag = int(np.argmax(np.fft.irfft(product, size)))
    return lag if lag < size // 2 else lag - size


def mel_distance(one: Audio, other: Audio) -> tuple[float, float]:
    """Mean difference of the mel spectrograms in dB where the other is loud: absolute, and with its sign."""
    import librosa

    def mel(audio: Audio) -> Audio:
        power = librosa.feature.melspectrogram(y=audio, sr=24_000, n_fft=1024, hop_length=256)
        return np.asarray(10 * np.log10(np.maximum(power, 1e-6)), np.float32)

    mels = mel(one), mel(other)
    loud = mels[1] > mels[1].max() - _LOUD_DB
    difference = (mels[0] - mels[1])[loud]
    return float(np.abs(difference).mean()), float(difference.mean())


def _steps(sliced: Audio, whole: Audio, joins: Sequence[int]) -> tuple[float, float]:
    """The largest steps of level (dB) and pitch (cents) at joins, beyond those of the whole there."""
    import librosa

    span = int(_JOIN_SECONDS * 24_000)

    def measure(part: Audio) -> tuple[float, float]:
        """Level in dB, and pitch in cents; not a number where there is no voice."""
        power = np.square(part, dtype=np.float64).mean()
        found, voiced, _ = librosa.pyin(
            part, fmin=70, fmax=400, sr=24_000, frame_length=2 * (len(part) // 4), center=False
        )
        pitch = float(np.median(found[voiced])) if voiced.any() else np.nan
        return 10 * float(np.log10(power + 1e-9)), 1200 * float(np.log2(pitch))

    level = pitch = 0.0
    for at in joins:
        pairs = [
            (measure(audio[at - span : at]), measure(audio[at : at + span])) for audio in (sliced, whole)
        ]
        ours, its = ((after[0] - before[0], after[1] - before[1]) for before, after in pairs)
        level = max(level, abs(ours[0] - its[0]))
        if not np.isnan(ours[1] - its[1]):
            pitch = max(pitch, abs(ours[1] - its[1]))
    return level, pitch


class Reader:
    """Whisper, to count wrong words."""

    def __init__(self, models_dir: Path) -> None:
        from faster_whisper import WhisperModel

        folder = ModelStore(models_dir).whisper("base").folder
        self._model: Any = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=2)
        self.words = 0

    def errors(self, audio: Audio, text: str, language: str) -> int:
        import jiwer
        import librosa

        from tests.support.sentences import normalise, plain

        resampled = librosa.resample(audio, orig_sr=24_000, target_sr=16_000)
        segments, _ = self._model.transcribe(resampled, language=language, beam_size=5)
        found = normalise(" ".join(segment.text for segment in segments), language)
        outcome = jiwer.process_words(plain(text, language), found)
        return int(outcome.substitutions + outcome.deletions + outcome.insertions)


async def kokoro(options: argparse.Namespace) -> None:
    files = ModelStore(options.models_dir).kokoro()
    chosen = {name: files.voices[name] for name in options.voices or _DEFAULTS["kokoro"]}
    reader = None if options.times_only else Reader(options.models_dir)
    async with KokoroEngine(files.model, chosen, options.threads) as engine:
        voices = VoiceRegistry(engine.voices)
        for name in chosen:
            voice = voices.find(name)
            begun = time.process_time()
            await engine.learn(voice)
            print(f"{name}: learnt in {time.process_time() - begun:.1f} s of CPU time", flush=True)
            await _report(engine, voice, options, reader)


async def coqui(options: argparse.Namespace) -> None:
    from tests.support import coqui as fixture

    for language in ("en", "es"):
        with tempfile.TemporaryDirectory() as scratch:
            files = getattr(fixture, {"en": "english", "es": "spanish"}[language])(Path(scratch))
            models = [replace(files, language=language)]
            async with CoquiEngine(models, "cpu", "auto", options.threads) as engine:
                await _report(engine, engine.voices[0], options, None)


async def _report(
    engine: TextToSpeech, voice: Voice, options: argparse.Namespace, reader: Reader | None
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        async with LocalStorage(Path(scratch)) as storage:
            service = TtsService(engine, storage, TtsConfig())
            for words, text in zip(WORDS, TEXTS[voice.language], strict=True):
                if words not in options.words:
                    continue
                if options.rounds:
                    print(
                        f"{voice.id} {await timed(service, engine, text, voice, options.rounds)}", flush=True
                    )
                if reader is not None:
                    print(await compared(engine, text, voice, reader), flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["kokoro", "coqui"])
    parser.add_argument("--voices", nargs="+", default=[], help="of Kokoro")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--words", nargs="+", type=int, choices=WORDS, default=WORDS)
    parser.add_argument("--times-only", action="store_true", help="do not compare the sound")
    options = parser.parse_args(arguments)
    print(f"{options.threads} threads, {in_words()}")
    asyncio.run({"kokoro": kokoro, "coqui": coqui}[options.what](options))


if __name__ == "__main__":
    main()
