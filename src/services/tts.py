"""The text-to-speech service: text -> pieces -> engine -> loudness -> encoder -> storage or stream."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

from src.engines.base import TextToSpeech
from src.engines.voices import VoiceRegistry
from src.errors import InvalidInput, StorageUnavailable, TooLarge
from src.scheduling.executors import TEXT
from src.services.single_flight import SingleFlight
from src.services.speech import Speech, SpeechChunk, SpeechRequest
from src.services.speech_cache import SpeechCache, Spoken
from src.services.synthesis import Synthesis
from src.services.text import Piece, Pronunciation, Silence, to_pieces
from src.services.text.lexicon import EMPTY, Lexicon, cached_table
from src.services.usage import Usage, UsageMeter
from src.services.word_times import WORD_FILES, Phrase, files, read
from src.storage.base import Storage
from src.storage.keys import new_key

_SHOWN = 10
"""Wrong entries of a lexicon that are listed."""


@dataclass(frozen=True, slots=True)
class TtsConfig:
    """How the service works. The defaults are those of the settings that are named."""

    cache: bool = True
    """Whether a text that has been spoken before is answered from storage (TTS_CACHE)."""
    max_text_chars: int = 5000
    """Longer texts are refused (MAX_TEXT_CHARS)."""
    url_expires: int = 3600
    """Lifetime of a link in seconds (PRESIGNED_URL_EXPIRES)."""
    dollar: str = "dollars"
    """Reading of `$` in Spanish where nothing else tells it, `dollars` or `pesos` (TTS_DOLLAR_ES)."""
    early_sound: bool = True
    """Whether sound of a piece may be streamed before the piece is whole (TTS_EARLY_SOUND)."""
    lexicon: Lexicon = EMPTY
    """Lexicon of the server, for every request (TTS_LEXICON)."""


class TtsService:
    """Speaks texts with the voices of one engine and keeps the audio in one storage.

    Methods that speak take a `meter`, which counts the usage while the work is done. So the usage is known
    even if the work fails or is cancelled.
    """

    def __init__(self, engine: TextToSpeech, storage: Storage, config: TtsConfig) -> None:
        self.voices = VoiceRegistry(engine.voices)
        self._engine = engine
        self._storage = storage
        self._cache = SpeechCache(storage)
        self._in_flight = SingleFlight[tuple[Spoken, bool]]()
        self._meters: WeakValueDictionary[str, UsageMeter] = WeakValueDictionary()
        """Meters of the work in flight, by its key."""
        self.config = config

    async def find(self, request: SpeechRequest) -> Speech | None:
        """The speech of a text that is in storage already (TTS_CACHE), or None. It needs no engine.

        Raises:
            TooLarge: the text is longer than MAX_TEXT_CHARS.
            StorageUnavailable: storage does not answer.
        """
        self.check_length(request)
        index = self._index(request)
        if not self.config.cache or index in self._in_flight:
            return None
        spoken = await self._found(index, request)
        return None if spoken is None else await self._answer(request, spoken, cached=True, usage=Usage())

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
        self.check_length(request)
        meter = meter or UsageMeter()
        if not self.config.cache:
            spoken = await self._store(new_key(request.format.extension), request, meter)
            return await self._answer(request, spoken, cached=False, usage=meter.usage)
        index = self._index(request)
        in_flight = self._meters.setdefault(index, UsageMeter())
        try:
            (spoken, found), shared = await self._in_flight.run(
                index, lambda: self._find_or_store(index, request, in_flight)
            )
        finally:
            # a caller who leaves early is charged for what was made so far, the first who stays for the rest
            meter.add(in_flight.take())
        return await self._answer(request, spoken, cached=found or shared, usage=meter.usage)

    async def audio(self, speech: Speech) -> bytes:
        """The audio of a short speech that is in storage.

        Raises:
            StorageUnavailable: it is not in storage any more, or storage does not answer.
        """
        content = await self._storage.get(speech.key)
        if content is None:
            raise StorageUnavailable(f"{speech.key} is not in storage any more")
        return content

    async def stream(
        self, request: SpeechRequest, meter: UsageMeter | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The encoded audio as it is made, the first bytes after the first piece. Raises as `speak` does."""
        async with aclosing(self.stream_with_words(request, meter)) as chunks:
            async for chunk in chunks:
                if chunk.audio:
                    yield chunk.audio

    async def stream_with_words(
        self, request: SpeechRequest, meter: UsageMeter | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """The same as `stream`, with the words of each piece beside its sound if the request wants them."""
        self.check_length(request)
        pieces = await self._pieces(request)
        synthesis = Synthesis(self._engine, request, pieces, meter or UsageMeter())
        told = 0
        async with aclosing(synthesis.encoded(streaming=True, early=self.config.early_sound)) as chunks:
            async for chunk in chunks:
                new, told = synthesis.phrases[told:], len(synthesis.phrases)
                yield SpeechChunk(chunk, tuple(word for phrase in new for word in phrase))

    async def _find_or_store(
        self, index: str, request: SpeechRequest, meter: UsageMeter
    ) -> tuple[Spoken, bool]:
        """The spoken text, and whether it was in storage already."""
        # an equal request may have ended since this one's caller looked
        spoken = await self._found(index, request)
        if spoken is not None:
            return spoken, True
        spoken = await self._store(new_key(request.format.extension), request, meter)
        await self._cache.keep(index, spoken)
        return spoken, False

    async def _found(self, index: str, request: SpeechRequest) -> Spoken | None:
        """Speech in storage, with its word times if they are wanted."""
        spoken = await self._cache.find(index)
        if spoken is None or not request.timestamps:
            return spoken
        return spoken if await self._storage.exists(_beside(spoken.key, "json")) else None

    async def speak_to(self, key: str, request: SpeechRequest, meter: UsageMeter) -> Spoken:
        """Speak a text and store the audio under `key`, and what `word_keys` lists beside it.

        Raises as `speak` does. If storage fails or the caller is cancelled, some of it may stay.
        """
        self.check_length(request)
        return await self._store(key, request, meter)

    async def _store(self, key: str, request: SpeechRequest, meter: UsageMeter) -> Spoken:
        synthesis = Synthesis(self._engine, request, await self._pieces(request), meter)
        async with aclosing(synthesis.encoded(streaming=False)) as chunks:
            await self._storage.put(key, chunks, request.format.content_type)
        if request.timestamps:
            for extension, content_type, content in await TEXT.run(list, files(synthesis.phrases)):
                await self._storage.put(_beside(key, extension), _whole(content), content_type)
        return Spoken(key, synthesis.seconds, synthesis.sample_rate)

    async def _answer(self, request: SpeechRequest, spoken: Spoken, cached: bool, usage: Usage) -> Speech:
        expires = self.config.url_expires
        words: Phrase | None = None
        urls: dict[str, str] = {}
        if request.timestamps:
            words = await self._stored_words(spoken)
            for extension, key in word_keys(spoken.key).items():
                urls[extension] = await self._storage.url(key, expires)
        return Speech(
            url=await self._storage.url(spoken.key, expires),
            key=spoken.key,
            expires_in=expires,
            expires_at=datetime.now(UTC) + timedelta(seconds=expires),
            duration=spoken.duration,
            sample_rate=spoken.sample_rate,
            cached=cached,
            usage=usage,
            words=words,
            word_urls=urls,
        )

    async def _stored_words(self, spoken: Spoken) -> Phrase:
        content = await self._storage.get(_beside(spoken.key, "json"))
        try:
            return read(content or b"")
        except (ValueError, TypeError, KeyError):
            raise StorageUnavailable(f"the word times of {spoken.key} are not in storage any more") from None

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
            dollar=self.config.dollar,
            owner=request.owner,
            timestamps=request.timestamps,
            markup=request.markup,
            lexicon=f"{request.lexicon.fingerprint} {self.config.lexicon.fingerprint}",
        )

    async def _pieces(self, request: SpeechRequest) -> list[Piece | Silence]:
        return await TEXT.run(self._read, request)

    def _read(self, request: SpeechRequest) -> list[Piece | Silence]:
        """Blocking."""
        voice = request.voice
        language = request.language or voice.language
        # an accent of the voice is a region, too
        tag = language if "-" in language else voice.locale
        known = frozenset(voice.phonemes)
        if wrong := request.lexicon.problems(tag, known):
            raise InvalidInput(f"the lexicon has wrong entries: {'; '.join(wrong[:_SHOWN])}", "lexicon")
        tables = (
            request.lexicon.table(tag, known),
            cached_table(self.config.lexicon, self.config.lexicon.tag(tag), known),
        )
        pronunciation = Pronunciation(request.markup, tables, known)
        return to_pieces(request.text, language, self.config.dollar, pronunciation, timed=request.timestamps)

    def check_length(self, request: SpeechRequest) -> None:
        """Raise TooLarge if the text is longer than MAX_TEXT_CHARS."""
        limit = self.config.max_text_chars
        if len(request.text) > limit:
            raise TooLarge(f"the text has {len(request.text)} characters; MAX_TEXT_CHARS is {limit}", "text")


def word_keys(key: str) -> dict[str, str]:
    """The objects with the times of the words of the audio under `key`, by their form."""
    return {extension: _beside(key, extension) for extension in WORD_FILES}


def _beside(key: str, extension: str) -> str:
    """The object with another form of what is under `key`."""
    return f"{key.rpartition('.')[0]}.{extension}"


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
