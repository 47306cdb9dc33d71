"""Text in, audio in storage (or in a stream) out: pieces -> engine -> even loudness -> encoder -> storage."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

import numpy as np

from src.config import Settings
from src.engines.base import Audio, TextToSpeech, Voice
from src.engines.voices import VoiceRegistry
from src.errors import TooLarge
from src.observability.telemetry import current_request_id
from src.scheduling.executors import ENCODING, TEXT
from src.services.audio import AudioFormat, Encoder, Tempo, fade, level
from src.services.ordered import ordered
from src.services.single_flight import SingleFlight
from src.services.speech_cache import SpeechCache, Spoken
from src.services.text import Piece, to_speech
from src.services.usage import Usage, UsageMeter
from src.storage.base import Storage
from src.storage.keys import new_key

_AHEAD = 8
"""Pieces of one request that the engine may hold at once: enough for a batch, few enough to be fair."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    text: str
    voice: Voice
    """One of the service's registry."""
    format: AudioFormat = AudioFormat.WAV
    speed: float = 1.0
    language: str = ""
    """Of the text, `es` or with a region `es-MX`, which decides how dates are read; empty: the voice's."""
    owner: str = ""
    """Name of the API key. Each has a cache of its own: an answer never tells what another has spoken."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A spoken text in storage."""

    url: str
    key: str
    expires_in: int
    expires_at: datetime
    duration: float
    """Seconds."""
    sample_rate: int
    """Hz."""
    cached: bool
    """True if no synthesis was made for this answer alone."""
    usage: Usage
    """Nothing where it was found in storage; shared out where several callers asked for it at once."""


class TtsService:
    """Speaks texts with the voices of one engine and keeps the audio in one storage.

    Methods that speak take a `meter` that is told what is used while it is used, for callers who must know it
    where the work breaks off or is left.
    """

    def __init__(self, engine: TextToSpeech, storage: Storage, settings: Settings) -> None:
        self.voices = VoiceRegistry(engine.voices)
        self._engine = engine
        self._storage = storage
        self._cache = SpeechCache(storage)
        self._in_flight = SingleFlight[tuple[Spoken, bool]]()
        self._meters: WeakValueDictionary[str, UsageMeter] = WeakValueDictionary()
        """Of the work in flight, by its key."""
        self._settings = settings

    async def find(self, request: SpeechRequest) -> Speech | None:
        """The answer to a text that is in storage already (TTS_CACHE), or None. Needs no engine.

        Raises:
            TooLarge: the text is longer than MAX_TEXT_CHARS.
            StorageUnavailable: storage does not answer.
        """
        self._check_length(request)
        index = self._index(request)
        if not self._settings.tts_cache or index in self._in_flight:
            return None
        spoken = await self._cache.find(index)
        return None if spoken is None else await self._answer(spoken, cached=True, usage=Usage())

    async def speak(self, request: SpeechRequest, meter: UsageMeter | None = None) -> Speech:
        """Speak a text, store the audio and return a link to it.

        With TTS_CACHE, a text that has been spoken before is found in storage, and one that is being spoken
        for another caller is not spoken twice: each gets a link to the same audio. Opus is uploaded as it
        is made; the other formats begin with their length, so their upload begins when it is known.

        Raises:
            TooLarge: the text is longer than MAX_TEXT_CHARS.
            InvalidInput: nothing in the text can be spoken.
            EngineFailed: a sentence could not be spoken; nothing is stored.
            StorageUnavailable: the audio could not be stored.
        """
        self._check_length(request)
        meter = meter or UsageMeter()
        if not self._settings.tts_cache:
            spoken = await self._store(request, meter)
            return await self._answer(spoken, cached=False, usage=meter.usage)
        index = self._index(request)
        in_flight = self._meters.setdefault(index, UsageMeter())
        try:
            (spoken, found), shared = await self._in_flight.run(
                index, lambda: self._find_or_store(index, request, in_flight)
            )
        finally:
            # whoever leaves early has used what was made so far, and the first to stay the rest
            meter.add(in_flight.take())
        return await self._answer(spoken, cached=found or shared, usage=meter.usage)

    async def stream(
        self, request: SpeechRequest, meter: UsageMeter | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The encoded audio as it is made, the first bytes after the first piece. Raises as `speak` does."""
        self._check_length(request)
        pieces = await self._pieces(request)
        synthesis = _Synthesis(self._engine, request, pieces, meter or UsageMeter())
        async with aclosing(synthesis.encoded(streaming=True)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _find_or_store(
        self, index: str, request: SpeechRequest, meter: UsageMeter
    ) -> tuple[Spoken, bool]:
        """What is spoken, and whether it was in storage already."""
        # an equal request may have ended since this one's caller looked
        spoken = await self._cache.find(index)
        if spoken is not None:
            return spoken, True
        spoken = await self._store(request, meter)
        await self._cache.keep(index, spoken)
        return spoken, False

    async def _store(self, request: SpeechRequest, meter: UsageMeter) -> Spoken:
        synthesis = _Synthesis(self._engine, request, await self._pieces(request), meter)
        key = new_key(request.format.extension)
        async with aclosing(synthesis.encoded(streaming=False)) as chunks:
            await self._storage.put(key, chunks, request.format.content_type)
        return Spoken(key, synthesis.seconds, synthesis.sample_rate)

    async def _answer(self, spoken: Spoken, cached: bool, usage: Usage) -> Speech:
        expires = self._settings.presigned_url_expires
        return Speech(
            url=await self._storage.url(spoken.key, expires),
            key=spoken.key,
            expires_in=expires,
            expires_at=datetime.now(UTC) + timedelta(seconds=expires),
            duration=spoken.duration,
            sample_rate=spoken.sample_rate,
            cached=cached,
            usage=usage,
        )

    def _index(self, request: SpeechRequest) -> str:
        voice = request.voice
        return self._cache.name(
            text=request.text,
            language=request.language or voice.language,
            format=request.format.value,
            speed=request.speed,
            # by content: a model that was trained again, or another of the same name, sounds different
            voice=voice.fingerprint or voice.id,
            engine=voice.engine,
            compute_type=self._engine.info.compute_type,
            dollar=self._settings.tts_dollar_es,
            owner=request.owner,
        )

    async def _pieces(self, request: SpeechRequest) -> list[Piece]:
        language = request.language or request.voice.language
        return await TEXT.run(to_speech, request.text, language, self._settings.tts_dollar_es)

    def _check_length(self, request: SpeechRequest) -> None:
        limit = self._settings.max_text_chars
        if len(request.text) > limit:
            raise TooLarge(f"the text has {len(request.text)} characters; MAX_TEXT_CHARS is {limit}")


class _Synthesis:
    """One text on its way through the engine."""

    def __init__(
        self, engine: TextToSpeech, request: SpeechRequest, pieces: list[Piece], meter: UsageMeter
    ) -> None:
        self._engine = engine
        self._request = request
        self._request_id = current_request_id()
        self._pieces = pieces
        self._meter = meter
        self._samples = 0
        self.sample_rate = request.voice.sample_rate

    @property
    def seconds(self) -> float:
        """Audio made so far."""
        return self._samples / self.sample_rate

    async def encoded(self, streaming: bool) -> AsyncGenerator[bytes, None]:
        encoder = Encoder(self._request.format, self.sample_rate, streaming=streaming)
        tempo = Tempo(self.sample_rate, self._request.speed)

        # everything that touches samples runs on a thread: a piece has up to 20 s of them
        def piece_encoded(audio: Audio, pause: float) -> bytes:
            audio = fade(level(audio, self.sample_rate), self.sample_rate)
            silence = np.zeros(round(pause * self.sample_rate), np.float32)
            return self._encode(encoder, tempo.push(np.concatenate([audio, silence])))

        async with aclosing(self._spoken(first_alone=streaming)) as spoken:
            async for audio, pause in spoken:
                chunk = await ENCODING.run(piece_encoded, audio, pause)
                if chunk:
                    yield chunk
        chunk = await ENCODING.run(lambda: self._encode(encoder, tempo.finish()))
        if chunk:
            yield chunk
        rest = encoder.finish_in_chunks()
        while (last := await ENCODING.run(next, rest, None)) is not None:
            yield last

    def _encode(self, encoder: Encoder, audio: Audio) -> bytes:
        self._samples += len(audio)
        self._meter.add(Usage(audio_seconds=len(audio) / self.sample_rate))
        return encoder.encode(audio)

    async def _spoken(self, first_alone: bool) -> AsyncGenerator[tuple[Audio, float], None]:
        """Pieces in order, each with the seconds of pause after it; the engine has a few at any time.

        Args:
            first_alone: let the first piece go ahead by itself. Pieces that share a batch are all done late,
                and somebody is listening for the first.
        """
        synthesised = ordered(iter(self._pieces), self._speak, _AHEAD, first_alone=first_alone)
        async with aclosing(synthesised) as spoken:
            async for audio_and_pause in spoken:
                yield audio_and_pause

    async def _speak(self, piece: Piece) -> tuple[Audio, float]:
        audio = await self._engine.synthesize(piece.text, self._request.voice, self._request_id)
        self._meter.add(Usage(characters=len(piece.text)))
        return audio, piece.pause
