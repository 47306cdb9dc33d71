"""Engines over `Replicas`: the callers' side."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from src.engines.base import (
    STT_SAMPLE_RATE,
    Audio,
    EngineInfo,
    LanguageGuess,
    Load,
    OnEarlySound,
    PartialTranscript,
    SttOptions,
    TextToSpeech,
    Transcript,
    Utterance,
    Voice,
)
from src.engines.remote.messages import ReplicaDescription, ReplicaLost, Replicas, ReplicaStatus, RowCall
from src.engines.remote.samples import packed
from src.errors import EngineStopped, VozError
from src.observability import tracing
from src.observability.families import Family
from src.scheduling.background import is_background

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""Seconds between two questions for the state of the replicas."""
_METRICS_SECONDS = 5.0
"""Seconds between two questions for their metrics, as in `api/metrics.py`."""
_FORGET_SECONDS = 3.0
"""Seconds without an answer after which a replica counts no longer. A busy machine may miss a poll."""
ATTEMPTS = 4
"""Maximum number of replicas that one row may lose. A row that ends its process must not end all of them."""
_FIRST_PAUSE = 0.1
_ROW_SECONDS = 0.5
"""Estimated work of a row besides its audio."""
_CHARACTERS_PER_SECOND = 15.0
"""Characters of speech in a second: about 900 a minute, for English and Spanish alike."""


class RemoteEngine:
    """The part that both engines share: state, metrics and the retry.

    A row whose replica ends is run again on another one. Rows are deterministic (or drawn at a temperature,
    where any draw is right), and the caller gets one answer only, so all that it sees is a delay.

    Args:
        name: the task, for errors and logs.
        replicas: the processes.
    """

    def __init__(self, name: str, replicas: Replicas) -> None:
        self._name = name
        self._replicas = replicas
        self._described: dict[str, ReplicaDescription] = {}
        self._first: ReplicaDescription | None = None
        self._status: dict[str, tuple[ReplicaStatus, float]] = {}
        self._metrics: Mapping[str, Sequence[Family]] = {}
        self._polling: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Wait until a replica answers, however long it loads its model."""
        told = False
        while not await self._poll():
            if not told:
                log.info("waiting for a replica of %s", self._name)
                told = True
            await asyncio.sleep(POLL_SECONDS)
        self._polling = [
            asyncio.create_task(self._poll_for_ever()),
            asyncio.create_task(self._collect_for_ever()),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._polling:
            task.cancel()
        await asyncio.gather(*self._polling, return_exceptions=True)

    @property
    def info(self) -> EngineInfo:
        return self._description.info

    @property
    def load(self) -> Load:
        """The load of all replicas. It is stalled only if every replica is: the others take the rows."""
        answered = [status for status, _ in self._status.values() if status.load.alive]
        loads = [status.load for status in answered]
        threads = sum(self._described[status.replica].threads for status in answered)
        best = Load.together([load for load in loads if load.problem is None] or loads)
        return replace(
            Load.together(loads),
            stalled_for=best.stalled_for,
            stall_limit=best.stall_limit,
            replicas=len(answered),
            threads=threads,
        )

    @property
    def notices(self) -> tuple[str, ...]:
        """Messages for the operator, each once."""
        return tuple(dict.fromkeys(notice for one in self._described.values() for notice in one.notices))

    @property
    def metrics(self) -> Mapping[str, Sequence[Family]]:
        """The latest metrics of every replica, by replica."""
        return self._metrics

    @property
    def _description(self) -> ReplicaDescription:
        if self._first is None:
            raise RuntimeError("the engine is not open")
        return self._first

    async def _run(
        self,
        method: str,
        *arguments: Any,
        request_id: str,
        seconds: float,
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        row = RowCall(
            method,
            tuple(packed(argument) for argument in arguments),
            request_id,
            self._replicas.source,
            seconds,
            options,
            background=is_background(),
            trace=tracing.carrier(),
        )
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                log.warning("a row of %s is run again: %s", self._name, reason)
                await asyncio.sleep(_FIRST_PAUSE * 2 ** (attempt - 1))
            try:
                # the last replica may be only slow
                result = await self._replicas.call(row, patient=attempt == ATTEMPTS - 1)
            except ReplicaLost as lost:
                reason = str(lost)
            else:
                if not isinstance(result, EngineStopped):
                    if isinstance(result, VozError):
                        raise result
                    return result
                reason = str(result)  # the replica is about to be replaced
        log.error("a row of %s is given up: %s", self._name, reason)
        raise EngineStopped(f"{ATTEMPTS} replicas of {self._name} ended while they worked on this row")

    async def _poll_for_ever(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._poll()
            except Exception:
                log.exception("the replicas of %s could not be asked", self._name)

    async def _poll(self) -> bool:
        """Update the state of the replicas; whether there is any that has answered."""
        answers = await self._replicas.status()
        answering = {answer.replica for answer in answers}
        if answering - self._described.keys():
            for description in await self._replicas.describe():
                if description.replica in answering:  # what is met is forgotten with its status
                    self._meet(description)
        now = time.monotonic()
        for answer in answers:
            if answer.replica in self._described:
                self._status[answer.replica] = (answer, now)
        for replica, (_, seen) in list(self._status.items()):
            if now - seen > _FORGET_SECONDS:
                del self._status[replica]
                self._described.pop(replica, None)
        return bool(self._status)

    def _meet(self, description: ReplicaDescription) -> None:
        if description.replica in self._described:
            return
        self._described[description.replica] = description
        if self._first is None:
            self._first = description
        elif (description.info, description.voices) != (self._first.info, self._first.voices):
            log.error(
                "replica %s of %s runs %s, others run %s: answers depend on the replica",
                description.replica,
                self._name,
                description.info,
                self._first.info,
            )

    async def _collect_for_ever(self) -> None:
        while True:
            try:
                self._metrics = await self._replicas.metrics()
            except Exception:
                log.exception("the metrics of %s could not be collected", self._name)
            await asyncio.sleep(_METRICS_SECONDS)


class RemoteSpeechToText(RemoteEngine):
    """See `SpeechToText`."""

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        """See `SpeechToText.transcribe`."""
        result: Transcript = await self._run(
            "transcribe", audio, options, request_id=request_id, seconds=_to_read(audio)
        )
        return result

    async def transcribe_partial(
        self,
        audio: Audio,
        options: SttOptions,
        forced: Sequence[int],
        request_id: str,
        *,
        draft: Sequence[int] = (),
    ) -> PartialTranscript:
        """See `SpeechToText.transcribe_partial`."""
        result: PartialTranscript = await self._run(
            "transcribe_partial",
            audio,
            options,
            tuple(forced),
            request_id=request_id,
            seconds=_to_read(audio),
            options={"draft": tuple(draft)},
        )
        return result

    async def detect_language(
        self, audio: Audio, languages: Sequence[str], request_id: str
    ) -> list[LanguageGuess]:
        """See `SpeechToText.detect_language`."""
        result: list[LanguageGuess] = await self._run(
            "detect_language", audio, tuple(languages), request_id=request_id, seconds=_to_read(audio)
        )
        return result


class RemoteTextToSpeech(RemoteEngine, TextToSpeech):
    """See `TextToSpeech`."""

    @property
    def voices(self) -> tuple[Voice, ...]:
        """See `TextToSpeech.voices`."""
        return self._description.voices

    async def utter(
        self,
        text: str,
        voice: Voice,
        request_id: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
    ) -> Utterance:
        """See `TextToSpeech.utter`. No sound is early: a replica answers with whole rows."""
        result: Utterance = await self._run(
            "utter", text, voice, request_id=request_id, seconds=_to_speak(text), options={"timed": timed}
        )
        return result


def _to_read(audio: Audio) -> float:
    return _ROW_SECONDS + len(audio) / STT_SAMPLE_RATE


def _to_speak(text: str) -> float:
    return _ROW_SECONDS + len(text) / _CHARACTERS_PER_SECOND
