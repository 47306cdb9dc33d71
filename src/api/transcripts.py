"""A transcript in each of its formats."""

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse, PlainTextResponse, Response

from src.api.schemas import (
    LanguageCandidate,
    SegmentOut,
    SttFormat,
    Transcription,
    VerboseTranscription,
    WordOut,
)
from src.engines.base import LanguageGuess, Segment, Word
from src.services.stt import Result
from src.services.subtitles import to_srt, to_vtt

SECONDS, PROBABILITY = 2, 4
"""Decimals: Whisper's times are multiples of 20 ms, and of a probability no more is meant."""
_WARNINGS = "X-Voz-Warnings"
PLAIN_FORMATS: dict[str, dict[str, Any]] = {"text/plain": {}, "text/vtt": {}, "application/x-subrip": {}}
"""Media types of the formats that are no JSON, as an OpenAPI document lists them."""


def shape(
    result: Result, wanted: SttFormat, words: bool, max_line_width: int, max_line_count: int
) -> Response:
    """The response for `result`; `words` says whether the caller asked for their times.

    Formats without a place for warnings have them in a header.
    """
    match wanted:
        case SttFormat.TEXT:
            return PlainTextResponse(result.text, headers=warning_headers(result))
        case SttFormat.SRT | SttFormat.VTT:
            return subtitles(result, wanted, max_line_width, max_line_count)
        case SttFormat.JSON:
            return JSONResponse(Transcription(**_common(result)).model_dump(exclude_unset=True))
        case SttFormat.VERBOSE_JSON:
            segments = [segment_out(segment, index, words) for index, segment in enumerate(result.segments)]
            verbose = VerboseTranscription(**_common(result), segments=segments)
            left_out = None if words else {"segments": {"__all__": {"words"}}}
            return JSONResponse(verbose.model_dump(exclude=left_out, exclude_unset=True))


def written(result: Result, spec: Mapping[str, Any]) -> tuple[bytes, str]:
    """A transcript as a job's options ask for it, and its content type."""
    wanted = SttFormat(spec["response_format"])
    response = shape(result, wanted, spec["word_timestamps"], spec["max_line_width"], spec["max_line_count"])
    return bytes(response.body), response.headers["content-type"]


def subtitles(result: Result, wanted: SttFormat, max_line_width: int, max_line_count: int) -> Response:
    """SubRip or, for `vtt`, WebVTT."""
    headers = warning_headers(result)
    if wanted is SttFormat.VTT:
        body = to_vtt(result.segments, max_line_width, max_line_count)
        return Response(body, media_type="text/vtt; charset=utf-8", headers=headers)
    body = to_srt(result.segments, max_line_width, max_line_count)
    return Response(body, media_type="application/x-subrip; charset=utf-8", headers=headers)


def warning_headers(result: Result) -> dict[str, str]:
    """The warnings, for a body that has no place for them."""
    if not result.warnings:
        return {}
    return {_WARNINGS: " | ".join(result.warnings).encode("ascii", "replace").decode()}


def document(result: Result, wanted: SttFormat, max_line_width: int, max_line_count: int) -> str | None:
    """`result` as a text file; None for the formats that are JSON."""
    match wanted:
        case SttFormat.TEXT:
            return result.text
        case SttFormat.SRT:
            return to_srt(result.segments, max_line_width, max_line_count)
        case SttFormat.VTT:
            return to_vtt(result.segments, max_line_width, max_line_count)
        case _:
            return None


def event_of(
    item: Segment | Result, index: int, words: bool, document: str | None = None
) -> tuple[str, dict[str, Any]]:
    """A server-sent event: its name and its data."""
    if isinstance(item, Result):
        body = Transcription(**_common(item)).model_dump(exclude_unset=True)
        return "done", body if document is None else body | {"document": document}
    out = segment_out(item, index, words)
    return "segment", out.model_dump(exclude=None if words else {"words"})


def segment_out(segment: Segment, index: int, words: bool) -> SegmentOut:
    return SegmentOut(
        id=index,
        start=round(segment.start, SECONDS),
        end=round(segment.end, SECONDS),
        text=segment.text,
        avg_logprob=round(segment.avg_logprob, PROBABILITY),
        no_speech_prob=round(segment.no_speech_prob, PROBABILITY),
        words=[_word_out(word) for word in segment.words or ()] if words else None,
    )


def guess_out(guess: LanguageGuess) -> LanguageCandidate:
    return LanguageCandidate(language=guess.language, probability=round(guess.probability, PROBABILITY))


def _word_out(word: Word) -> WordOut:
    return WordOut(
        word=word.word,
        start=round(word.start, SECONDS),
        end=round(word.end, SECONDS),
        probability=round(word.probability, PROBABILITY),
    )


def notes(result: Result) -> dict[str, Any]:
    """What there is to say about the file: the track that was read of several, and warnings."""
    found = {"track": result.track if (result.tracks or 0) > 1 else None, "warnings": list(result.warnings)}
    return {name: value for name, value in found.items() if value}


def _common(result: Result) -> dict[str, Any]:
    return {
        "text": result.text,
        "language": result.language,
        "language_probability": round(result.language_probability, PROBABILITY),
        "duration": round(result.duration, SECONDS),
        "model": result.model,
        **notes(result),
    }
