"""Transcribes many files at once, and keeps account of them."""

import asyncio
import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import voz
from src.cli import console
from src.cli.formats import Format
from src.cli.inputs import Input
from src.cli.outputs import is_done, whole_file
from src.cli.progress import Bar, Bars, length_of
from src.cli.target import Target

_NO_SERVER = (voz.ConnectionFailed, voz.Unauthorized, voz.Forbidden)
"""Errors that every other file would have as well."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made of each file."""

    form: Format
    output: Path | None
    """Folder; None: standard output."""
    language: str | None
    words: bool
    translate: bool
    prompt: str

    def options(self) -> voz.TranscriptionOptions:
        return {
            "language": self.language,
            "words": self.words,
            "task": "translate" if self.translate else "transcribe",
            "prompt": self.prompt,
        }


@dataclass(slots=True)
class Outcome:
    """What has become of a file."""

    file: Input
    target: Path | None
    status: str = ""
    """`done`, `skipped`, `failed`; empty: not yet."""
    problem: str = ""
    request_id: str = ""
    transcription: voz.Transcription | None = None
    document: str = ""

    def for_programs(self) -> dict[str, Any]:
        """The line of `--json`."""
        return {
            "file": self.file.name,
            "status": self.status,
            "output": str(self.target) if self.target and self.status != "failed" else None,
            "error": self.problem or None,
            "request_id": self.request_id or None,
            "transcription": self.transcription,
        }


class Batch:
    """Files to transcribe. Results are written in the order of the files, each as soon as that allows."""

    def __init__(self, files: Sequence[Input], wanted: Wanted, *, force: bool, as_json: bool) -> None:
        self._wanted = wanted
        self._as_json = as_json
        self._outcomes = [Outcome(file, self._target(file)) for file in files]
        self._written = 0
        for outcome in self._outcomes:
            path = outcome.file.path
            if outcome.file.problem:
                outcome.status, outcome.problem = "failed", outcome.file.problem
            elif not force and path and outcome.target and is_done(outcome.target, path):
                outcome.status = "skipped"

    @property
    def left(self) -> list[Outcome]:
        """What is still to be done."""
        return [outcome for outcome in self._outcomes if not outcome.status]

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self._outcomes if outcome.status == "failed"]

    def run(self, target: Target, parallel: int) -> None:
        """Do what is left, `parallel` files at once.

        Raises:
            VozError: no server can be used, so that no file can be done.
        """
        asyncio.run(self._run(target, parallel))

    def report(self) -> None:
        """Write the results that are not written yet, and list what failed."""
        self._write_ready()
        skipped = sum(outcome.status == "skipped" for outcome in self._outcomes)
        if skipped:
            console.say(f"{skipped} of {len(self._outcomes)} were done already (--force does them again).")
        if self.failed:
            console.say(f"{len(self.failed)} of {len(self._outcomes)} failed:", style="red")
            for outcome in self.failed:
                console.say(f"  {outcome.file.name}: {outcome.problem}")

    async def _run(self, target: Target, parallel: int) -> None:
        waiting = iter(self.left)
        async with target.async_client() as client:
            with Bars(hidden=self._as_json) as bars:

                async def work() -> None:
                    for outcome in waiting:
                        with bars.bar(outcome.file.name) as bar:
                            await self._do(client, outcome, bar if bars.shown else None)
                        with bars.paused():
                            self._write_ready()

                try:
                    async with asyncio.TaskGroup() as group:
                        for _ in range(min(parallel, len(self.left))):
                            group.create_task(work())
                except* (voz.VozError, BrokenPipeError) as found:
                    raise _first(found) from None

    async def _do(self, client: voz.AsyncClient, outcome: Outcome, bar: Bar | None) -> None:
        try:
            with _opened(outcome.file) as source:
                if bar and outcome.file.path:
                    bar.length(await asyncio.to_thread(length_of, outcome.file.path))
                await self._transcribe(client, outcome, source, bar)
            if outcome.target:
                self._store(outcome)
        except _NO_SERVER:
            raise
        except voz.ApiError as error:
            outcome.status, outcome.problem, outcome.request_id = "failed", str(error), error.request_id
        except voz.VozError as error:
            outcome.status, outcome.problem = "failed", str(error)
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            outcome.status, outcome.problem = "failed", f"{error.strerror or error}{where}"
        else:
            outcome.status = "done"

    async def _transcribe(
        self, client: voz.AsyncClient, outcome: Outcome, source: Path | BinaryIO, bar: Bar | None
    ) -> None:
        document = self._wanted.form.document
        async with client.stream_transcription(source, document, **self._wanted.options()) as stream:
            async for segment in stream:
                if bar:
                    bar.reached(segment.end)
            outcome.transcription = stream.result
            if document:
                text = stream.document
                outcome.document = text if text.endswith("\n") else f"{text}\n"
            else:
                outcome.document = _as_json(stream.result, self._wanted.words)
        for warning in outcome.transcription.warnings:
            console.say(f"{outcome.file.name}: {warning}", style="yellow")

    def _store(self, outcome: Outcome) -> None:
        assert outcome.target is not None  # noqa: S101 - the caller has looked
        with whole_file(outcome.target) as file:
            file.write(outcome.document.encode())
        if not self._as_json:
            console.say(f"{outcome.file.name} -> {outcome.target}")

    def _target(self, file: Input) -> Path | None:
        if self._wanted.output is None or file.problem:
            return None
        place = self._wanted.output / file.place
        return place.with_name(f"{place.name}.{self._wanted.form}")

    def _write_ready(self) -> None:
        """Write what goes to standard output, as far as every file before is finished."""
        while self._written < len(self._outcomes) and self._outcomes[self._written].status:
            outcome = self._outcomes[self._written]
            self._written += 1
            if self._as_json:
                console.write_json(outcome.for_programs(), one_line=True)
            elif outcome.status == "done" and not outcome.target:
                if len(self._outcomes) > 1:
                    console.write(f"==> {outcome.file.name} <==\n")
                console.write(outcome.document)


@contextmanager
def _opened(file: Input) -> Iterator[Path | BinaryIO]:
    """What is sent. Standard input passes through the disk, so that it can be sent again."""
    if file.path:
        yield file.path
        return
    with tempfile.TemporaryFile() as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        if not kept.tell():
            raise OSError("standard input is empty")
        kept.seek(0)
        yield kept


def _as_json(transcription: voz.Transcription, words: bool) -> str:
    body = dataclasses.asdict(transcription)
    if not words:
        for segment in body["segments"]:
            del segment["words"]
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def _first(found: BaseExceptionGroup[Any]) -> BaseException:
    """One error of a group: when no server can be used, all are the same."""
    error: BaseException = found
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
