"""Recorded speech with its text: Debian's telephone prompts, in five languages.

    apt-get install asterisk-core-sounds-en-wav asterisk-core-sounds-en \
                    asterisk-core-sounds-es-wav asterisk-core-sounds-es
    # for benchmarks.languages also those of fr, it and ru
"""

import gzip
import random
import re
import wave
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.services.audio import AudioSource

_SOUNDS = "usr/share/asterisk/sounds"
_VOICES = {
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}
_TEXTS = "usr/share/doc/asterisk-core-sounds-{0}/core-sounds-{0}.txt.gz"
_MIN_SECONDS = 1.8
_MIN_WORDS = 5
_UNSPEAKABLE = re.compile(r"[\d()\[\]{}<>*#]")


@dataclass(frozen=True)
class Clip:
    name: str
    language: str
    text: str
    path: Path
    seconds: float


def clips(language: str, root: Path = Path("/")) -> list[Clip]:
    """Prompts that are sentences (long enough, no abbreviations): half of them, chosen by a hash of the name.

    Args:
        language: ISO 639-1.
        root: where the packages are unpacked.
    """
    texts = root / _TEXTS.format(language)
    if not texts.is_file():
        raise SystemExit(__doc__)
    found = []
    for line in gzip.decompress(texts.read_bytes()).decode(errors="replace").splitlines():
        name, colon, text = line.strip().partition(":")
        path = root / _SOUNDS / _VOICES[language] / f"{name}.wav"
        if name.startswith(";") or not colon or _UNSPEAKABLE.search(text) or len(text.split()) < _MIN_WORDS:
            continue
        if zlib.crc32(name.encode()) % 2 or not path.is_file():
            continue
        with wave.open(str(path)) as file:
            seconds = file.getnframes() / file.getframerate()
        if seconds >= _MIN_SECONDS:
            found.append(Clip(name, language, text.strip(), path, seconds))
    return found


def decode(path: Path) -> Audio:
    """A whole file as 16 kHz mono."""
    with path.open("rb") as file, AudioSource(file, float("inf")) as source:
        return np.concatenate(list(source.blocks())).astype(np.float32) / np.float32(32768)


def long_file(
    language: str, minutes: float, folder: Path, pause_seconds: float | None = None
) -> tuple[Path, str]:
    """Clips joined with pauses up to `minutes`, as a WAV file, and their text.

    Args:
        language: ISO 639-1.
        minutes: at least as long is the file.
        folder: where it is written.
        pause_seconds: length of each pause; None: drawn from 0.3 to 2 s.
    """
    path = folder / f"{language}-{minutes:g}min.wav"
    drawn, texts, seconds = random.Random(minutes), [], 0.0
    pool = clips(language)
    pieces: list[Audio] = []
    while seconds < minutes * 60:
        drawn.shuffle(pool)
        for clip in pool:
            gap = drawn.uniform(0.3, 2.0) if pause_seconds is None else pause_seconds
            pause = np.zeros(round(gap * STT_SAMPLE_RATE), np.float32)
            audio = decode(clip.path)
            pieces += [audio, pause]
            texts.append(clip.text)
            seconds += (len(audio) + len(pause)) / STT_SAMPLE_RATE
            if seconds >= minutes * 60:
                break
    samples = (np.concatenate(pieces) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, STT_SAMPLE_RATE, len(samples), "NONE", ""))
        file.writeframes(samples.tobytes())
    return path, " ".join(texts)


@cache
def _normaliser(language: str):  # type: ignore[no-untyped-def]  # the package ships no types
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer() if language == "en" else BasicTextNormalizer(remove_diacritics=True)


def normalised(language: str, text: str) -> str:
    """A text without case, punctuation and spellings that do not matter, such as numbers in digits."""
    if language != "en":  # whose normaliser does the same
        text = re.sub(r"\d+", lambda number: _in_words(int(number[0]), language), text)
    return str(_normaliser(language)(text)).strip()


def _in_words(number: int, language: str) -> str:
    """As num2words has it; in digits in a language that it does not know."""
    from num2words import num2words

    try:
        return str(num2words(number, lang=language))
    except (NotImplementedError, OverflowError):
        return str(number)


def word_error_rate(language: str, references: list[str], hypotheses: list[str]) -> float:
    """Per cent, after Whisper's own text normaliser."""
    import jiwer

    return 100 * float(
        jiwer.wer(
            [normalised(language, text) for text in references],
            [normalised(language, text) for text in hypotheses],
        )
    )
