"""Numbers in answers with a transcript are rounded to what they mean: no `1.6400000000000001`."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from src.api import transcripts
from src.api.live.messages import message_of
from src.api.openai import answers
from src.api.openai.forms import Granularity
from src.api.schemas import SttFormat
from src.engines.base import LanguageGuess, Segment, TokenLogprob, Word
from src.services.live.events import Completed, SpeechStarted, SpeechStopped, Words
from src.services.stt import Result
from src.services.usage import Usage

UGLY = 0.1 + 0.2
"""0.30000000000000004"""
SEGMENT = Segment(
    start=UGLY,
    end=7 * UGLY,
    text=" Hi",
    avg_logprob=-1 / 3,
    no_speech_prob=1e-7,
    words=(Word(UGLY, 7 * UGLY, " Hi", 2 / 3),),
    tokens=(1,),
    temperature=UGLY,
    compression_ratio=2 / 3,
    logprobs=(TokenLogprob(b" Hi", -1 / 3),),
)
RESULT = Result(
    text="Hi",
    language="en",
    language_probability=2 / 3,
    duration=7 * UGLY,
    segments=(SEGMENT,),
    model="base",
    usage=Usage(),
)
COMPLETED = Completed("1", UGLY, 7 * UGLY, "Hi", "", (SEGMENT,), "en", 2 / 3, lag=UGLY)


def numbers(value: Any) -> Iterator[float]:
    match value:
        case dict():
            for each in value.values():
                yield from numbers(each)
        case list() | tuple():
            for each in value:
                yield from numbers(each)
        case float():
            yield value


def body(answer: Any) -> Any:
    return json.loads(bytes(answer.body))


@pytest.mark.parametrize(
    "shown",
    [
        body(transcripts.shape(RESULT, SttFormat.JSON, True, 42, 2)),
        body(transcripts.shape(RESULT, SttFormat.VERBOSE_JSON, True, 42, 2)),
        transcripts.event_of(SEGMENT, 0, True),
        transcripts.event_of(RESULT, 0, True),
        transcripts.guess_out(LanguageGuess("en", 2 / 3)).model_dump(),
        body(answers.answer(RESULT, SttFormat.JSON, list(Granularity), True, "transcribe")),
        body(answers.answer(RESULT, SttFormat.VERBOSE_JSON, list(Granularity), True, "transcribe")),
        answers.done(RESULT, list(Granularity), True),
        message_of(COMPLETED, True),
        message_of(Words("1", "Hi", "Hi", "", UGLY), True),
        (message_of(SpeechStarted("1", UGLY), True), message_of(SpeechStopped("1", 7 * UGLY), True)),
    ],
    ids=["json", "verbose", "segment", "done", "guess", "openai", "openai-verbose", "openai-done",
         "live-final", "live-partial", "live-speech"],
)  # fmt: skip
def test_numbers_have_four_decimals_at_most(shown: Any) -> None:
    found = list(numbers(shown))
    assert found
    assert [number for number in found if number != round(number, 4)] == []
