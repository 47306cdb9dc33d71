"""Finds the voice of a request: by id, blend, OpenAI's name, or the default of a language."""

import difflib
import hashlib
import json
import re
from collections.abc import Iterable

from src.engines.base import Voice
from src.errors import InvalidInput

MAX_BLEND = 8
"""Maximum number of voices in a blend."""

_COMPONENT = re.compile(r"\s*([\w./-]+)\s*(?:\(\s*(\d{1,4}(?:\.\d{1,4})?)\s*\))?\s*", re.ASCII)

OPENAI_VOICES = {
    "alloy": ("female", "af_alloy"),
    "ash": ("male", "am_michael"),
    "ballad": ("male", "bm_george"),
    "coral": ("female", "af_bella"),
    "echo": ("male", "am_echo"),
    "fable": ("male", "bm_fable"),
    "onyx": ("male", "am_onyx"),
    "nova": ("female", "af_nova"),
    "sage": ("female", "af_sarah"),
    "shimmer": ("female", "af_sky"),
    "verse": ("male", "am_puck"),
    "marin": ("female", "af_heart"),
    "cedar": ("male", "am_fenrir"),
}
"""OpenAI's names of voices: the gender of each, and the Kokoro voice that is closest to it in English."""


class VoiceRegistry:
    """Every voice of this server.

    Args:
        voices: of all engines, in order: the first of a language is its default.
    """

    def __init__(self, voices: Iterable[Voice]) -> None:
        self.voices = tuple(voices)
        self._by_id = {voice.id: voice for voice in self.voices}

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes."""
        return tuple(dict.fromkeys(voice.language for voice in self.voices))

    def default(self, language: str) -> Voice:
        """The voice of a language for which none was named.

        Raises:
            InvalidInput: no voice speaks it.
        """
        return self._of(language)[0]

    def is_openai_name(self, name: str) -> bool:
        """Whether this is one of OpenAI's names, which mean a voice of whatever language the text is in."""
        return name in OPENAI_VOICES and name not in self._by_id

    def find(self, name: str | None = None, language: str | None = None) -> Voice:
        """The voice that a request means.

        Args:
            name: a voice's id; a blend, `af_heart+af_bella` or with weights `af_heart(2)+af_bella(1)`; one
                of OpenAI's names; None: the default of the language.
            language: of the text, `es` or with a region `es-MX`. None: the voice's own, which for OpenAI's
                names and for no name is English where a voice speaks it.

        Raises:
            InvalidInput: there is no such voice (the message names the nearest), it does not speak the
                language, or the blend cannot be made.
        """
        if language is not None:
            language = language.partition("-")[0].lower()
        if name is None or self.is_openai_name(name):
            spoken = language or ("en" if "en" in self.languages else self.languages[0])
            return self.default(spoken) if name is None else self._closest(name, spoken)
        if language is not None:
            self._of(language)
        voice = self._by_id.get(name) or self._blend(name)
        if language not in (None, voice.language):
            raise InvalidInput(
                f"the voice {voice.id} speaks {voice.language!r}, not {language!r}: leave `language` out, "
                f"or choose a voice such as {self.default(str(language)).id}",
                "voice",
            )
        return voice

    def _of(self, language: str) -> list[Voice]:
        found = [voice for voice in self.voices if voice.language == language]
        if not found:
            raise InvalidInput(
                f"no voice speaks the language {language[:20]!r}; there are voices for "
                f"{', '.join(self.languages)}",
                "language",
            )
        return found

    def _closest(self, openai: str, language: str) -> Voice:
        """The voice in the place of one of OpenAI's: always the same, and of its gender if there is one."""
        gender, likeness = OPENAI_VOICES[openai]
        speakers = self._of(language)
        for voice in speakers:
            if voice.id == likeness:
                return voice
        fitting = [voice for voice in speakers if voice.gender == gender]
        if not fitting:
            return speakers[0]
        peers = [name for name, (of_gender, _) in OPENAI_VOICES.items() if of_gender == gender]
        return fitting[peers.index(openai) % len(fitting)]

    def _blend(self, name: str) -> Voice:
        if not any(mark in name for mark in "+("):
            raise self._unknown(name)
        parts = name.split("+")
        if len(parts) > MAX_BLEND:
            raise InvalidInput(f"a blend has at most {MAX_BLEND} voices, not {len(parts)}", "voice")
        weights: dict[str, float] = {}
        for part in parts:
            match = _COMPONENT.fullmatch(part)
            if match is None:
                raise InvalidInput(
                    f"{part[:80]!r} is no part of a blend: write af_heart+af_bella, or with weights "
                    "af_heart(2)+af_bella(1)",
                    "voice",
                )
            if match[1] not in self._by_id:
                raise self._unknown(match[1])
            weights[match[1]] = weights.get(match[1], 0.0) + float(match[2] or 1)
        return self._mixed({voice_id: weight for voice_id, weight in weights.items() if weight > 0})

    def _mixed(self, weights: dict[str, float]) -> Voice:
        if not weights:
            raise InvalidInput("no voice of this blend has a weight above 0", "voice")
        voices = [self._by_id[voice_id] for voice_id in sorted(weights)]
        if len(voices) == 1:
            return voices[0]
        first = voices[0]
        for other in voices[1:]:
            if other.language != first.language:
                raise InvalidInput(
                    f"{first.id} ({first.language}) and {other.id} ({other.language}) do not speak one "
                    "language, so they cannot be blended",
                    "voice",
                )
        unfit = [
            v.id for v in voices if not v.blendable or (v.engine, v.model) != (first.engine, first.model)
        ]
        if unfit:
            raise InvalidInput(
                f"voices of {self._by_id[unfit[0]].engine} cannot be blended ({unfit[0]})", "voice"
            )
        total = sum(weights.values())
        blend = tuple((voice.id, round(weights[voice.id] / total, 6)) for voice in voices)
        heaviest = max(voices, key=lambda voice: weights[voice.id])
        content = [[voice.fingerprint, share] for voice, (_, share) in zip(voices, blend, strict=True)]
        genders = {voice.gender for voice in voices}
        return Voice(
            id="+".join(f"{voice.id}({weights[voice.id]:g})" for voice in voices),
            language=first.language,
            locale=heaviest.locale,
            engine=first.engine,
            model=first.model,
            sample_rate=first.sample_rate,
            gender=first.gender if len(genders) == 1 else None,
            phonemes=first.phonemes,
            fingerprint=hashlib.sha256(json.dumps([heaviest.locale, content]).encode()).hexdigest(),
            blendable=False,
            blend=blend,
        )

    def _unknown(self, name: str) -> InvalidInput:
        known = [*self._by_id, *OPENAI_VOICES]
        near = difflib.get_close_matches(name[:100].lower(), known, n=1, cutoff=0.0)
        return InvalidInput(
            f"there is no voice {name[:100]!r}; the nearest is {near[0]}. GET /voices lists all",
            "voice",
        )
