"""Audio for speech-to-text tests: recorded speech, and audio without speech."""

import io
import wave
from pathlib import Path

import numpy as np

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.services.audio import AudioSource
from tests.support.audio import sound_of

_CLIPS = Path(__file__).parent.parent / "data" / "speech"


def clip_path(name: str) -> Path:
    """A recorded sentence (`tests/data/speech/README.md` says what is said in it)."""
    return _CLIPS / f"{name}.flac"


def clip(name: str) -> Audio:
    """The same, decoded."""
    with clip_path(name).open("rb") as file, AudioSource(file, 60) as source:
        return sound_of(source)


def wav(audio: Audio, rate: int = STT_SAMPLE_RATE) -> io.BytesIO:
    """A WAV file of 16-bit samples at `rate` Hz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, rate, len(audio), "NONE", ""))
        out.writeframes((np.clip(audio, -1, 1) * 32767).astype("<i2").tobytes())
    file.seek(0)
    return file


def seconds(audio: Audio) -> float:
    return len(audio) / STT_SAMPLE_RATE


def silence(length: float) -> Audio:
    return np.zeros(round(length * STT_SAMPLE_RATE), np.float32)


def noise(length: float, level: float = 0.02) -> Audio:
    """A room with a fan: pink noise, a hum of 50 Hz and its overtones."""
    samples = round(length * STT_SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(samples))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    pink = np.fft.irfft(spectrum, samples)
    time = np.arange(samples) / STT_SAMPLE_RATE
    hum = sum(np.sin(2 * np.pi * 50 * harmonic * time) / harmonic for harmonic in (1, 2, 3))
    return np.asarray(level * (pink / pink.std() + 0.3 * hum), np.float32)


def typing(length: float) -> Audio:
    """A keyboard: clicks of a few milliseconds, six to nine a second, over a quiet room."""
    drawn = np.random.default_rng(2)
    audio = noise(length, 0.002)
    at = 0.1
    while (start := round(at * STT_SAMPLE_RATE)) < len(audio) - 400:
        click = drawn.standard_normal(400) * np.exp(-np.arange(400) / drawn.uniform(20, 60))
        audio[start : start + 400] += (drawn.uniform(0.05, 0.3) * click).astype(np.float32)
        at += drawn.uniform(1 / 9, 1 / 6)
    return audio


def music(length: float) -> Audio:
    """A piano-like tune: decaying chords with overtones."""
    drawn = np.random.default_rng(3)
    audio = silence(length)
    note = round(0.5 * STT_SAMPLE_RATE)
    time = np.arange(2 * note) / STT_SAMPLE_RATE
    for start in range(0, len(audio) - 2 * note, note):
        root = 220 * 2 ** (drawn.choice([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
        for interval in (1, 5 / 4, 3 / 2):
            for overtone in range(1, 5):
                wave_ = (
                    np.sin(2 * np.pi * root * interval * overtone * time) * np.exp(-3 * time) / overtone**2
                )
                audio[start : start + 2 * note] += (0.06 * wave_).astype(np.float32)
    return audio
