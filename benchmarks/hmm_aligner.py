"""Forced alignment by hidden Markov models of phones: PocketSphinx with the model that its package brings.

The model is of American English. Pronunciations of English words are those of CMU's dictionary. Those of
other words, and of Spanish ones, are espeak's, with each phone replaced by the nearest English one. That is
usual for a language without an acoustic model.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pocketsphinx
from kokoro_onnx.config import DEFAULT_VOCAB
from scipy.signal import resample_poly

from src.engines.base import Audio, WordSpan
from src.engines.kokoro.phonemes import Phonemizer

_SAMPLE_RATE = 16_000
_PAD_SECONDS = 0.3
"""Silence put around the audio: the search begins and ends in it."""
_FRAME_SECONDS = 0.01
_FIRST_EDGE_SECONDS = 0.0128 - 0.005
"""Where frame 0 begins. A frame is a window of 25.6 ms and stands for the 10 ms around its middle."""
_BEAM = 1e-200
_LOCALES = {"en": "en-US", "es": "es-ES"}

_ENGLISH = {
    "tʃ": "CH", "dʒ": "JH", "aɪ": "AY", "eɪ": "EY", "oʊ": "OW", "əʊ": "OW", "aʊ": "AW", "ɔɪ": "OY", "ɚ": "ER",
    "ɜː": "ER", "iː": "IY", "uː": "UW", "ɑː": "AA", "ɔː": "AO", "oː": "AO", "əl": "AH L", "iə": "IY AH",
    "i": "IY", "u": "UW", "ɪ": "IH", "ᵻ": "IH", "ɛ": "EH", "æ": "AE", "ʌ": "AH", "ə": "AH", "ɐ": "AH",
    "ɔ": "AO", "ɑ": "AA", "ʊ": "UH", "o": "OW", "e": "EY", "a": "AA", "b": "B", "d": "D", "f": "F", "ɡ": "G",
    "h": "HH", "k": "K", "l": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P", "ɹ": "R", "r": "R", "ɾ": "T",
    "s": "S", "ʃ": "SH", "t": "T", "θ": "TH", "ð": "DH", "v": "V", "w": "W", "j": "Y", "z": "Z", "ʒ": "ZH",
    "ʔ": "T",
}  # fmt: skip
"""espeak's phones, and in Spanish Kokoro's, to phones of the model."""
_SPANISH = _ENGLISH | {
    "ɲ": "N Y", "ɣ": "G", "β": "B", "x": "HH", "ʝ": "Y", "ʎ": "Y", "ɾ": "D", "e": "EH", "ei": "EY",
    "ai": "AY", "oi": "OY", "au": "AW", "I": "AY", "W": "AW", "A": "EY", "ʧ": "CH", "ʤ": "JH", "ʦ": "T S",
}  # fmt: skip


class HmmAligner:
    """Finds the words of a known text in audio. One language; not thread-safe."""

    def __init__(self, language: str) -> None:
        self._phonemizer = Phonemizer(_LOCALES[language])
        self._phones = _SPANISH if language == "es" else _ENGLISH
        self._sounds = re.compile("|".join(sorted(self._phones, key=len, reverse=True)))
        self._decoder = pocketsphinx.Decoder(
            hmm=pocketsphinx.get_model_path("en-us/en-us"),
            lm=None,
            dict=None,
            loglevel="FATAL",
            bestpath=False,
            beam=_BEAM,
            wbeam=_BEAM,
            pbeam=_BEAM,
        )
        self._dictionary = _cmu_dictionary() if language == "en" else {}
        self._names: dict[str, str] = {}
        """Of the words that the decoder knows."""

    def align(self, audio: Audio, sample_rate: int, words: Sequence[str]) -> list[WordSpan]:
        """Start and end of each word, in seconds.

        Args:
            words: as they are said, in order; punctuation is ignored.

        Raises:
            ValueError: they cannot be aligned with the audio.
        """
        names = [self._name(word) for word in words]
        pad = np.zeros(round(_PAD_SECONDS * _SAMPLE_RATE), np.float32)
        sound = np.concatenate([pad, resample_poly(audio, _SAMPLE_RATE, sample_rate), pad])
        decoder = self._decoder
        decoder.set_align_text(" ".join(names))
        decoder.start_utt()
        decoder.process_raw((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        # a word's second pronunciation is named `word(2)`; pauses are words, too
        found = [(part.word.partition("(")[0], part) for part in decoder.seg() or ()]
        spoken = [(name, part) for name, part in found if name in self._names.values()]
        if [name for name, _ in spoken] != names:
            raise ValueError(f"cannot be aligned: {' '.join(words)}")
        return [(_edge(part.start_frame), _edge(part.end_frame + 1)) for _, part in spoken]

    def _name(self, word: str) -> str:
        bare = re.sub(r"[^\w']", "", word.lower())
        if bare not in self._names:
            name = f"w{len(self._names)}"
            for number, phones in enumerate(self._dictionary.get(bare) or [self._transcribed(bare)]):
                self._decoder.add_word(f"{name}({number + 1})" if number else name, phones, True)
            self._names[bare] = name
        return self._names[bare]

    def _transcribed(self, word: str) -> str:
        sounds = re.sub("[ˈˌ]", "", self._phonemizer.phonemes(word, DEFAULT_VOCAB))
        return " ".join(self._phones[sound] for sound in self._sounds.findall(sounds))


def _edge(frame: int) -> float:
    return frame * _FRAME_SECONDS + _FIRST_EDGE_SECONDS - _PAD_SECONDS


def _cmu_dictionary() -> dict[str, list[str]]:
    """Pronunciations of each English word."""
    found: dict[str, list[str]] = {}
    with Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).open(encoding="utf-8") as lines:
        for line in lines:
            word, _, phones = line.strip().partition(" ")
            found.setdefault(word.partition("(")[0], []).append(phones)
    return found
