"""One transcription of a Wyoming client: audio events in, text events out."""

from collections.abc import Awaitable, Callable
from typing import Self

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioChunkConverter
from wyoming.event import Event

from src.api.dependencies import Services
from src.api.languages import language_code
from src.api.live.pcm import PcmStream
from src.engines.base import STT_SAMPLE_RATE, SttOptions
from src.errors import InvalidInput
from src.scheduling.admission import Place
from src.services.live.events import Completed, Failed, Words
from src.services.live.session import LiveOptions, LiveSession

Write = Callable[[Event], Awaitable[None]]

_WIDTHS, _MAX_CHANNELS = (1, 2, 4), 2


class Transcriber:
    """A live session behind Wyoming's events. An async context manager, which holds a place for it.

    Args:
        services: of the application.
        request: the client's.
        write: sends an event.
    """

    def __init__(self, services: Services, request: Transcribe, write: Write) -> None:
        engine = services.models.stt.info
        names = [*(request.transcript_names or ()), *(request.transcript_terms or ())]
        options = SttOptions(
            language=language_code(request.language or "", engine.languages),
            languages=services.stt_languages,
            prompt=", ".join(names)[:2000] or None,
        )
        self._services = services
        self._write = write
        self._session = LiveSession(services.stt, LiveOptions(stt=options))
        self._converter = AudioChunkConverter(rate=None, width=2, channels=1)
        self._pcm: PcmStream | None = None
        self._rate = STT_SAMPLE_RATE
        self._place: Place

    async def __aenter__(self) -> Self:
        self._place = self._services.live_admission.admit()
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        try:
            await self._session.__aexit__(None, None, None)
        finally:
            self._place.release()

    async def take(self, chunk: AudioChunk) -> None:
        """Take audio of any rate.

        Raises:
            InvalidInput: it has a width or number of channels that nobody records.
        """
        if chunk.width not in _WIDTHS or not 1 <= chunk.channels <= _MAX_CHANNELS:
            raise InvalidInput(
                f"audio of {chunk.width} bytes and {chunk.channels} channels is not understood"
            )
        if self._pcm is None or chunk.rate != self._rate:
            self._rate = chunk.rate
            self._pcm = PcmStream(rate=chunk.rate)
        converted = self._converter.convert(chunk)
        await self._session.push(self._pcm.push(converted.audio))

    async def finish(self) -> None:
        """No more audio: the rest of the text."""
        await self._session.finish()

    async def tell(self) -> None:
        """Send the text while it comes. Ends after `finish`."""
        await self._write(TranscriptStart().event())
        texts: list[str] = []
        sent, language = False, None
        async for event in self._session:
            match event:
                case Words(stable=new, text=whole):
                    pass
                case Completed(rest=new, text=whole):
                    texts.append(whole)
                    language = event.language
                case Failed(error=error):
                    raise error
                case _:
                    continue
            if new:
                # the first text of an utterance has no space before it
                new = " " + new if new == whole and sent else new
                sent = True
                await self._write(TranscriptChunk(text=new).event())
        await self._write(Transcript(text=" ".join(filter(None, texts)), language=language).event())
        await self._write(TranscriptStop().event())
