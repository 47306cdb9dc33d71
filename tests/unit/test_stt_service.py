"""What the service makes of engines that fail or that read little; real engines are in tests/integration."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import cache
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import pytest
from pydantic import TypeAdapter

from src.composition import stt_service
from src.config import Settings
from src.engines.base import Audio, EngineInfo, LanguageGuess, Segment, SttOptions, Transcript
from src.errors import EngineFailed, Overloaded, VozError
from src.services.decoding.pool import Decoders
from src.services.stt import Progress, Result, SttService
from src.services.transcription import preceding
from src.services.transcription.finished import FinishedChunk, finished
from src.services.transcription.rows import ReadChunk
from src.services.transcription.segmenter import Chunk, Span
from src.services.usage import UsageMeter
from tests.support.speech import clip, seconds, silence, wav

T = TypeVar("T")
UNSURE = LanguageGuess("en", 0.2)


class Engine:
    """Reads `seconds` of each row at most, and is never sure of the language."""

    info = EngineInfo("toy", "toy", "cpu", "float32", ("en", "es"))

    def __init__(self, seconds: float = 0.02, failure: VozError | None = None) -> None:
        self.seconds = seconds
        self.failure = failure
        self.rows: list[int] = []
        self.drafts: list[tuple[tuple[int, ...], int]] = []
        self.asked = 0
        self.request_ids: set[str] = set()
        self.cancelled = 0

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        self.rows.append(len(audio))
        self.drafts.append((options.draft, options.stable))
        self.request_ids.add(request_id)
        segment = Segment(0.0, min(self.seconds, len(audio) / 16_000), " word", -0.1, 0.0)
        return Transcript((segment,), "en", UNSURE.probability)

    async def detect_language(
        self, audio: Audio, languages: Sequence[str], request_id: str
    ) -> list[LanguageGuess]:
        self.asked += 1
        self.request_ids.add(request_id)
        if self.failure is None or self.asked == 1:
            return [UNSURE, LanguageGuess("es", 0.1)]
        if self.asked == 2:
            raise self.failure
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        raise AssertionError("it was not cancelled")


@cache
def recording() -> bytes:
    """Some minutes, so that there are several chunks."""
    audio = np.tile(np.concatenate([clip("en-busy"), np.zeros(32_000, np.float32)]), 8)
    return wav(audio).getvalue()


def speech() -> io.BytesIO:
    return io.BytesIO(recording())


def chunk() -> io.BytesIO:
    """Speech of more than 15 s that is one chunk."""
    sound = clip("en-busy")
    found = wav(np.tile(sound, int(22 / seconds(sound))))
    assert len(found.getvalue()) > 15 * 32_000
    return found


Use = Callable[[SttService], Coroutine[Any, Any, T]]


class Run(Protocol):
    """What `use` makes of a service with that engine."""

    def __call__(self, engine: Engine, use: Use[T]) -> T: ...


@pytest.fixture(scope="module")
def run(make_settings: Callable[..., Settings]) -> Iterator[Run]:
    """All services read from the same decoders."""
    settings = make_settings()
    decoders = Decoders(spares=1, most=2, max_seconds=settings.max_audio_seconds)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        runner.run(stack.enter_async_context(decoders))
        try:
            yield lambda engine, use: runner.run(use(stt_service(cast(Any, engine), decoders, settings)))
        finally:
            runner.run(stack.aclose())


@pytest.mark.parametrize(
    "failure", [Overloaded("1024 rows wait"), EngineFailed("no")], ids=["full", "failed"]
)
def test_a_vote_that_fails_fails_with_the_engines_error(failure: VozError, run: Run) -> None:
    """An `ExceptionGroup` would be answered with 500 where 503 and Retry-After are meant."""
    engine = Engine(failure=failure)
    with pytest.raises(type(failure)) as raised:
        run(engine, lambda service: service.detect_language(speech(), ()))
    assert raised.value is failure
    assert engine.cancelled == engine.asked - 2, "the other votes are given back"

    engine = Engine(failure=failure)
    engine.asked = 1
    with pytest.raises(type(failure)):
        run(engine, lambda service: service.transcribe(speech(), SttOptions()))


def test_what_is_read_again_has_a_floor(run: Run) -> None:
    """A text that ends at once is taken as it is; one that ends early is continued three times at most."""
    for length, calls_a_chunk in ((0.02, 1), (0.9, 1), (1.5, 4)):
        engine = Engine(length)
        result = run(
            engine,
            lambda service: service.transcribe(speech(), SttOptions(language="en")),
        )
        assert isinstance(result, Result)
        chunks = len(engine.rows) / calls_a_chunk
        assert chunks == int(chunks) >= 2
        assert len(engine.request_ids) == 1, "rows of a request share its id"
        assert all(isinstance(request_id, str) for request_id in engine.request_ids)


class Looping(Engine):
    """Goes round in a loop on rows of more than `longest` seconds."""

    def __init__(self, longest: float) -> None:
        super().__init__(seconds=60)
        self.longest = longest
        self.languages: list[str | None] = []

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        self.languages.append(options.language)
        found = await super().transcribe(audio, options, request_id)
        looped = len(audio) > self.longest * 16_000
        probability = 1.0 if options.language else 0.9
        language = options.language or "es"
        return replace(found, looped=looped, language_probability=probability, language=language)


def test_what_goes_round_in_a_loop_is_read_in_pieces(run: Run) -> None:
    engine = Looping(longest=5.0)
    result = run(engine, lambda service: service.transcribe(speech(), SttOptions()))
    whole = [rows for rows in engine.rows if rows > 5 * 16_000]
    pieces = [rows for rows in engine.rows if rows <= 5 * 16_000]
    assert sum(pieces) == sum(whole), "each chunk is read again, all of it"
    assert len(result.segments) == len(pieces)
    assert engine.languages[0] is None
    assert set(engine.languages[1:]) == {"es"}, "pieces are in the language of the whole"
    assert result.language_probability == 0.9, "and no surer of it"
    starts = [segment.start for segment in result.segments]
    assert starts == sorted(starts)

    hopeless = Looping(longest=0.0)
    run(hopeless, lambda service: service.transcribe(speech(), SttOptions()))
    assert len(hopeless.rows) == len(engine.rows), "pieces are not cut again"


class LedAstray(Engine):
    """Goes round in a loop where it is given a text before the audio."""

    def __init__(self) -> None:
        super().__init__(seconds=60)
        self.options: list[SttOptions] = []

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        self.options.append(options)
        return replace(await super().transcribe(audio, options, request_id), looped=bool(options.prompt))


def test_what_goes_round_in_a_loop_is_read_without_the_text_before_it(run: Run) -> None:
    engine = LedAstray()
    options = SttOptions(language="en", prompt="press for an operator", draft=(1, 2), stable=1)
    result = run(engine, lambda service: service.transcribe(chunk(), options))
    assert [one.prompt for one in engine.options] == ["press for an operator", None]
    assert engine.drafts[1] == ((), 0)
    assert len(result.segments) == 1, "it is not cut"


class Skipping(Engine):
    """Says copies of one sound once if they are in one row; a text ends after `seconds`."""

    def __init__(self, starts: tuple[float, ...], seconds: float = 60) -> None:
        super().__init__(seconds)
        self.starts = starts

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        found = await super().transcribe(audio, options, request_id)
        copies = self.starts if len(self.rows) == 1 else ()
        return replace(found, copies=copies, language_probability=1.0 if options.language else 0.9)


@pytest.mark.parametrize("gap", [0.0, 0.4])
def test_copies_that_the_text_leaves_out_are_read_one_by_one(run: Run, gap: float) -> None:
    sound = np.concatenate([clip("en-extended"), silence(gap)])
    starts = tuple(0.1 + number * seconds(sound) for number in range(3))
    engine = Skipping(starts)
    result = run(engine, lambda service: service.transcribe(wav(np.tile(sound, 3)), SttOptions()))
    whole, *pieces = engine.rows
    assert sum(pieces) == whole
    assert [piece / 16_000 for piece in pieces] == pytest.approx([seconds(sound)] * 3, abs=0.4)
    assert [segment.start for segment in result.segments] == pytest.approx(starts, abs=0.4)
    assert result.language_probability == 0.9, "pieces are no surer of the language than the whole"


def test_copies_behind_the_end_of_the_text_are_read_once(run: Run) -> None:
    """What the text leaves unread is in the copies."""
    sound = np.concatenate([clip("en-extended"), silence(0.4)])
    starts = tuple(0.1 + number * seconds(sound) for number in range(3))
    engine = Skipping(starts, seconds(sound))
    result = run(engine, lambda service: service.transcribe(wav(np.tile(sound, 3)), SttOptions()))
    assert [segment.start for segment in result.segments] == pytest.approx(starts, abs=0.4)


@pytest.mark.parametrize(
    "engine", [Engine(1.5), Looping(longest=5.0), Skipping((0.1, 2.0, 4.0))], ids=["early", "loop", "copies"]
)
def test_a_draft_is_given_to_the_first_row_alone(run: Run, engine: Engine) -> None:
    """It is a text of all its audio, and all others are parts of it."""
    options = SttOptions(language="en", draft=(1, 2, 3), stable=2)
    run(engine, lambda service: service.transcribe(chunk(), options))
    first, *others = engine.drafts
    assert first == (options.draft, options.stable)
    assert len(others) > 2
    assert set(others) == {((), 0)}


def test_what_was_told_of_several_chunks_is_no_beginning_of_the_first(run: Run) -> None:
    """Its last words are those of the next chunk, and would be there twice."""
    engine = Engine()
    options = SttOptions(language="en", draft=(1, 2, 3), stable=2)
    run(engine, lambda service: service.transcribe(speech(), options))
    first, *others = engine.drafts
    assert first == (options.draft, 0)
    assert others
    assert set(others) == {((), 0)}


def test_a_chunk_that_is_read_in_pieces_ends_with_the_last_of_them() -> None:
    second = 16_000
    span = Span(0, second, 4 * second, second, 5 * second)
    chunk = Chunk(np.zeros(4 * second, np.float32), (span,), 4 * second)
    read = [ReadChunk(piece, Transcript((), "en", 1.0)) for piece in chunk.pieces(1.5)]
    assert len(read) > 1
    assert finished(read, (), "toy").end == 5.0


def test_usage_is_what_was_read_also_of_what_is_left(run: Run) -> None:
    async def whole(service: SttService) -> None:
        meter = UsageMeter()
        result = await service.transcribe(speech(), SttOptions(language="en"), meter)
        assert result.usage == meter.usage
        assert result.usage.audio_seconds == pytest.approx(result.duration)

    async def left(service: SttService) -> None:
        meter = UsageMeter()
        async with aclosing(service.stream(speech(), SttOptions(language="en"), meter)) as items:
            await anext(items)
        assert meter.usage.audio_seconds > 5

    run(Engine(), whole)
    run(Engine(), left)


def test_a_recording_that_goes_on_is_read_as_it_comes(run: Run) -> None:
    """Segments come before the source has ended, from blocks of any length."""
    audio = np.concatenate([clip("en-busy"), np.zeros(32_000, np.float32)])

    async def use(service: SttService) -> None:
        ended = asyncio.Event()

        async def live() -> AsyncIterator[Audio]:
            for _ in range(12):
                for at in range(0, len(audio), 1600):
                    yield audio[at : at + 1600]
            await ended.wait()

        async with aclosing(service.stream_blocks(live(), SttOptions(language="en"))) as items:
            async with asyncio.timeout(20):
                first = await anext(items)
                second = await anext(items)
            assert isinstance(first, Segment)
            assert isinstance(second, Segment)
            assert second.start > first.start
            ended.set()
            *_, result = [item async for item in items]
            assert isinstance(result, Result)
            assert result.duration == pytest.approx(12 * len(audio) / 16_000)

    run(Engine(), use)


@pytest.mark.slow
@pytest.mark.parametrize("stopped_after", [0, 1, 3])
def test_work_that_broke_off_goes_on_after_the_last_finished_chunk(run: Run, stopped_after: int) -> None:
    """Another process, with what the first one had stored: the same text, and no chunk is read again."""

    async def first(service: SttService) -> list[FinishedChunk]:
        done: list[FinishedChunk] = []
        async with aclosing(service.stream_chunks(speech(), SttOptions(), ahead=2)) as items:
            async for item in items:
                if isinstance(item, Result) or len(done) == stopped_after:
                    break
                done.append(item.chunk)
        return done

    async def whole(service: SttService, done: Sequence[FinishedChunk] = ()) -> tuple[list[Progress], Result]:
        progress: list[Progress] = []
        async with aclosing(service.stream_chunks(speech(), SttOptions(), done=done, ahead=2)) as items:
            async for item in items:
                if isinstance(item, Result):
                    return progress, item
                progress.append(item)
        raise AssertionError("no result")

    done = run(Engine(seconds=30.0), first)
    assert len(done) == stopped_after
    stored = TypeAdapter(list[FinishedChunk])
    done = stored.validate_json(stored.dump_json(done))

    at_once, resumed = Engine(seconds=30.0), Engine(seconds=30.0)
    progress, expected = run(at_once, whole)
    went_on, result = run(resumed, lambda service: whole(service, done))
    assert [one.chunk for one in went_on] == [one.chunk for one in progress]
    assert result == expected
    assert len(resumed.rows) == len(at_once.rows) - stopped_after
    assert progress[0].declared_seconds == pytest.approx(expected.duration, abs=0.01)
    ends = [one.chunk.end for one in progress]
    assert ends == sorted(ends)

    other_model = [
        FinishedChunk(one.start, one.samples, one.end, "other", one.transcripts, ()) for one in done
    ]
    again = Engine(seconds=30.0)
    run(again, lambda service: whole(service, other_model))
    assert len(again.rows) == len(at_once.rows), "what another model has read is read again"


class Prompted(Engine):
    """Says more without a prompt, and keeps the prompts."""

    def __init__(self, letters_with_prompt: int) -> None:
        super().__init__(30.0)
        self.letters = letters_with_prompt
        self.prompts: list[str | None] = []

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        self.prompts.append(options.prompt)
        found = await super().transcribe(audio, options, request_id)
        letters = self.letters if options.prompt else 200
        return replace(found, segments=(replace(found.segments[0], text="x" * letters, avg_logprob=-0.3),))


@pytest.mark.parametrize(("letters", "again"), [(190, False), (20, True)], ids=["whole", "words missing"])
def test_chunks_of_a_long_file_are_read_with_the_text_well_before_them(
    run: Run, monkeypatch: pytest.MonkeyPatch, letters: int, again: bool
) -> None:
    monkeypatch.setattr(preceding, "LAG", 1)
    engine = Prompted(letters)

    async def whole(service: SttService, options: SttOptions) -> Result:
        async with aclosing(service.stream_chunks(speech(), options, ahead=1)) as items:
            *_, result = [item async for item in items]
        assert isinstance(result, Result)
        return result

    result = run(engine, lambda service: whole(service, SttOptions()))
    assert engine.prompts == [None, None, "x" * 200, *([None] if again else [])]
    third = result.segments[2].text.strip()
    assert len(third) == (200 if again else letters)

    asked = Prompted(letters)
    run(asked, lambda service: whole(service, SttOptions(prompt="Voz")))
    assert set(asked.prompts) == {"Voz"}, "a caller's own prompt is all there is"
