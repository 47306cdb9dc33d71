"""The synthesis of one text: pieces -> engine -> loudness -> tempo -> encoder."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import numpy as np

from src.engines.base import Audio, EarlySound, OnEarlySound, TextToSpeech, Utterance
from src.errors import InvalidInput
from src.observability.telemetry import current_request_id
from src.scheduling.executors import ENCODING
from src.services.audio import Encoder, Tempo, fade, gain, level
from src.services.ordered import ordered
from src.services.piece_sounds import PieceSounds
from src.services.speech import SpeechRequest
from src.services.text import Piece, Silence
from src.services.usage import Usage, UsageMeter
from src.services.word_times import Phrase, times_of

_AHEAD = 8
"""Maximum number of pieces of one request in the engine: enough for a batch, few enough to be fair."""


class Synthesis:
    """The synthesis of one text.

    Args:
        pieces: of the text, as they are said, in order.
        meter: counts the usage while the work is done.
    """

    def __init__(
        self,
        engine: TextToSpeech,
        request: SpeechRequest,
        pieces: Sequence[Piece | Silence],
        meter: UsageMeter,
    ) -> None:
        self._engine = engine
        self._request = request
        self._request_id = current_request_id()
        self._pieces = pieces
        self._meter = meter
        self._samples = 0
        self._given = 0.0
        """Seconds of what was put into the answer so far, of which the encoder may hold back some."""
        self.phrases: list[Phrase] = []
        """Words of the pieces so far, if the request wants them."""
        self.sample_rate = request.voice.sample_rate

    @property
    def seconds(self) -> float:
        """Seconds of audio made so far."""
        return self._samples / self.sample_rate

    async def encoded(self, streaming: bool, early: bool = False) -> AsyncGenerator[bytes, None]:
        """The encoded audio, in parts. Close it to give up.

        Args:
            streaming: whether somebody listens meanwhile; see `Encoder`.
            early: whether sound of a piece may come before the piece is whole.

        Raises:
            InvalidInput: word times are asked for, and the voice cannot tell them.
        """
        encoder = Encoder(self._request.format, self.sample_rate, streaming=streaming)
        tempo = Tempo(self.sample_rate, self._request.speed)

        early_samples, early_gain = 0, np.float32(1)

        # everything that touches samples runs on a thread: a piece has up to 20 s of them
        def early_encoded(sound: EarlySound) -> bytes:
            nonlocal early_samples, early_gain
            if not early_samples:
                early_gain = gain(sound.level_db, sound.peak)
            audio = fade(sound.audio * early_gain, self.sample_rate, begins=not early_samples, ends=False)
            early_samples += len(audio)
            return sound_encoded(audio)

        def piece_encoded(utterance: Utterance, piece: Piece) -> bytes:
            nonlocal early_samples
            if early_samples:
                rest = utterance.audio[early_samples:] * early_gain
                audio = fade(rest, self.sample_rate, begins=False)
                early_samples = 0
            else:
                audio = fade(level(utterance.audio, self.sample_rate), self.sample_rate)
            if self._request.timestamps:
                spans = utterance.words or ()
                self.phrases.append(times_of(piece, spans, self._given, self._request.speed))
            return sound_encoded(np.concatenate([audio, self._silence(piece.pause)]))

        def sound_encoded(audio: Audio) -> bytes:
            self._given += len(audio) / self.sample_rate / self._request.speed
            return self._encode(encoder, tempo.push(audio))

        def silence_encoded(silence: Silence) -> bytes:
            nonlocal tempo
            # it lasts as long as it says at any speed, so it is no part of what is made faster
            before, tempo = tempo.finish(), Tempo(self.sample_rate, self._request.speed)
            audio = self._silence(silence.seconds)
            self._given += len(audio) / self.sample_rate
            return self._encode(encoder, np.concatenate([before, audio]))

        async with aclosing(self._spoken(streaming, early)) as spoken:
            async for sound in spoken:
                if isinstance(sound, Silence):
                    chunk = await ENCODING.run(silence_encoded, sound)
                elif isinstance(sound, EarlySound):
                    chunk = await ENCODING.run(early_encoded, sound)
                else:
                    chunk = await ENCODING.run(piece_encoded, *sound)
                if chunk:
                    yield chunk
        chunk = await ENCODING.run(lambda: self._encode(encoder, tempo.finish()))
        if chunk:
            yield chunk
        rest = encoder.finish_in_chunks()
        while (last := await ENCODING.run(next, rest, None)) is not None:
            yield last

    def _silence(self, seconds: float) -> Audio:
        return np.zeros(round(seconds * self.sample_rate), np.float32)

    def _encode(self, encoder: Encoder, audio: Audio) -> bytes:
        self._samples += len(audio)
        self._meter.add(Usage(audio_seconds=len(audio) / self.sample_rate))
        return encoder.encode(audio)

    async def _spoken(
        self, streaming: bool, early: bool
    ) -> AsyncGenerator[EarlySound | tuple[Utterance, Piece] | Silence, None]:
        """In order early sounds and pieces, and silences; the engine has a few pieces at any time.

        Args:
            streaming: whether somebody listens meanwhile. Then the first piece is made before the others:
                pieces that share a batch are all finished late, and the listener waits for the first one.
            early: whether sounds of a piece may come before it is whole.
        """
        begun: set[PieceSounds] = set()
        first: PieceSounds | None = None

        async def begin(piece: Piece | Silence) -> PieceSounds | Silence:
            nonlocal first
            if isinstance(piece, Silence):
                return piece
            if streaming and first is not None:
                await first.ended()
            sounds = PieceSounds(piece, lambda take: self._speak(piece, take if early else None))
            begun.add(sounds)
            first = first or sounds
            await sounds.begun()
            return sounds

        try:
            in_order = ordered(iter(self._pieces), begin, _AHEAD, first_alone=streaming)
            async with aclosing(in_order) as items:
                async for item in items:
                    if isinstance(item, Silence):
                        yield item
                        continue
                    async for sound in item:
                        yield sound if isinstance(sound, EarlySound) else (sound, item.piece)
                    begun.discard(item)
        finally:
            await asyncio.gather(*(sounds.close() for sounds in begun))

    async def _speak(self, piece: Piece, early: OnEarlySound | None) -> Utterance:
        voice, timed = self._request.voice, self._request.timestamps
        utterance = await self._engine.utter(
            piece.text, voice, self._request_id, timed=timed, early=None if timed else early
        )
        if timed and utterance.words is None:
            raise InvalidInput(
                f"the voice {voice.id} cannot tell when words are said: leave `timestamps` out", "timestamps"
            )
        self._meter.add(Usage(characters=len(piece.text)))
        return utterance
