"""A live session: audio in as it is spoken, events out.

An update of a stream is one row of the engine. One update of a session is in flight at a time; audio that
comes meanwhile is read by the next one. So a busy machine makes updates rarer and never lets them pile up.
When an utterance ends, its final text is made (`final.py`).
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

import numpy as np

from src.engines.base import STT_SAMPLE_RATE, Audio, PartialTranscript, Segment, SttOptions
from src.errors import Overloaded, TooSlow, VozError
from src.observability.metrics import live_updated
from src.scheduling.executors import SEGMENTATION
from src.scheduling.live_load import INTERVAL
from src.services.live.context import Context, joined
from src.services.live.endpointing import Edge, Endpointer, Turn, TurnDetection
from src.services.live.events import Completed, Failed, LiveEvent, SpeechStarted, SpeechStopped, Words
from src.services.live.final import FinalReader, FinalText
from src.services.live.tail import LONG, NEAR, SHORT, Extent, Tail
from src.services.live.utterance import GUARD, MAX_PROMPT, Update, Utterance, rest_of
from src.services.stt import SttService

log = logging.getLogger(__name__)

_FIRST_UPDATE = 0.7
"""Seconds of an utterance at which it is read first."""
_PAUSE = 0.25
"""Seconds of silence after which words are read to their end. Then nothing is read until speech goes on."""
_GAP = 0.1
"""Seconds of silence after which the next update waits: either speech goes on, or it is a pause."""
_KEPT_SECONDS = 1.5
"""Audio that is kept while nobody speaks: the prefix of the next utterance comes from there."""
_MAX_UTTERANCE = 25.0
"""Seconds after which an utterance without a pause is cut, as a file is."""
_MAX_COMMITTED = 600.0
"""Seconds of audio without a commit, if the client ends utterances itself, after which it is ended here."""
_DETECT_SECONDS = 2.0
"""Seconds of audio from which the detected language is kept for the utterance."""
_MAX_EVENTS = 1000
"""Events that wait for a client who does not read."""
_MAX_FINALS = 4
"""Utterances that wait for their final text; a client who sends faster must wait."""


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a session is transcribed."""

    stt: SttOptions = field(default_factory=SttOptions)
    turn_detection: TurnDetection | None = field(default_factory=TurnDetection)
    """None: the client ends utterances with `commit`."""
    interval: float = INTERVAL
    """Seconds of new audio between two updates."""
    guard: float = GUARD
    """Seconds behind the newest audio at which a word is stable."""
    partial: bool = True
    """Whether words are wanted before the utterance ends."""


class LiveSession:
    """One speaker. An async context manager: leaving it cancels everything, rows in the engine included.

    Args:
        stt: transcribes.
        options: may be changed while it runs (`configure`).
        new_id: makes ids of utterances.
    """

    def __init__(
        self,
        stt: SttService,
        options: LiveOptions,
        new_id: Callable[[], str] = lambda: f"item_{secrets.token_hex(10)}",
    ) -> None:
        self._stt = stt
        self._options = options
        self._new_id = new_id
        self._endpointer = Endpointer(options.turn_detection or TurnDetection())
        self._recent = np.zeros(0, np.float32)
        """The last audio, from sample `_received - len(_recent)` on."""
        self._received = 0
        self._utterance: Utterance | None = None
        self._context = Context()
        self._load = stt.live
        self._events: asyncio.Queue[LiveEvent | None] = asyncio.Queue(_MAX_EVENTS)
        self._reading = asyncio.Lock()
        """Held while an update is in flight."""
        self._final = FinalReader(stt, self._context, self._read_to_end)
        self._finals: asyncio.Queue[tuple[Utterance, LiveOptions] | None] = asyncio.Queue(_MAX_FINALS)
        self._tails: dict[Extent, Tail | None] = {}
        """The end of the last utterance whose final text is there."""
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._load.sessions += 1
        self._tasks = [asyncio.create_task(self._update()), asyncio.create_task(self._complete())]
        for task in self._tasks:
            task.add_done_callback(self._on_end)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._load.sessions -= 1
        self._set(None)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def seconds(self) -> float:
        """Seconds of audio received."""
        return self._received / STT_SAMPLE_RATE

    @property
    def pending_seconds(self) -> float:
        """Seconds of audio of the utterance that goes on."""
        return self._utterance.seconds if self._utterance else 0.0

    def configure(self, options: LiveOptions) -> None:
        """Change the options from the next utterance on; turn detection at once."""
        before, self._options = self._options, options
        if options.turn_detection is None:
            return
        if before.turn_detection is None:  # the endpointer has not been given the audio so far
            self._endpointer = Endpointer(options.turn_detection, self._received)
        else:
            self._endpointer.detection = options.turn_detection

    async def push(self, audio: Audio) -> None:
        """Take the next audio, 16 kHz mono. Waits if utterances are completed more slowly than they come.

        Raises:
            TooSlow: too many events wait to be read.
        """
        self._check()
        for start in range(0, len(audio), STT_SAMPLE_RATE):
            await self._push(audio[start : start + STT_SAMPLE_RATE])

    async def commit(self) -> str | None:
        """End the utterance that goes on here; its id, or None if there is none."""
        utterance = self._utterance
        if utterance is None:
            return None
        self._endpointer.stop()
        await self._end(utterance, self._received)
        return utterance.item_id

    def clear(self) -> None:
        """Forget the utterance that goes on."""
        self._set(None)
        self._endpointer.stop()

    async def finish(self) -> None:
        """No more audio: complete the last utterance and all that wait, then end the events."""
        await self.commit()
        await self._complete_later(None)
        await self._tasks[1]

    async def __aiter__(self) -> AsyncIterator[LiveEvent]:
        """Events, until `finish` is done. Raises what ended a task of the session."""
        while (event := await self._events.get()) is not None:
            yield event
        self._check()

    def _on_end(self, task: asyncio.Task[None]) -> None:
        """Tell the reader of events that a task has failed; one who reads nothing learns it from `push`."""
        if not task.cancelled() and task.exception() is not None:
            with contextlib.suppress(asyncio.QueueFull):
                self._events.put_nowait(None)

    def _check(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _set(self, utterance: Utterance | None) -> None:
        """Change the utterance that goes on."""
        self._load.speaking += (utterance is not None) - (self._utterance is not None)
        self._utterance = utterance

    async def _push(self, block: Audio) -> None:
        before = self._received
        self._received += len(block)
        self._load.received(len(block) / STT_SAMPLE_RATE)
        self._recent = np.concatenate([self._recent, block])[-round(_KEPT_SECONDS * STT_SAMPLE_RATE) :]
        if self._options.turn_detection is None:
            if self._utterance is None:
                self._begin(before, announced=False)
            else:
                self._utterance.append(block)
                if self._utterance.seconds >= _MAX_COMMITTED:
                    await self._end(self._utterance, self._received)
            self._news.set()
            return
        turns = await SEGMENTATION.run(self._endpointer.push, block)
        if self._utterance is not None:
            self._utterance.append(block)
        for turn in turns:
            await self._turn(turn)
        utterance = self._utterance
        if utterance is not None:
            if utterance.seconds >= _MAX_UTTERANCE:
                await self._cut(utterance)
            self._news.set()

    def _begin(self, sample: int, *, announced: bool = True) -> None:
        utterance = Utterance(self._new_id(), sample, self._options.guard)
        self._set(utterance)
        self._context.begin(sample / STT_SAMPLE_RATE)
        utterance.language = self._options.stt.language
        start = max(0, len(self._recent) - (self._received - sample))
        utterance.append(self._recent[start:])
        if announced:
            self._emit(SpeechStarted(utterance.item_id, sample / STT_SAMPLE_RATE))

    async def _turn(self, turn: Turn) -> None:
        if turn.edge is Edge.START and self._utterance is None:
            self._begin(turn.sample)
        elif turn.edge is Edge.STOP and self._utterance is not None:
            utterance = self._utterance
            utterance.spoken = turn.sample - utterance.start
            if (length := turn.judged - utterance.start) < utterance.samples:
                utterance.split(length)  # the rest of a long block may be the beginning of the next one
            await self._end(utterance, turn.sample)

    async def _cut(self, utterance: Utterance) -> None:
        """End an utterance without pauses where it is quietest behind its stable words, and begin another."""
        newest = utterance.start + utterance.samples
        stable = utterance.start + round(utterance.stable_until * STT_SAMPLE_RATE)
        at = self._endpointer.quietest(max(stable, newest - 5 * STT_SAMPLE_RATE), newest)
        rest = utterance.split(at - utterance.start)
        await self._end(utterance, at)
        self._endpointer.cut(at)
        following = Utterance(self._new_id(), at, self._options.guard)
        following.language = utterance.language
        following.language_probability = utterance.language_probability
        self._set(following)
        following.append(rest)
        self._emit(SpeechStarted(following.item_id, at / STT_SAMPLE_RATE))

    async def _end(self, utterance: Utterance, sample: int) -> None:
        self._set(None)
        self._emit(SpeechStopped(utterance.item_id, sample / STT_SAMPLE_RATE))
        options = self._options
        language = options.stt.language or utterance.language
        self._context.ended(utterance.item_id, utterance.text, language, sample / STT_SAMPLE_RATE)
        options = replace(options, stt=replace(options.stt, language=language))
        await self._complete_later((utterance, options))

    async def _complete_later(self, ended: tuple[Utterance, LiveOptions] | None) -> None:
        """Let an utterance be completed after those that wait; None: there are no more.

        Raises what the task raised that completes them, if it has ended: it would be waited for in vain.
        """
        put = asyncio.create_task(self._finals.put(ended))
        try:
            await asyncio.wait({put, self._tasks[1]}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            put.cancel()
        self._check()

    async def _update(self) -> None:
        """Read the utterance that goes on, again and again."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                async with self._reading:
                    utterance = self._utterance
                    if utterance is not None and self._options.partial and self._is_due(utterance):
                        await self._read(utterance)
            except TooSlow:  # of the client, not of the update
                raise
            except Overloaded:
                self._load.refused()
            except VozError as error:  # the next update, or the final text, reads this audio again
                log.warning("an update of a live session failed: %s", error)

    def _is_due(self, utterance: Utterance) -> bool:
        """Whether there is enough new audio for an update."""
        if self._options.turn_detection is not None:
            silence = self._endpointer.silence
            if silence >= _PAUSE:
                # the detector may be ahead of the utterance: without new audio there is nothing to read
                end = self._spoken(utterance) + round(_PAUSE * STT_SAMPLE_RATE)
                return utterance.unread > 0 and utterance.updated < end
            if silence > _GAP and utterance.unread < 2 * self._interval:
                return False
        return utterance.unread >= (self._interval if utterance.updated else _FIRST_UPDATE)

    @property
    def _interval(self) -> float:
        return self._load.interval(self._options.interval)

    def _spoken(self, utterance: Utterance) -> int:
        """Samples of the utterance up to the end of its last speech."""
        return self._endpointer.speech_end - utterance.start

    async def _read(self, utterance: Utterance) -> None:
        paused = self._options.turn_detection is not None and self._endpointer.silence >= _PAUSE
        read, started = utterance.unread, time.monotonic()
        tail = self._tail_before(utterance, utterance.language)
        update = utterance.next_update(self._spoken(utterance) if paused else None, tail)
        partial = await self._read_on(utterance, update, self._options.stt, utterance.language)
        now = time.monotonic()
        # what is unread came after the start, but a client may send faster than anybody speaks; and a cut may
        # have left less than was read
        lag = max(0.0, min(utterance.unread, now - started))
        self._load.updated(partial.engine_seconds, read, now - started, self._options.interval, lag, now)
        if utterance.is_completed or (self._utterance is not utterance and utterance.spoken is None):
            return  # too late; or it was dropped, or cut before the end of what was read
        if utterance.language is None and update.end >= _DETECT_SECONDS:
            utterance.language = partial.language
            utterance.language_probability = partial.language_probability
        self._take(utterance, update, partial, lag)
        self._news.set()

    def _tail_before(self, utterance: Utterance, language: str | None) -> Tail | None:
        """The end of the utterance before, if an utterance may be read with it."""
        # where updates are rarer than wanted already, a long one would make them rarer still
        has_room = self._interval <= self._options.interval
        tail = self._tails.get(LONG if has_room else SHORT)
        if tail is None or utterance.start - tail.end > NEAR:
            return None
        if tail.item_id != self._context.previous(utterance.item_id):  # there is one between
            return None
        context = self._context.before(utterance.item_id, language)
        return tail if f" {context}".endswith(tail.text) else None

    async def _read_on(
        self, utterance: Utterance, update: Update, options: SttOptions, language: str | None
    ) -> PartialTranscript:
        """Have the engine read an update."""
        context = self._context.before(utterance.item_id, language)
        before = joined(f" {context}".removesuffix(update.said).strip(), update.prompt) or ""
        prompt = joined(options.prompt, before[-MAX_PROMPT:].strip())
        options = replace(options, language=language, prompt=prompt)
        return await self._stt.transcribe_partial(update.audio, options, update.forced, update.draft)

    def _take(
        self, utterance: Utterance, update: Update, partial: PartialTranscript, lag: float = 0.0
    ) -> None:
        """Tell what an update brought."""
        progress = utterance.take(update, partial)
        live_updated(lag)
        if self._utterance is utterance:
            self._endpointer.note_text(utterance.text + progress.tentative)
        self._emit(Words(utterance.item_id, progress.stable, utterance.text, progress.tentative, lag))

    async def _complete(self) -> None:
        """Make the final texts of ended utterances, in their order."""
        while (ended := await self._finals.get()) is not None:
            utterance, options = ended
            event: LiveEvent
            try:
                final = await self._final.read(utterance, options.stt, updated=options.partial)
                event = self._completed(utterance, final)
            except VozError as error:
                event = Failed(utterance.item_id, error)
            utterance.is_completed = True
            self._emit(event)
        await self._events.put(None)

    async def _read_to_end(self, utterance: Utterance, options: SttOptions) -> None:
        """Read the last words of an utterance that has ended, unless an update did."""
        async with self._reading:  # an update in flight reads some of them
            if utterance.is_read:
                return
            update = utterance.next_update(utterance.spoken, self._tail_before(utterance, options.language))
            partial = await self._read_on(utterance, update, options, options.language)
            self._load.completed(partial.engine_seconds)
            self._take(utterance, update, partial)

    def _completed(self, utterance: Utterance, final: FinalText) -> Completed:
        self._context.completed(utterance.item_id, final.text, final.language)
        self._final.completed(utterance, final.text)
        self._tails = {extent: utterance.tail(final.text, extent) for extent in (LONG, SHORT)}
        start = utterance.start / STT_SAMPLE_RATE
        return Completed(
            item_id=utterance.item_id,
            start=start,
            end=start + utterance.seconds,
            text=final.text,
            rest=rest_of(final.text, utterance.text),
            segments=tuple(_moved(segment, start) for segment in final.segments),
            language=final.language,
            language_probability=final.language_probability,
            lag=(self._received - utterance.start - utterance.samples) / STT_SAMPLE_RATE,
        )

    def _emit(self, event: LiveEvent) -> None:
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            raise TooSlow("the client does not read what it is sent") from None


def _moved(segment: Segment, by: float) -> Segment:
    words = segment.words and tuple(
        replace(word, start=word.start + by, end=word.end + by) for word in segment.words
    )
    return replace(segment, start=segment.start + by, end=segment.end + by, words=words)
