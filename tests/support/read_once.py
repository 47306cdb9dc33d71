"""Real speech to text that reads each row once, for tests that send the same clip a hundred times."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from src.engines.base import (
    Audio,
    EngineInfo,
    LanguageGuess,
    Load,
    PartialTranscript,
    SpeechToText,
    SttOptions,
    Transcript,
)


class ReadOnce:
    """See `SpeechToText`. A row that was read before with the same options is answered at once.

    Args:
        engine: is open already, and stays so.
    """

    def __init__(self, engine: SpeechToText) -> None:
        self._engine = engine
        self._read: dict[tuple[bytes, SttOptions], Transcript] = {}
        self._guessed: dict[tuple[bytes, tuple[str, ...]], list[LanguageGuess]] = {}

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    @property
    def load(self) -> Load:
        return self._engine.load

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        row = (audio.tobytes(), options)
        if row not in self._read:
            self._read[row] = await self._engine.transcribe(audio, options, request_id)
        return self._read[row]

    async def transcribe_partial(
        self, audio: Audio, options: SttOptions, forced: Sequence[int], request_id: str
    ) -> PartialTranscript:
        return await self._engine.transcribe_partial(audio, options, forced, request_id)

    async def detect_language(
        self, audio: Audio, languages: Sequence[str], request_id: str
    ) -> list[LanguageGuess]:
        row = (audio.tobytes(), tuple(languages))
        if row not in self._guessed:
            self._guessed[row] = await self._engine.detect_language(audio, languages, request_id)
        return list(self._guessed[row])
