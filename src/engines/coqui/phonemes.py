"""Phonemes for Coqui's models, without a system package."""

import re
from typing import Any

from TTS.tts.utils.text import phonemizers
from TTS.tts.utils.text.phonemizers.base import BasePhonemizer
from TTS.tts.utils.text.punctuation import Punctuation
from TTS.utils.import_utils import PHONEMIZER_DEPS, is_phonemizer_available

from src.engines.coqui.espeak import Espeak
from src.engines.marked_text import around_ipa, phonemise
from src.errors import ModelUnavailable

_ESPEAK_CODES = {"en": "en-us", "zh-cn": "cmn"}
"""espeak's code of each language that Coqui's configs name differently."""
_LANGUAGE_SWITCH = re.compile(r"\(.+?\)")
"""`(en)` before a foreign word, and `(es)` after it."""


class EspeakPhonemizer(BasePhonemizer):  # type: ignore[misc]
    """The same phonemes as `TTS.tts.utils.text.phonemizers.ESpeak`, character by character.

    Coqui's class runs the program `espeak-ng`, which is a system package. This one calls the library in the
    Python package `espeakng-loader`.

    Args:
        language: espeak's code of the language, or Coqui's: `es`, `en-us`, `en`.
        punctuations: characters at which the text is split.
        keep_puncs: whether these characters stay in the phonemes.

    Raises:
        RuntimeError: espeak has no such language, or its library cannot be loaded.
    """

    def __init__(
        self, language: str, punctuations: str = Punctuation.default_puncs(), *, keep_puncs: bool = True
    ) -> None:
        self._espeak = Espeak()
        code = _ESPEAK_CODES.get(language, language)
        super().__init__(code, punctuations=punctuations, keep_puncs=keep_puncs)
        self._espeak.choose(code)

    @staticmethod
    def name() -> str:
        return "espeak"

    @classmethod
    def is_available(cls) -> bool:
        return True

    def version(self) -> str:
        return self._espeak.version

    @staticmethod
    def supported_languages() -> dict[str, str]:
        return Espeak().voices()

    def is_supported_language(self, language: str) -> bool:
        return language in self._espeak.voices()

    def _phonemize(self, text: str, separator: str = "") -> str:
        # Coqui's wrapper joins the lines of the program in the same way: with nothing between them
        lines = self._espeak.phonemes(text).strip().split("\n")
        sounds = (_LANGUAGE_SWITCH.sub("", line.strip()).strip() for line in lines)
        return "".join(sounds).replace("_", separator)


def prepare(config: Any, model: str) -> None:
    """Make sure that Coqui's tokenizer can be built for a model.

    Args:
        config: the model's config, from `TTS.config.load_config`.
        model: the model's name, for error messages.

    Raises:
        ModelUnavailable: the model needs a phonemizer whose package is not installed.
    """
    if not config.get("use_phonemes"):
        return
    register()
    if config.get("phonemizer") == "multi_phonemizer":
        names = [dataset.phonemizer for dataset in config.datasets]
    else:
        names = [config.get("phonemizer") or ""]
    for name in names:
        if name in PHONEMIZER_DEPS and not is_phonemizer_available(name):
            raise ModelUnavailable(
                f"{model} was trained on phonemes of `{name}`, which is not installed here. "
                f"Install {' and '.join(PHONEMIZER_DEPS[name].packages)}, or choose another model"
            )


class _WithIpa:
    """A phonemizer that lets words of IPA, in slashes, pass as they are.

    Args:
        phonemizer: one of Coqui's.
    """

    def __init__(self, phonemizer: Any) -> None:
        self._phonemizer = phonemizer

    def phonemize(self, text: str, separator: str = "|", language: str | None = None) -> str:
        """Phonemes of a text; the signature is that of Coqui's phonemizers."""
        return phonemise(
            text, lambda part: str(self._phonemizer.phonemize(part, separator=separator, language=language))
        )


def take_ipa(tokenizer: Any) -> str:
    """Let a model's tokenizer take words of IPA in slashes, if the model is one of phonemes.

    Returns:
        The symbols of its phonemes; empty if it reads letters.
    """
    if tokenizer.phonemizer is None:
        return ""
    tokenizer.phonemizer = _WithIpa(tokenizer.phonemizer)
    cleaner = tokenizer.text_cleaner
    if cleaner is not None:
        # one that makes ASCII of a text would spoil the phonemes
        tokenizer.text_cleaner = lambda text, lang: around_ipa(text, lambda part: cleaner(part, lang=lang))
    characters = tokenizer.characters
    others = {characters.pad, characters.eos, characters.bos, characters.blank, " ", *characters.punctuations}
    return "".join(sorted(symbol for symbol in set(characters.vocab) - others if len(symbol) == 1))


def register() -> None:
    """Make Coqui's tokenizer use `EspeakPhonemizer` wherever it would run the program."""
    name = EspeakPhonemizer.name()
    if phonemizers.PHONEMIZERS.get(name) is EspeakPhonemizer:
        return
    phonemizers._register_phonemizers()
    phonemizers.PHONEMIZERS[name] = EspeakPhonemizer
    # Coqui's order where the program is installed: a language's own phonemizer, espeak, gruut
    defaults = phonemizers.DEF_LANG_TO_PHONEMIZER
    for code in (*EspeakPhonemizer.supported_languages(), "en"):
        if defaults.get(code, "gruut") == "gruut":
            defaults[code] = name
