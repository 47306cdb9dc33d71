"""The final text of an utterance: what updates read if all of it is sure, else a new reading."""

import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from statistics import fmean

from src.engines.base import STT_SAMPLE_RATE, Audio, Segment, Spoken, SttOptions
from src.errors import TooSlow, VozError
from src.services.live.context import Context, joined
from src.services.live.tail import NEAR
from src.services.live.utterance import Utterance
from src.services.stt import Result, SttService

log = logging.getLogger(__name__)

_SURE_LANGUAGE = 0.8
"""Probability of a detected language from which on it is not doubted."""
_MOST_BEFORE = 12 * STT_SAMPLE_RATE
"""Samples of the longest utterance with which the next one is read."""


@dataclass(frozen=True, slots=True)
class FinalText:
    """The final text of an utterance."""

    text: str
    segments: tuple[Segment, ...]
    """Their times are seconds of the utterance."""
    language: str
    language_probability: float


@dataclass(frozen=True, slots=True)
class _Last:
    """The utterance before."""

    spoken: Spoken
    end: int
    """The sample of the session at which it ended."""


class FinalReader:
    """Makes the final texts of one session.

    Args:
        stt: transcribes.
        context: what was said before.
        read_to_end: reads the last words of an utterance that has ended, unless an update did.
    """

    def __init__(
        self,
        stt: SttService,
        context: Context,
        read_to_end: Callable[[Utterance, SttOptions], Awaitable[None]],
    ) -> None:
        self._stt = stt
        self._context = context
        self._read_to_end = read_to_end
        self._last: _Last | None = None

    def completed(self, utterance: Utterance, text: str) -> None:
        """The final text of an utterance is there: the next one may be read with its audio."""
        audio = utterance.audio_with_pause
        if text and len(audio) <= _MOST_BEFORE:
            self._last = _Last(Spoken(audio.copy(), text), utterance.start + utterance.samples)

    async def read(self, utterance: Utterance, options: SttOptions, *, updated: bool) -> FinalText:
        """The final text of an utterance that has ended: under strain, what updates read.

        Args:
            utterance: all of it.
            options: with the language that was given or detected.
            updated: whether updates read the utterance while it was spoken.

        Raises:
            VozError: it could not be read.
        """
        last, self._last = self._last, None  # if this one fails, the next one follows none
        strained = self._stt.live.strained(time.monotonic())
        may_be_sure = (
            updated
            and utterance.spoken is not None
            and options.language is not None
            and utterance.language_probability >= _SURE_LANGUAGE
            and not options.word_timestamps
            and not options.token_logprobs
        )
        if strained or may_be_sure:
            try:
                await self._read_to_end(utterance, options)
            except TooSlow:  # of the client
                raise
            except VozError as error:
                log.warning("the end of a live utterance could not be read by itself: %s", error)
            else:
                if strained or (utterance.is_sure and utterance.is_in(options.language)):
                    return _of_updates(utterance, options)
        return await self._whole(utterance, options, last)

    async def _whole(self, utterance: Utterance, options: SttOptions, last: _Last | None) -> FinalText:
        """Read all of an utterance once more, with beam search and the quality check."""
        result: Result | None = None
        before = self._context.before(utterance.item_id, options.language)
        how = replace(options, prompt=joined(options.prompt, before), live=True)
        if last is not None and utterance.start - last.end <= NEAR and before.endswith(last.spoken.text):
            how = replace(how, before=last.spoken)
        if utterance.is_in(options.language):
            how = replace(how, draft=utterance.whole_draft, stable=utterance.stable_tokens)
        async with aclosing(self._stt.stream_blocks(_blocks(utterance.audio), how)) as items:
            async for item in items:
                if isinstance(item, Result):
                    result = item
        if result is None:
            raise RuntimeError("a stream ended without its result")
        self._stt.live.completed(result.engine_seconds)
        return FinalText(result.text.strip(), result.segments, result.language, result.language_probability)


def _of_updates(utterance: Utterance, options: SttOptions) -> FinalText:
    """The final text that consists of what updates read."""
    words = utterance.all_words
    text = "".join(word.word for word in words).strip()
    segments: tuple[Segment, ...] = ()
    if words:
        logprob = fmean(math.log(max(word.probability, 1e-9)) for word in words)
        timed = words if options.word_timestamps else None
        segments = (Segment(words[0].start, words[-1].end, text, logprob, 0.0, timed),)
    return FinalText(text, segments, *utterance.last_language)


async def _blocks(audio: Audio) -> AsyncIterator[Audio]:
    """The audio as blocks of a second, as a file is read."""
    for start in range(0, len(audio), STT_SAMPLE_RATE):
        yield audio[start : start + STT_SAMPLE_RATE]
