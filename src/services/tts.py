"""Text in, audio in storage (or in a stream) out: pieces -> engine -> even loudness -> encoder -> storage."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from src.config import Settings
from src.core.errors import TooLarge
from src.core.executors import ENCODING, TEXT
from src.core.storage import Storage, new_key
from src.core.telemetry import current_request_id, note
from src.engines.base import Audio, TextToSpeech
from src.services.audio import AudioFormat, Encoder, Tempo, fade, level
from src.services.speech_cache import SpeechCache, Spoken
from src.services.text import Piece, to_speech

_AHEAD = 8
"""Pieces of one request that the engine may hold at once: enough for a batch, few enough to be fair."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    text: str
    language: str
    """`en` or `es`."""
    format: AudioFormat = AudioFormat.WAV
    speed: float = 1.0


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


class TtsService:
    """Speaks texts with one engine and keeps the audio in one storage."""

    def __init__(self, engine: TextToSpeech, storage: Storage, settings: Settings) -> None:
        self._engine = engine
        self._storage = storage
        self._cache = SpeechCache(storage)
        self._settings = settings

    async def speak(self, request: SpeechRequest) -> Speech:
        """Speak a text, store the audio and return a link to it.

        A text that has been spoken before is found in storage (TTS_CACHE). Opus is uploaded as it is made;
        the other formats begin with their length, so their upload begins when it is known.

        Raises:
            TooLarge: the text is longer than MAX_TEXT_CHARS.
            InvalidInput: nothing in the text can be spoken.
            EngineFailed: a sentence could not be spoken; nothing is stored.
            StorageUnavailable: the audio could not be stored.
        """
        pieces = await self._pieces(request)
        index = self._index(request)
        spoken = await self._cache.find(index) if self._settings.tts_cache else None
        cached = spoken is not None
        if spoken is None:
            spoken = await self._store(_Voice(self._engine, request, pieces), request.format)
            if self._settings.tts_cache:
                await self._cache.keep(index, spoken)
        expires = self._settings.presigned_url_expires
        return Speech(
            url=await self._storage.url(spoken.key, expires),
            key=spoken.key,
            expires_in=expires,
            expires_at=datetime.now(UTC) + timedelta(seconds=expires),
            duration=spoken.duration,
            sample_rate=spoken.sample_rate,
            cached=cached,
        )

    async def _store(self, voice: "_Voice", wanted: AudioFormat) -> Spoken:
        key = new_key(wanted.extension)
        async with aclosing(voice.encoded(streaming=False)) as chunks:
            await self._storage.put(key, chunks, wanted.content_type)
        return Spoken(key, voice.seconds, voice.sample_rate)

    def _index(self, request: SpeechRequest) -> str:
        info = self._engine.info
        return self._cache.name(
            text=request.text,
            language=request.language,
            format=request.format.value,
            speed=request.speed,
            dollar=self._settings.tts_dollar_es,
            engine=info.engine,
            model=self._engine.model(request.language),
            compute_type=info.compute_type,
        )

    async def stream(self, request: SpeechRequest) -> AsyncGenerator[bytes, None]:
        """The encoded audio as it is made, the first bytes after the first piece. Raises as `speak` does."""
        voice = _Voice(self._engine, request, await self._pieces(request))
        async with aclosing(voice.encoded(streaming=True)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _pieces(self, request: SpeechRequest) -> list[Piece]:
        limit = self._settings.max_text_chars
        if len(request.text) > limit:
            raise TooLarge(f"the text has {len(request.text)} characters; MAX_TEXT_CHARS is {limit}")
        return await TEXT.run(to_speech, request.text, request.language, self._settings.tts_dollar_es)


class _Voice:
    """One text on its way through the engine."""

    def __init__(self, engine: TextToSpeech, request: SpeechRequest, pieces: list[Piece]) -> None:
        self._engine = engine
        self._request = request
        self._request_id = current_request_id()
        self._pieces = pieces
        self._samples = 0
        self.sample_rate = engine.sample_rate(request.language)

    @property
    def seconds(self) -> float:
        """Audio made so far."""
        return self._samples / self.sample_rate

    async def encoded(self, streaming: bool) -> AsyncGenerator[bytes, None]:
        encoder = Encoder(self._request.format, self.sample_rate, streaming=streaming)
        tempo = Tempo(self.sample_rate, self._request.speed)
        async with aclosing(self._spoken(first_alone=streaming)) as spoken:
            async for audio in spoken:
                chunk = await ENCODING.run(self._encode, encoder, tempo.push(audio))
                if chunk:
                    yield chunk
        chunk = await ENCODING.run(self._encode, encoder, tempo.finish())
        if chunk:
            yield chunk
        rest = encoder.finish_in_chunks()
        while (last := await ENCODING.run(next, rest, None)) is not None:
            yield last

    def _encode(self, encoder: Encoder, audio: Audio) -> bytes:
        self._samples += len(audio)
        note(audio_seconds=round(self.seconds, 2))  # also of what is never finished
        return encoder.encode(audio)

    async def _spoken(self, first_alone: bool) -> AsyncGenerator[Audio, None]:
        """Pieces in order, each with the pause after it; a few are with the engine at any time.

        Args:
            first_alone: let the first piece go ahead by itself. Pieces that share a batch are all done late,
                and somebody is listening for the first.
        """
        pieces = iter(self._pieces)
        ahead: deque[tuple[Piece, asyncio.Task[Audio]]] = deque()
        room = 1 if first_alone else _AHEAD
        try:
            while True:
                while len(ahead) < room and (piece := next(pieces, None)) is not None:
                    ahead.append((piece, asyncio.create_task(self._speak(piece))))
                if not ahead:
                    return
                piece, task = ahead[0]
                audio = await task
                ahead.popleft()
                room = _AHEAD
                yield np.concatenate([audio, np.zeros(round(piece.pause * self.sample_rate), np.float32)])
        finally:
            for _, task in ahead:
                task.cancel()
            await asyncio.gather(*(task for _, task in ahead), return_exceptions=True)

    async def _speak(self, piece: Piece) -> Audio:
        audio = await self._engine.synthesize(piece.text, self._request.language, self._request_id)
        return fade(level(audio, self.sample_rate), self.sample_rate)
