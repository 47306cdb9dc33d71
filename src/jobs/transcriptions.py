"""Jobs that transcribe. They go on after the last chunk that was saved."""

import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any, BinaryIO

from pydantic import TypeAdapter, ValidationError

from src.engines.base import Segment, SttOptions
from src.errors import TooLarge
from src.jobs.fetch import Fetcher
from src.jobs.model import JobState
from src.jobs.objects import JobObjects
from src.jobs.outcomes import Ending
from src.jobs.work import Assignment
from src.scheduling.admission import UploadSpace
from src.scheduling.executors import FORMATTING, STORAGE
from src.services.stt import Result, SttService
from src.services.transcription.finished import FinishedChunk

Render = Callable[[Result, Mapping[str, Any]], tuple[bytes, str]]
"""A transcript in the format that the options of a job name, and its content type."""

_AHEAD = 2
"""Chunks of a job in the engine: what a crash loses is at most these, 25 s each."""
_EXTENSIONS = {"json": "json", "verbose_json": "json", "text": "txt", "srt": "srt", "vtt": "vtt"}
_CHUNK = TypeAdapter(FinishedChunk)
_SEGMENTS = TypeAdapter(tuple[Segment, ...])


class TranscriptionWork:
    """Transcribes uploads, objects in storage, and what addresses lead to.

    Args:
        stt: that transcribes.
        objects: uploads and results.
        fetcher: of addresses.
        space: disk space for recordings that are being read.
        max_bytes: of a recording.
        render: writes a transcript.
    """

    def __init__(
        self,
        stt: SttService,
        objects: JobObjects,
        fetcher: Fetcher,
        space: UploadSpace,
        max_bytes: int,
        render: Render,
    ) -> None:
        self._stt = stt
        self._objects = objects
        self._fetcher = fetcher
        self._space = space
        self._max_bytes = max_bytes
        self._render = render

    async def __call__(self, assignment: Assignment) -> Ending:
        spec = assignment.job.spec
        with self._space.reserve(spec.get("bytes") or self._max_bytes), tempfile.TemporaryFile() as file:
            await self._fill(file, spec)
            result = await self._transcribe(file, assignment)
        content, content_type = await FORMATTING.run(self._render, result, spec)
        extension = _EXTENSIONS[spec["response_format"]]
        key = await self._objects.put(extension, _whole(content), content_type)
        return Ending(
            JobState.SUCCEEDED,
            result={
                "key": key,
                "content_type": content_type,
                "format": spec["response_format"],
                "duration": round(result.duration, 2),
                "model": result.model,
                "language": result.language,
                "language_probability": round(result.language_probability, 4),
                "track": result.track if (result.tracks or 0) > 1 else None,
                "warnings": list(result.warnings) or None,
            },
            objects=[key],
        )

    async def _fill(self, file: BinaryIO, spec: Mapping[str, Any]) -> None:
        if (url := spec.get("url")) is not None:
            source = self._fetcher.fetch(url, self._max_bytes)
        else:
            source = self._objects.storage.read(spec.get("upload") or spec["key"])
        size = 0
        async with aclosing(source) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                if size > self._max_bytes:
                    raise TooLarge("the recording is larger than allowed (MAX_UPLOAD_MB)")
                await STORAGE.run(file.write, chunk)
        await STORAGE.run(file.flush)

    async def _transcribe(self, file: BinaryIO, assignment: Assignment) -> Result:
        spec = assignment.job.spec
        options = SttOptions(
            language=spec["language"],
            languages=tuple(spec["languages"]),
            task=spec["task"],
            word_timestamps=spec["word_timestamps"] or spec["response_format"] in ("srt", "vtt"),
            prompt=spec["prompt"] or None,
            beam_size=spec.get("beam_size") or None,  # jobs of earlier versions name none
        )
        done = _read(await assignment.finished())
        items = self._stt.stream_chunks(file, options, track=spec["track"] or None, done=done, ahead=_AHEAD)
        number = 0
        async with aclosing(items):
            async for item in items:
                if isinstance(item, Result):
                    return item
                if number >= len(done) or done[number] != item.chunk:
                    total = max(item.declared_seconds or 0.0, item.chunk.end)
                    data = _CHUNK.dump_python(item.chunk, mode="json")
                    await assignment.save(
                        item.chunk.end, total if item.declared_seconds else None, number, data
                    )
                number += 1
        raise RuntimeError("a stream ended without its result")


def segments_of(checkpoint: Mapping[str, Any]) -> tuple[Segment, ...]:
    """The segments of a finished chunk, as it is stored."""
    return _SEGMENTS.validate_python(checkpoint["segments"])


def text_of(checkpoint: Mapping[str, Any]) -> str:
    """The text of a finished chunk, as it is stored."""
    return "".join(segment["text"] for segment in checkpoint["segments"])


def _read(checkpoints: list[Mapping[str, Any]]) -> list[FinishedChunk]:
    """The chunks that can be made out; an earlier release may have written them in another way."""
    found = []
    for data in checkpoints:
        try:
            found.append(_CHUNK.validate_python(data))
        except ValidationError:
            break
    return found


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
