"""An engine that was not loaded, in the place of one that nobody will ask for anything."""

from collections.abc import Sequence

from src.engines.base import (
    Audio,
    EngineInfo,
    LanguageGuess,
    Load,
    NothingToOpen,
    OnEarlySound,
    PartialTranscript,
    SttOptions,
    TextToSpeech,
    Transcript,
    Utterance,
    Voice,
)
from src.errors import EngineFailed


class AbsentEngine(NothingToOpen, TextToSpeech):
    """See `SpeechToText` and `TextToSpeech`. It has no language and no voice, and refuses every row."""

    info = EngineInfo("none", "", "cpu", "", ())
    load = Load(waiting=0, active=0, stalled_for=0.0)
    voices: tuple[Voice, ...] = ()

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        """Raises EngineFailed."""
        raise _not_loaded()

    async def transcribe_partial(
        self,
        audio: Audio,
        options: SttOptions,
        forced: Sequence[int],
        request_id: str,
        *,
        draft: Sequence[int] = (),
    ) -> PartialTranscript:
        """Raises EngineFailed."""
        raise _not_loaded()

    async def detect_language(
        self, audio: Audio, languages: Sequence[str], request_id: str
    ) -> list[LanguageGuess]:
        """Raises EngineFailed."""
        raise _not_loaded()

    async def utter(
        self,
        text: str,
        voice: Voice,
        request_id: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
    ) -> Utterance:
        """Raises EngineFailed."""
        raise _not_loaded()


def _not_loaded() -> EngineFailed:
    return EngineFailed("this engine was not loaded")
