"""Speech for a Wyoming client: text events in, audio events out."""

import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.tts import SynthesizeVoice

from src.api.dependencies import Services
from src.api.languages import language_tag
from src.api.speaking import voice_for
from src.services.audio import AudioFormat
from src.services.speech import SpeechRequest

Write = Callable[[Event], Awaitable[None]]

_RATE, _WIDTH, _CHANNELS = 24_000, 2, 1
_MAX_WAITING = 20_000
"""Characters without the end of a sentence that are kept."""
_SENTENCE_END = re.compile(r"[.!?…。？！]+[\"'”’)\]]*\s+|\n+")


class Speaker:
    """Speaks texts with one voice.

    Args:
        services: of the application.
        voice: that the client asks for.
        write: sends an event.
    """

    def __init__(self, services: Services, voice: SynthesizeVoice | None, write: Write) -> None:
        self._services = services
        self._wanted = voice
        self._write = write
        self._waiting = ""

    async def speak(self, text: str) -> None:
        """Send the sound of a text as one group of audio events."""
        if not text.strip():
            return
        wanted = self._wanted or SynthesizeVoice()
        tag = language_tag(wanted.language, self._services.tts.voices.languages)
        voice = await voice_for(self._services, text, wanted.name, tag)
        request = SpeechRequest(text, voice, AudioFormat.PCM, language=tag or "")
        await self._write(AudioStart(_RATE, _WIDTH, _CHANNELS).event())
        async with (
            self._services.tts_admission.enter(),
            aclosing(self._services.tts.stream(request)) as chunks,
        ):
            async for chunk in chunks:
                await self._write(AudioChunk(_RATE, _WIDTH, _CHANNELS, chunk).event())
        await self._write(AudioStop().event())

    async def add(self, text: str) -> None:
        """Take a piece of text, which may end anywhere, and speak the sentences that are whole."""
        self._waiting += text
        ends = [found.end() for found in _SENTENCE_END.finditer(self._waiting)]
        if ends or len(self._waiting) > _MAX_WAITING:
            at = ends[-1] if ends else len(self._waiting)
            whole, self._waiting = self._waiting[:at], self._waiting[at:]
            await self.speak(whole)

    async def finish(self) -> None:
        """Speak what is left."""
        rest, self._waiting = self._waiting, ""
        await self.speak(rest)
