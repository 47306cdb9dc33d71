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


class Phonemizer:
    """One accent. espeak is not thread-safe: an instance stays on the thread that made it."""

    def __init__(self, locale: str) -> None:
        self._backend = _backend(_ESPEAK[locale])

    def phonemes(self, text: str, vocabulary: Container[str]) -> str:
        """What `kokoro_onnx.tokenizer.Tokenizer.phonemize` makes of it, less espeak's language flags.

        Sounds that are not in `vocabulary` are left out. A word in slashes is IPA, and stays as it is.
        """
        return phonemise(text, lambda part: self._of_text(part, vocabulary))

    def _of_text(self, text: str, vocabulary: Container[str]) -> str:
        lines = [line for line in (line.strip() for line in text.splitlines()) if line]
        spoken = " ".join(self._backend.phonemize(lines))
        return " ".join("".join(sound for sound in spoken if sound in vocabulary).split())


def _backend(language: str) -> "EspeakBackend":
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
            # "(en)" before a foreign word would be spoken: its letters are phonemes, too
            language_switch="remove-flags",
            logger=logger,
        )
    except OSError as error:
        raise loading_failed(error) from error
    return cast("EspeakBackend", backend)
