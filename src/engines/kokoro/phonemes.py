"""Text to Kokoro's phonemes, by espeak-ng in the accent of the voice."""

import logging
from collections.abc import Container
from typing import TYPE_CHECKING, cast

from src.engines.espeak_library import loading_failed
from src.engines.marked_text import phonemise

if TYPE_CHECKING:
    from phonemizer.backend import EspeakBackend

_ESPEAK = {"en-US": "en-us", "en-GB": "en-gb", "es-ES": "es"}
"""espeak's name of each accent."""
_TIE = "^"
_SINGLE = {
    "a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "o^ʊ": "O", "ə^ʊ": "Q", "ɔ^ɪ": "Y",
    "t^ʃ": "ʧ", "d^ʒ": "ʤ", "t^s": "ʦ", "d^z": "ʣ",
}  # fmt: skip
"""Diphthongs and affricates that espeak ties, and the symbol on which Kokoro's Spanish was trained for each.

They are those of its authors' `misaki.espeak.EspeakG2P`. Kokoro's English was trained on the phonemes of
a dictionary, which differ from espeak's in more than these.
"""


class Phonemizer:
    """One accent. espeak is not thread-safe: an instance stays on the thread that made it."""

    def __init__(self, locale: str) -> None:
        self._ties = locale.startswith("es")
        self._backend = _backend(_ESPEAK[locale], self._ties)

    def phonemes(self, text: str, vocabulary: Container[str]) -> str:
        """espeak's phonemes, in the symbols that Kokoro was trained on, less espeak's language flags.

        In English it is what `kokoro_onnx.tokenizer.Tokenizer.phonemize` makes of the text. Sounds that are
        not in `vocabulary` are left out. A word in slashes is IPA, and stays as it is.
        """
        return phonemise(text, lambda part: self._of_text(part, vocabulary))

    def _of_text(self, text: str, vocabulary: Container[str]) -> str:
        lines = [line for line in (line.strip() for line in text.splitlines()) if line]
        spoken = " ".join(self._backend.phonemize(lines))
        if self._ties:
            for pair, symbol in _SINGLE.items():
                spoken = spoken.replace(pair, symbol if symbol in vocabulary else pair.replace(_TIE, ""))
            spoken = spoken.replace(_TIE, "")
        return " ".join("".join(sound for sound in spoken if sound in vocabulary).split())


def _backend(language: str, ties: bool) -> "EspeakBackend":
    import espeakng_loader
    from phonemizer.backend import EspeakBackend
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    # it warns of foreign words in a sentence, which are nothing to warn of
    logger = logging.getLogger("phonemizer")
    logger.setLevel(logging.ERROR)
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    try:
        backend = EspeakBackend(
            language,
            preserve_punctuation=True,
            with_stress=True,
            tie=_TIE if ties else False,
            # "(en)" before a foreign word would be spoken: its letters are phonemes, too
            language_switch="remove-flags",
            logger=logger,
        )
    except OSError as error:
        raise loading_failed(error) from error
    return cast("EspeakBackend", backend)
