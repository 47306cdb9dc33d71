"""Real engines that do each row once: most tests send the same few clips, and ask for the same few sentences.

Kokoro takes a second of CPU time for a second of sound. What a model says of a row is the same each time.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Generic, TypeVar

from src.engines.base import (
    Audio,
    Engine,
    EngineInfo,
    LanguageGuess,
    Load,
    NothingToOpen,
    OnEarlySound,
    PartialTranscript,
    SpeechToText,
    SttOptions,
    TextToSpeech,
    Transcript,
    Utterance,
    Voice,
)

EngineT = TypeVar("EngineT", bound=Engine)


class _Once(NothingToOpen, Generic[EngineT]):
    """What both have of the engine that they ask.

    Args:
        engine: is open already, and stays so.
    """

    def __init__(self, engine: EngineT) -> None:
        self._engine = engine

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    @property
    def load(self) -> Load:
        return self._engine.load


class ReadOnce(_Once[SpeechToText], SpeechToText):
    """See `SpeechToText`. A row that was read before with the same options is answered at once."""

    def __init__(self, engine: SpeechToText) -> None:
        super().__init__(engine)
        self._read: dict[tuple[bytes, SttOptions], Transcript] = {}
        self._guessed: dict[tuple[bytes, tuple[str, ...]], list[LanguageGuess]] = {}

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        row = (_digest(audio), options)
        if row not in self._read:
            self._read[row] = await self._engine.transcribe(audio, options, request_id)
        return self._read[row]

    async def transcribe_partial(
        self,
        audio: Audio,
        options: SttOptions,
        forced: Sequence[int],
        request_id: str,
        *,
        draft: Sequence[int] = (),
    ) -> PartialTranscript:
        return await self._engine.transcribe_partial(audio, options, forced, request_id, draft=draft)

    async def detect_language(
        self, audio: Audio, languages: Sequence[str], request_id: str
    ) -> list[LanguageGuess]:
        row = (_digest(audio), tuple(languages))
        if row not in self._guessed:
            self._guessed[row] = await self._engine.detect_language(audio, languages, request_id)
        return list(self._guessed[row])


def _digest(audio: Audio) -> bytes:
    """In place of the samples: those of an hour are 230 MB."""
    return sha256(audio.tobytes()).digest()


class SpokenOnce(_Once[TextToSpeech], TextToSpeech):
    """See `TextToSpeech`. A row that was spoken before is answered at once, by a copy of what it got then."""

    def __init__(self, engine: TextToSpeech) -> None:
        super().__init__(engine)
        self._spoken: dict[tuple[str, Voice, bool], Utterance] = {}

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._engine.voices

    async def utter(
        self,
        text: str,
        voice: Voice,
        request_id: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
    ) -> Utterance:
        row = (text, voice, timed)
        if row not in self._spoken:
            self._spoken[row] = await self._engine.utter(text, voice, request_id, timed=timed, early=early)
        spoken = self._spoken[row]
        return Utterance(spoken.audio.copy(), spoken.words)
