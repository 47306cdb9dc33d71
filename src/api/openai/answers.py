"""Transcripts in OpenAI's shapes."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from babel import Locale
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from src.api.openai.forms import Granularity
from src.api.schemas import SttFormat
from src.api.transcripts import PROBABILITY, notes, subtitles, warning_headers
from src.engines.base import Segment
from src.services.stt import Result

_ENGLISH = Locale("en").languages
_OTHER_NAMES = {"jw": "javanese", "my": "myanmar", "nn": "nynorsk", "mi": "maori"}
"""Where Whisper's name or code of a language is not CLDR's."""
_LINE_WIDTH, _LINES = 42, 2
"""Maximum number of characters in a line of a subtitle, and of its lines."""
_AUDIO_TOKENS_PER_SECOND = 50
"""Positions of Whisper's encoder."""


def language_name(code: str) -> str:
    """The English name of a language, as OpenAI writes it: `english`."""
    return _OTHER_NAMES.get(code) or _ENGLISH.get(code, code).lower()


def answer(
    result: Result, wanted: SttFormat, granularities: Sequence[Granularity], logprobs: bool, task: str
) -> Response:
    """The body for a transcript; blocking."""
    match wanted:
        case SttFormat.TEXT:
            return PlainTextResponse(result.text, headers=warning_headers(result))
        case SttFormat.SRT | SttFormat.VTT:
            return subtitles(result, wanted, _LINE_WIDTH, _LINES)
        case SttFormat.JSON:
            return JSONResponse(_plain(result, granularities, logprobs), headers=warning_headers(result))
        case SttFormat.VERBOSE_JSON:
            return JSONResponse(
                _verbose(result, granularities or [Granularity.SEGMENT], task),
                headers=warning_headers(result),
            )


def delta(segment: Segment, logprobs: bool) -> dict[str, Any]:
    """The event for a segment that is final."""
    event: dict[str, Any] = {"type": "transcript.text.delta", "delta": segment.text}
    return event | ({"logprobs": _logprobs([segment])} if logprobs else {})


def done(result: Result, granularities: Sequence[Granularity], logprobs: bool) -> dict[str, Any]:
    """The event that ends a stream."""
    audio = math.ceil(result.duration * _AUDIO_TOKENS_PER_SECOND)
    text = sum(len(segment.tokens) for segment in result.segments)
    # the SDK has no class for a duration here; the seconds are beside the tokens
    usage = {
        "type": "tokens",
        "input_tokens": audio,
        "input_token_details": {"audio_tokens": audio, "text_tokens": 0},
        "output_tokens": text,
        "total_tokens": audio + text,
        "seconds": _seconds(result),
    }
    return {
        "type": "transcript.text.done",
        **_plain(result, granularities, logprobs),
        **notes(result),
        "usage": usage,
    }


def _plain(result: Result, granularities: Sequence[Granularity], logprobs: bool) -> dict[str, Any]:
    return {
        "text": result.text,
        "languages": [{"code": result.language}],
        **_times(result, granularities),
        **({"logprobs": _logprobs(result.segments)} if logprobs else {}),
        "usage": _usage(result),
    }


def _verbose(result: Result, granularities: Sequence[Granularity], task: str) -> dict[str, Any]:
    return {
        "task": task,
        "language": "english" if task == "translate" else language_name(result.language),
        "duration": _seconds(result),
        "text": result.text,
        **_times(result, granularities),
        **notes(result),
        "usage": _usage(result),
    }


def _times(result: Result, granularities: Sequence[Granularity]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if Granularity.WORD in granularities:
        body["words"] = [
            {"word": word.word.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
            for segment in result.segments
            for word in segment.words or ()
        ]
    if Granularity.SEGMENT in granularities:
        body["segments"] = [_segment(segment, number) for number, segment in enumerate(result.segments)]
    return body


def _segment(segment: Segment, number: int) -> dict[str, Any]:
    return {
        "id": number,
        "seek": round(segment.start * 100),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": round(segment.temperature, PROBABILITY),
        "avg_logprob": round(segment.avg_logprob, PROBABILITY),
        "compression_ratio": round(segment.compression_ratio, PROBABILITY),
        "no_speech_prob": round(segment.no_speech_prob, PROBABILITY),
    }


def _logprobs(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    return [
        {
            "token": one.token.decode(errors="replace"),
            "logprob": round(one.logprob, PROBABILITY),
            "bytes": list(one.token),
        }
        for segment in segments
        for one in segment.logprobs or ()
    ]


def _usage(result: Result) -> dict[str, Any]:
    return {"type": "duration", "seconds": _seconds(result)}


def _seconds(result: Result) -> float:
    return round(result.duration, 3)
