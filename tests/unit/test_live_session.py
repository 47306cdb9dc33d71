"""What a live session reads, when, and with what."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from src.engines.base import STT_SAMPLE_RATE, Audio, PartialTranscript, PartialWord, SttOptions
from src.engines.silero import FRAME
from src.engines.vad import Probabilities
from src.errors import EngineFailed
from src.scheduling.live_load import Cost, LiveLoad
from src.services.live import endpointing, session
from src.services.live.endpointing import TurnDetection
from src.services.live.events import Completed, Failed, LiveEvent, SpeechStarted, SpeechStopped, Words
from src.services.live.session import LiveOptions, LiveSession
from src.services.stt import Result, SttService
from src.services.usage import Usage
from tests.support.eventually import eventually

pytestmark = pytest.mark.anyio


class Counting:
    """Writes how many seconds it was given, and notes what it was asked for."""

    def __init__(self) -> None:
        self.live = LiveLoad(lambda: 2)
        self.updates: list[float] = []
        self.finals: list[SttOptions] = []

    async def transcribe_partial(
        self, audio: Audio, options: SttOptions, forced: Sequence[int], draft: Sequence[int] = ()
    ) -> PartialTranscript:
        self.updates.append(len(audio) / STT_SAMPLE_RATE)
        end = self.updates[-1] - 0.2
        found = (
            PartialWord(" maybe", (2,), end, end, 0.3)
            if forced
            else PartialWord(" word", (1,), 0.4, 0.5, 0.9)
        )
        return PartialTranscript((found,), "en", 1.0, 0.01)

    async def stream_blocks(self, blocks: AsyncIterator[Audio], options: SttOptions) -> AsyncIterator[Any]:
        self.finals.append(options)
        seconds = sum([len(block) async for block in blocks]) / STT_SAMPLE_RATE
        yield Result(f"{seconds:g} seconds", "en", 1.0, seconds, (), "none", Usage(), engine_seconds=0.05)


async def test_audio_without_a_commit_is_ended_at_a_bound_and_none_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "_MAX_COMMITTED", 3.0)
    async with LiveSession(cast(SttService, Counting()), LiveOptions(turn_detection=None)) as live:
        for _ in range(8):
            await live.push(np.zeros(STT_SAMPLE_RATE, np.float32))
        await live.finish()
        texts = [event.text async for event in live if isinstance(event, Completed)]
    assert texts == ["3 seconds", "3 seconds", "2 seconds"]


class Broken(Counting):
    """Makes no final text: it fails when it is told to."""

    def __init__(self, fails: asyncio.Event) -> None:
        super().__init__()
        self._fails = fails

    async def transcribe_partial(
        self, audio: Audio, options: SttOptions, forced: Sequence[int], draft: Sequence[int] = ()
    ) -> PartialTranscript:
        raise RuntimeError("a fault in the program")

    async def stream_blocks(self, blocks: AsyncIterator[Audio], options: SttOptions) -> AsyncIterator[Any]:
        await self._fails.wait()
        raise RuntimeError("a fault in the program")
        yield


@pytest.mark.parametrize("partial", [True, False])
async def test_who_only_reads_events_learns_that_a_session_has_failed(partial: bool) -> None:
    fails = asyncio.Event()
    options = LiveOptions(turn_detection=None, partial=partial)
    async with LiveSession(cast(SttService, Broken(fails)), options) as live:
        await live.push(np.zeros(STT_SAMPLE_RATE, np.float32))
        if not partial:
            await live.commit()
        fails.set()
        with pytest.raises(RuntimeError, match="a fault"):
            async with asyncio.timeout(20):
                async for _ in live:
                    pass


async def test_a_session_whose_final_texts_cannot_be_made_says_so_while_it_waits_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = asyncio.Event()
    monkeypatch.setattr(session, "_MAX_COMMITTED", 1.0)
    options = LiveOptions(turn_detection=None, partial=False)
    async with LiveSession(cast(SttService, Broken(waits)), options) as live:
        pushing = asyncio.create_task(live.push(np.zeros(20 * STT_SAMPLE_RATE, np.float32)))
        for _ in range(200):
            await asyncio.sleep(0)
        assert not pushing.done(), "it waits"
        waits.set()
        with pytest.raises(RuntimeError, match="a fault"):
            await asyncio.wait_for(pushing, 20)


FRAME_SECONDS = FRAME / STT_SAMPLE_RATE


class Scripted:
    """A detector that finds speech in samples that are not 0."""

    def push(self, block: Audio) -> Probabilities:
        frames = block[: len(block) // FRAME * FRAME].reshape(-1, FRAME)
        return np.asarray([float(np.any(frame)) for frame in frames], np.float32)


async def spoken(
    service: Counting,
    script: Sequence[tuple[float, float]],
    monkeypatch: pytest.MonkeyPatch,
    stt: SttOptions | None = None,
    **options: Any,
) -> list[LiveEvent]:
    """The events of a session in which speech and silence take turns, so many seconds each."""
    monkeypatch.setattr(endpointing, "SpeechDetector", Scripted)
    how = LiveOptions(stt or SttOptions(language="en"), TurnDetection(**options))
    async with LiveSession(cast(SttService, service), how) as live:
        for pair in script:
            for value, seconds in zip((0.1, 0.0), pair, strict=True):
                for _ in range(round(seconds / FRAME_SECONDS)):
                    await live.push(np.full(FRAME, value, np.float32))
                    for _ in range(5):
                        await asyncio.sleep(0)
        await live.finish()
        return [event async for event in live]


async def test_a_pause_is_read_once_and_then_nothing_until_speech_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stt = Counting()
    events = await spoken(stt, [(1.0, 3.0), (1.0, 3.0)], monkeypatch, silence_seconds=5.0)
    assert [seconds for seconds in stt.updates if 1.1 < seconds < 4.0] == [pytest.approx(1.28, abs=0.07)]
    assert [seconds for seconds in stt.updates if seconds > 5.1] == [pytest.approx(5.28, abs=0.07)]
    assert [seconds for seconds in stt.updates if 4.0 < seconds < 5.1], "speech is read while it goes on"
    assert [event.text for event in events if isinstance(event, Words)][-1] == "word"


async def test_updates_are_rarer_while_many_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = Counting(), Counting()
    many.live.assume(Cost(update=0.2, rest=0.1))
    many.live.sessions = many.live.speaking = 8
    await spoken(few, [(6.0, 1.0)], monkeypatch)
    await spoken(many, [(6.0, 1.0)], monkeypatch)
    assert len(many.updates) <= len(few.updates) / 2
    assert many.finals, "the final text comes all the same"


async def test_sessions_are_counted_while_they_are_open_and_while_somebody_speaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stt = Counting()
    monkeypatch.setattr(endpointing, "SpeechDetector", Scripted)
    async with LiveSession(cast(SttService, stt), LiveOptions()) as live:
        assert (stt.live.sessions, stt.live.speaking) == (1, 0)
        await live.push(np.ones(STT_SAMPLE_RATE, np.float32))
        assert (stt.live.sessions, stt.live.speaking) == (1, 1)
        live.clear()
        assert stt.live.speaking == 0
        await live.push(np.ones(STT_SAMPLE_RATE, np.float32))
        assert stt.live.speaking == 1
    assert (stt.live.sessions, stt.live.speaking) == (0, 0)


async def test_audio_that_is_sent_faster_than_anybody_speaks_is_no_lag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Slow(Counting):
        async def transcribe_partial(self, *given: Any, **named: Any) -> PartialTranscript:
            await asyncio.sleep(0.05)
            return await super().transcribe_partial(*given, **named)

    stt = Slow()
    monkeypatch.setattr(endpointing, "SpeechDetector", Scripted)
    async with LiveSession(cast(SttService, stt), LiveOptions()) as live:
        for _ in range(4):  # each while an update is in flight
            await live.push(np.ones(5 * STT_SAMPLE_RATE, np.float32))
            await asyncio.sleep(0.03)
        await eventually(lambda: len(stt.updates) > 2)
        assert stt.live.lag(time.monotonic()) < 0.5


async def test_turn_detection_that_begins_midway_counts_the_audio_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpointing, "SpeechDetector", Scripted)
    async with LiveSession(cast(SttService, Counting()), LiveOptions(turn_detection=None)) as live:
        await live.push(np.zeros(10 * STT_SAMPLE_RATE, np.float32))
        await live.commit()
        live.configure(LiveOptions())
        for value, seconds in ((0.0, 1), (0.1, 2), (0.0, 1)):
            await live.push(np.full(seconds * STT_SAMPLE_RATE, value, np.float32))
        await live.finish()
        events = [event async for event in live]
    [started] = [event for event in events if isinstance(event, SpeechStarted)]
    stopped = [event.at for event in events if isinstance(event, SpeechStopped)]
    final = [event for event in events if isinstance(event, Completed)][-1]
    assert started.at == pytest.approx(10.7, abs=0.1), "with what belongs to the utterance before the speech"
    assert stopped[-1] == pytest.approx(13.0, abs=0.1)
    assert final.start == started.at
    assert final.end == pytest.approx(13.5, abs=0.6)
    assert final.lag < 1.0


async def test_under_strain_final_texts_are_made_of_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    stt = Counting()
    monkeypatch.setattr(LiveLoad, "strained", lambda self, now: True)
    events = await spoken(stt, [(2.0, 1.0)], monkeypatch)
    [final] = [event for event in events if isinstance(event, Completed)]
    assert stt.finals == []
    assert final.text == "word maybe"
    assert final.rest == " maybe"
    assert final.segments[0].text == "word maybe"


async def test_the_final_text_is_read_with_what_was_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    stt = Counting()
    await spoken(stt, [(2.0, 1.0), (2.0, 1.0), (2.0, 20.0), (2.0, 1.0)], monkeypatch)
    assert all(options.live for options in stt.finals)
    prompts = [options.prompt for options in stt.finals]
    assert prompts[0] is None
    assert prompts[1] is not None
    assert prompts[1].endswith("seconds")
    assert prompts[3] is None, "after a long pause somebody begins anew"
    before = [options.before for options in stt.finals]
    assert before[0] is None
    assert before[1] is not None
    assert before[1].text == prompts[1]
    assert len(before[1].audio) / STT_SAMPLE_RATE == pytest.approx(2.3, abs=0.05), "with some silence"
    assert before[2] is not None
    assert prompts[2] is not None
    assert prompts[2].endswith(f" {before[2].text}")
    assert before[3] is None
    assert stt.live.cost.rest > 0


async def test_the_utterance_after_one_that_failed_is_not_read_with_the_audio_before_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing(Counting):
        """Fails with the second final text. The first one is the end of what updates read of the second."""

        async def transcribe_partial(self, *arguments: Any, **options: Any) -> PartialTranscript:
            found = await super().transcribe_partial(*arguments, **options)
            words = tuple(replace(word, text=f" {len(self.finals)}word") for word in found.words)
            return replace(found, words=words)

        async def stream_blocks(
            self, blocks: AsyncIterator[Audio], options: SttOptions
        ) -> AsyncIterator[Any]:
            async for item in super().stream_blocks(blocks, options):
                if len(self.finals) == 2:
                    raise EngineFailed("a fault")
                yield replace(item, text="ord")

    stt = Failing()
    events = await spoken(stt, [(2.0, 1.0), (1.2, 1.0), (2.0, 1.0)], monkeypatch)
    assert [type(event) for event in events if isinstance(event, Completed | Failed)] == [
        Completed,
        Failed,
        Completed,
    ]
    assert stt.finals[1].before is not None
    assert stt.finals[2].prompt == "ord 1word"
    assert stt.finals[2].before is None


class Sure(Counting):
    """Reads one word of which it is sure, in all audio."""

    async def transcribe_partial(
        self, audio: Audio, options: SttOptions, forced: Sequence[int], draft: Sequence[int] = ()
    ) -> PartialTranscript:
        partial = await super().transcribe_partial(audio, options, (), draft)
        return replace(partial, words=() if forced else partial.words)


async def test_an_utterance_whose_words_are_all_sure_is_not_read_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stt = Sure()
    events = await spoken(stt, [(1.0, 4.0), (1.0, 1.0)], monkeypatch)
    finals = [event for event in events if isinstance(event, Completed)]
    assert stt.finals == []
    assert [(final.text, final.rest, final.language) for final in finals] == [("word", "", "en")] * 2
    assert finals[1].segments[0].start == pytest.approx(finals[1].start + 0.5, abs=0.01)
    assert finals[0].segments[0].avg_logprob == pytest.approx(-0.105, abs=0.01)


class Following(Counting):
    """Reads one word in each of two utterances, half a second after it begins, and notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[float, str | None, tuple[int, ...]]] = []

    async def transcribe_partial(
        self, audio: Audio, options: SttOptions, forced: Sequence[int], draft: Sequence[int] = ()
    ) -> PartialTranscript:
        self.given.append((len(audio) / STT_SAMPLE_RATE, options.prompt, tuple(forced)))
        followed = len(audio) > 1.7 * STT_SAMPLE_RATE
        words = [PartialWord(" one", (1,), 0.5, 0.5, 0.9), PartialWord(" two", (2,), 1.8, 1.8, 0.9)]
        return PartialTranscript(tuple(words[len(forced) : 1 + followed]), "en", 1.0, 0.01)


async def test_updates_read_a_short_utterance_with_the_end_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stt = Following()
    events = await spoken(stt, [(1.0, 1.0), (1.0, 1.0)], monkeypatch)
    finals = [event for event in events if isinstance(event, Completed)]
    assert [final.text for final in finals] == ["one", "two"]
    assert finals[1].segments[0].start == pytest.approx(finals[1].start + 0.5, abs=0.05)
    assert stt.finals == [], "updates read all of it, and were sure"
    second = [given for given in stt.given if given[0] > 1.7]
    assert second[0][0] == pytest.approx(1.3 + session._FIRST_UPDATE, abs=0.1), "with 0.3 s of the pause"
    assert [forced for _, _, forced in second][:1] == [(1,)]
    assert [prompt for _, prompt, _ in second] == [None] * len(second), "what is forced is no prompt, too"


class Talking(Following):
    """In the second utterance, reads a word every half second."""

    async def transcribe_partial(
        self, audio: Audio, options: SttOptions, forced: Sequence[int], draft: Sequence[int] = ()
    ) -> PartialTranscript:
        seconds = len(audio) / STT_SAMPLE_RATE
        self.given.append((seconds, options.prompt, tuple(forced)))
        behind = forced[:1] == (1,)
        times = {1: 0.5} if behind or seconds < 1.7 else {}
        if seconds > 1.7:
            begin = 1.3 if behind else 0.0
            times |= {2 + at: begin + 0.5 + 0.5 * at for at in range(20) if 0.5 + 0.5 * at < seconds - begin}
        words = [PartialWord(f" word{token}", (token,), time, time, 0.9) for token, time in times.items()]
        return PartialTranscript(tuple(words[len(forced) :]), "en", 1.0, 0.01)


@pytest.mark.parametrize(("wider", "most"), [(1, 6.0), (3, 3.0)], ids=["few speak", "many speak"])
async def test_while_many_speak_only_the_beginning_is_read_with_the_end_of_the_one_before(
    wider: int, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    stt = Talking()
    monkeypatch.setattr(LiveLoad, "interval", lambda self, wanted: wider * wanted)
    await spoken(stt, [(1.0, 1.0), (7.0, 1.0)], monkeypatch)
    behind = [seconds - 1.3 for seconds, _, forced in stt.given if seconds > 1.7 and forced[:1] == (1,)]
    assert most - 1.3 < max(behind) < most + 0.1


async def test_after_a_long_pause_or_a_failure_updates_read_an_utterance_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stt = Following()
    await spoken(stt, [(1.0, 4.0), (1.0, 1.0)], monkeypatch)
    assert max(seconds for seconds, _, _ in stt.given) < 1.7
    assert stt.given[-1][1] == "one"

    class Failing(Following):
        async def stream_blocks(
            self, blocks: AsyncIterator[Audio], options: SttOptions
        ) -> AsyncIterator[Any]:
            raise EngineFailed("a fault")
            yield

    failing = Failing()
    await spoken(failing, [(1.0, 1.0), (1.0, 1.0)], monkeypatch, SttOptions("en", word_timestamps=True))
    assert max(seconds for seconds, _, _ in failing.given) < 1.7


@pytest.mark.parametrize(
    "stt_options",
    [
        SttOptions(language="en", word_timestamps=True),
        SttOptions(language="en", token_logprobs=True),
        SttOptions(),  # the language of so short an utterance is not known
    ],
)
async def test_an_utterance_is_read_once_more_if_more_is_wanted_than_its_words(
    monkeypatch: pytest.MonkeyPatch, stt_options: SttOptions
) -> None:
    stt = Sure()
    await spoken(stt, [(1.2, 1.0)], monkeypatch, stt=stt_options)
    assert len(stt.finals) == 1


async def test_an_update_in_flight_at_the_end_is_taken_and_the_rest_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Slow(Sure):
        """Answers the first update when the utterance has ended."""

        in_flight = 0
        most_in_flight = 0

        async def transcribe_partial(self, *given: Any, **named: Any) -> PartialTranscript:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            if not self.updates:
                await eventually(lambda: not self.live.speaking)
            self.in_flight -= 1
            return await super().transcribe_partial(*given, **named)

    stt = Slow()
    events = await spoken(stt, [(1.2, 1.0)], monkeypatch)
    assert len(stt.updates) == 2
    assert stt.most_in_flight == 1
    assert [event.stable for event in events if isinstance(event, Words)] == ["", "word"]
    [final] = [event for event in events if isinstance(event, Completed)]
    assert (final.text, stt.finals) == ("word", [])


async def test_an_utterance_whose_end_cannot_be_read_by_itself_is_read_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Refusing(Sure):
        async def transcribe_partial(self, *_: Any, **__: Any) -> PartialTranscript:
            raise EngineFailed("a fault")

    stt = Refusing()
    events = await spoken(stt, [(1.5, 1.0)], monkeypatch)
    assert [event.text for event in events if isinstance(event, Completed)] == ["2.016 seconds"]


async def test_what_updates_read_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    stt = Counting()
    before = stt.live.cost.share
    await spoken(stt, [(20.0, 1.0)] * 4, monkeypatch)
    assert stt.live.cost.share > before, "there was little silence"


class Reading(Counting):
    """Reads a word in each half second.

    Args:
        first: the language that it detects in less than 1.9 s of audio. In more it detects English.
        probability: of each word.
    """

    def __init__(self, first: str, probability: float) -> None:
        super().__init__()
        self._first = first
        self._probability = probability

    async def transcribe_partial(
        self, audio: Audio, options: SttOptions, forced: Sequence[int], draft: Sequence[int] = ()
    ) -> PartialTranscript:
        seconds = len(audio) / STT_SAMPLE_RATE
        times = np.arange(0.3, seconds - 0.2, 0.5).tolist()
        words = [PartialWord(f" {n}", (n,), at, at, self._probability) for n, at in enumerate(times)]
        language = "en" if options.language or seconds > 1.9 else self._first
        return PartialTranscript(tuple(words[len(forced) :]), language, 1.0, 0.01)


@pytest.mark.parametrize(
    ("first", "probability", "drafts"),
    [("en", 0.95, []), ("en", 0.5, [(0, 1, 2, 3, 4, 5)]), ("nl", 0.95, [()])],
)
async def test_words_that_were_read_in_another_language_are_neither_the_final_text_nor_a_draft(
    monkeypatch: pytest.MonkeyPatch, first: str, probability: float, drafts: list[tuple[int, ...]]
) -> None:
    stt = Reading(first, probability)
    await spoken(stt, [(3.0, 1.0)], monkeypatch, stt=SttOptions())
    assert [options.draft for options in stt.finals] == drafts
    assert [0 < options.stable < len(options.draft) for options in stt.finals] == [*map(bool, drafts)]


async def turns() -> None:
    """Let the tasks of a session go on as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


class Late(Sure):
    """Answers no update before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.asked = 0

    async def transcribe_partial(self, *given: Any, **named: Any) -> PartialTranscript:
        self.asked += 1
        await self.answers.wait()
        return await super().transcribe_partial(*given, **named)


async def test_nothing_is_told_of_an_utterance_after_its_final_text(monkeypatch: pytest.MonkeyPatch) -> None:
    stt = Late()
    monkeypatch.setattr(endpointing, "SpeechDetector", Scripted)
    how = LiveOptions(SttOptions(language="en", word_timestamps=True), TurnDetection())
    async with LiveSession(cast(SttService, stt), how) as live:
        events = aiter(live)
        for value in (0.1, 0.0):
            await live.push(np.full(STT_SAMPLE_RATE, value, np.float32))
            await turns()
        async with asyncio.timeout(20):
            while not isinstance(await anext(events), Completed):
                pass
        assert stt.asked == 1
        stt.answers.set()
        await turns()
        await live.finish()
        assert [event async for event in events] == []


async def test_an_update_that_had_to_wait_does_not_read_what_was_forgotten_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stt = Late()
    monkeypatch.setattr(endpointing, "SpeechDetector", Scripted)
    async with LiveSession(cast(SttService, stt), LiveOptions(SttOptions(language="en"))) as live:
        for value, samples in ((0.1, 8_000), (0.0, 16_000), (0.1, 16_000)):
            await live.push(np.full(samples, value, np.float32))
            await turns()
        assert stt.asked == 1, "the end of the first utterance; an update of the second one waits for it"
        live.clear()
        stt.answers.set()
        await turns()
        await live.finish()
        assert stt.asked == 1


async def test_no_audio_is_in_two_utterances_though_one_block_has_the_end_and_the_next_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stt = Counting()
    monkeypatch.setattr(endpointing, "SpeechDetector", Scripted)
    block = np.full(30 * FRAME, 0.1, np.float32)
    pause = block.copy()
    pause[: 20 * FRAME] = 0
    async with LiveSession(cast(SttService, stt), LiveOptions(SttOptions(language="en"))) as live:
        for audio in (block, pause, np.zeros_like(block)):
            await live.push(audio)
        await live.finish()
        first, second = [event async for event in live if isinstance(event, Completed)]
    assert first.end == pytest.approx(0.96 + 0.5, abs=0.05)
    assert first.end <= second.start
