"""Compare the word error rate with faster-whisper where the recording is bad, on the same weights.

    python -m benchmarks.noise --model models/whisper/base
    python -m benchmarks.noise ... --conditions babble pink --languages en

The clips of `benchmarks.speech`, changed in the same way each time:

- `clean`: as they are.
- `babble`: six other clips of the language speak as well, together 10 dB softer.
- `pink`: with pink noise, 5 dB softer than the speech.
- `reverb`: in a room whose sound takes 0.5 s to decay by 60 dB.
- `silence`: with 4 s of silence before and after.

Language detection is on. Prints wrong languages and word error rates, asserts nothing.
"""

import argparse
import asyncio
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.languages import Pool, command_line, compare
from benchmarks.speech import Clip, clips, decode
from src.engines.base import STT_SAMPLE_RATE, Audio
from tests.support.speech import wav

Condition = Callable[[Audio, np.random.Generator, list[Audio]], Audio]
"""Changes a recording, given random numbers and other recordings of the language."""

_VOICES = 6
_BABBLE_DB = 10.0
_PINK_DB = 5.0
_DECAY_SECONDS = 0.5
"""Time in which the reverberation falls by 60 dB."""
_REVERB_DB = 3.0
"""Level of the direct sound above the reverberation."""
_SILENCE_SECONDS = 4.0


def _power(audio: Audio) -> float:
    return float(np.mean(np.square(audio, dtype=np.float64)))


def mixed(speech: Audio, noise: Audio, decibels: float) -> Audio:
    """Speech and noise that is so many decibels softer, both by their mean power."""
    gain = np.sqrt(_power(speech) / _power(noise) / 10 ** (decibels / 10))
    return np.asarray(speech + gain * noise, np.float32)


def babble(speech: Audio, random: np.random.Generator, others: list[Audio]) -> Audio:
    """Other voices speak at the same time."""
    voices = [others[index] for index in random.choice(len(others), _VOICES, replace=False)]
    noise = np.zeros(len(speech), np.float32)
    for voice in voices:
        start = int(random.integers(len(voice)))
        noise += np.resize(np.roll(voice, start), len(speech)) / np.sqrt(_power(voice))
    return mixed(speech, noise, _BABBLE_DB)


def pink(speech: Audio, random: np.random.Generator, _others: list[Audio]) -> Audio:
    """Noise whose power falls by 3 dB an octave."""
    spectrum = np.fft.rfft(random.standard_normal(len(speech)))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    return mixed(speech, np.asarray(np.fft.irfft(spectrum, len(speech)), np.float32), _PINK_DB)


def reverb(speech: Audio, random: np.random.Generator, _others: list[Audio]) -> Audio:
    """A room: the direct sound, and noise that decays exponentially from there on."""
    length = round(_DECAY_SECONDS * STT_SAMPLE_RATE)
    tail = random.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail *= np.sqrt(10 ** (-_REVERB_DB / 10) / np.sum(tail**2))
    tail[0] = 1.0
    size = len(speech) + length
    wet = np.fft.irfft(np.fft.rfft(speech, size) * np.fft.rfft(tail, size), size)
    return np.asarray(wet / max(1.0, np.abs(wet).max()), np.float32)


def silence(speech: Audio, _random: np.random.Generator, _others: list[Audio]) -> Audio:
    """Silence before and after."""
    return np.pad(speech, round(_SILENCE_SECONDS * STT_SAMPLE_RATE))


CONDITIONS: dict[str, Condition] = {
    "clean": lambda speech, _random, _others: speech,
    "babble": babble,
    "pink": pink,
    "reverb": reverb,
    "silence": silence,
}


def changed(pool: list[Clip], condition: str, folder: Path) -> list[Clip]:
    """The clips under a condition, as 16 kHz WAV files in `folder`."""
    audio = [decode(clip.path) for clip in pool]
    made = []
    for index, clip in enumerate(pool):
        random = np.random.default_rng(zlib.crc32(f"{condition} {clip.language} {clip.name}".encode()))
        sound = CONDITIONS[condition](audio[index], random, audio[:index] + audio[index + 1 :])
        sound = sound / max(1.0, float(np.abs(sound).max()))
        path = folder / f"{clip.language}-{condition}-{index}.wav"
        path.write_bytes(wav(sound).getvalue())
        made.append(replace(clip, path=path, seconds=len(sound) / STT_SAMPLE_RATE))
    return made


def pools(given: argparse.Namespace, folder: Path) -> Iterator[Pool]:
    """The clips of each language under each condition, each made when it is asked for."""
    for language in given.languages:
        for condition in given.conditions:
            pool = changed(clips(language, given.root)[: given.clips], condition, folder)
            yield f"{language}, {condition}", language, pool


def main() -> None:
    parser = command_line(__doc__, ["en", "es"])
    parser.add_argument("--conditions", nargs="+", choices=list(CONDITIONS), default=list(CONDITIONS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(given, pools(given, Path(folder))))


if __name__ == "__main__":
    main()
