"""A transcript in each of its formats."""

from typing import Any

from fastapi.responses import JSONResponse, PlainTextResponse, Response

from src.api.schemas import SegmentOut, SttFormat, Transcription, VerboseTranscription, WordOut
from src.api.subtitles import to_srt, to_vtt
from src.engines.base import Segment
from src.services.stt import Result


def shape(
    result: Result, wanted: SttFormat, words: bool, max_line_width: int, max_line_count: int
) -> Response:
    """The response body for `result`; `words` says whether the caller asked for their times."""
    match wanted:
        case SttFormat.TEXT:
            return PlainTextResponse(result.text)
        case SttFormat.SRT:
            body = to_srt(result.segments, max_line_width, max_line_count)
            return Response(body, media_type="application/x-subrip; charset=utf-8")
        case SttFormat.VTT:
            body = to_vtt(result.segments, max_line_width, max_line_count)
            return Response(body, media_type="text/vtt; charset=utf-8")
        case SttFormat.JSON:
            return JSONResponse(Transcription(**_common(result)).model_dump())
        case SttFormat.VERBOSE_JSON:
            segments = [segment_out(segment, index, words) for index, segment in enumerate(result.segments)]
            verbose = VerboseTranscription(**_common(result), segments=segments)
            return JSONResponse(
                verbose.model_dump(exclude=None if words else {"segments": {"__all__": {"words"}}})
            )


def event_of(item: Segment | Result, index: int, words: bool) -> tuple[str, dict[str, Any]]:
    """A server-sent event: its name and its data."""
    if isinstance(item, Result):
        return "done", Transcription(**_common(item)).model_dump()
    out = segment_out(item, index, words)
    return "segment", out.model_dump(exclude=None if words else {"words"})


def segment_out(segment: Segment, index: int, words: bool) -> SegmentOut:
    return SegmentOut(
        id=index,
        start=round(segment.start, 3),
        end=round(segment.end, 3),
        text=segment.text,
        avg_logprob=segment.avg_logprob,
        no_speech_prob=segment.no_speech_prob,
        words=[WordOut.model_validate(word) for word in segment.words or ()] if words else None,
    )


def _common(result: Result) -> dict[str, Any]:
    return {
        "text": result.text,
        "language": result.language,
        "language_probability": result.language_probability,
        "duration": round(result.duration, 3),
        "model": result.model,
    }
