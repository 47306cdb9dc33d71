"""The replicas of a deployment, behind the interface that the remote engines use."""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpc import StatusCode
from grpc.aio import AioRpcError
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError, RayTaskError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    ReplicaUnavailableError,
    RequestCancelledError,
)
from ray.serve.handle import DeploymentHandle

from src.cluster import known
from src.engines.remote import ReplicaDescription, ReplicaLost, ReplicaStatus, RowCall
from src.errors import EngineFailed, Overloaded
from src.observability.families import Family

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 2.0
"""Seconds in which a replica must answer a question for its state."""
_STATUS_SECONDS = 0.5
"""Seconds for which a poll waits for all answers. Those that come later count for the next one."""
_ROUTER_SECONDS = 10.0
"""Seconds in which Ray must tell which replicas there are."""
_RETRY_SECONDS = 5.0
_GRPC_SECONDS = 31.0
"""Seconds of audio, to read or to speak, in the longest row that goes by gRPC from process to process: all
that is read, and what is usually spoken. Ray's own calls take longer, and have no limit of size."""
_SILENT_SECONDS = 5.0
"""Seconds without an answer after which a replica counts as hung, if others answer. Ray itself takes a node
for dead after 8 s, and a replica after more; a replica that is only busy answers within a second or two."""
_SILENT_POLLS = 4
"""Polls without an answer that it takes besides: this process may have been the one that stood still."""


class _TooLargeForGrpc(Exception):
    """The answer to a row is larger than a message of gRPC may be (`cluster/environment.py`)."""


@dataclass
class _Seen:
    """When a replica has answered last."""

    at: float
    polls: int = 0
    """Since then."""


class ServeReplicas:
    """See `Replicas`.

    Args:
        handle: of the deployment, whose class is `deployments.EngineReplica`.
    """

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle
        self._run = handle.options(method_name="run")
        self._run_by_grpc = handle.options(
            method_name="run",
            _by_reference=False,  # Ray Serve's word for gRPC
            request_serialization="pickle",
            response_serialization="pickle",
        )
        self._seen: dict[str, _Seen] = {}
        """What was seen of each replica last, by its id."""
        self._silent: set[str] = set()
        """The replicas that hang, as far as one can tell."""
        self._asked: set[asyncio.Task[Any]] = set()
        """Questions for the status that are not answered yet."""
        self._limits: dict[str, asyncio.Timeout] = {}
        """What ends the wait for a row, by Ray's id of the request."""
        self.source = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"

    async def call(self, row: RowCall, *, patient: bool = False) -> Any:
        """See `Replicas.call`."""
        if row.seconds <= _GRPC_SECONDS:
            try:
                return await self._answered(self._run_by_grpc.remote(row), patient)
            except _TooLargeForGrpc as error:
                log.warning("a row of %s is run again: %s", self._handle.deployment_name, error)
        return await self._answered(self._run.remote(row), patient)

    async def _answered(self, response: Any, patient: bool) -> Any:
        """The answer to a row, or an error as `Replicas.call` raises it.

        Raises:
            _TooLargeForGrpc: Ray's own calls have to bring this answer.
        """
        try:
            return await (response if patient else self._watched(response))
        except asyncio.CancelledError:
            response.cancel()
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ReplicaLost("Ray cancelled the call") from None
        except BackPressureError:
            raise Overloaded(
                f"too many rows wait for {self._handle.deployment_name}", _RETRY_SECONDS
            ) from None
        except DeploymentUnavailableError:
            raise Overloaded(
                f"no replica of {self._handle.deployment_name} can be started; see its log", _RETRY_SECONDS
            ) from None
        except (ReplicaUnavailableError, RequestCancelledError) as error:
            raise ReplicaLost(_first_line(error)) from None
        except RayTaskError as error:
            if isinstance(error.cause, ActorDiedError | ActorUnavailableError):
                raise ReplicaLost(_first_line(error.cause)) from None
            raise self._failed() from error
        except AioRpcError as error:
            if error.code() is StatusCode.RESOURCE_EXHAUSTED:
                # the replica lives, and another one's answer is as large
                raise _TooLargeForGrpc(error.details() or "gRPC had no room for its answer") from None
            raise ReplicaLost(_first_line(error)) from None
        except RayError as error:  # the process, its node or what holds its answer is gone
            raise ReplicaLost(_first_line(error)) from None
        except ReplicaLost:
            raise
        except Exception as error:  # the replica's own, as gRPC brings it
            raise self._failed() from error

    def _failed(self) -> EngineFailed:
        return EngineFailed(f"{self._handle.deployment_name} failed on this input")

    async def describe(self) -> Sequence[ReplicaDescription]:
        """See `Replicas.describe`."""
        found: list[ReplicaDescription] = await self._ask("describe")
        return found

    async def status(self) -> Sequence[ReplicaStatus]:
        """See `Replicas.status`."""
        asked = [asyncio.create_task(self._answer(result)) for result in await self._results("status")]
        self._asked.update(asked)
        if asked:  # a replica that hangs must not hold up what the others say
            await asyncio.wait(asked, timeout=_STATUS_SECONDS)
        done = {question for question in self._asked if question.done()}
        self._asked -= done
        answers = {answer.replica: answer for question in done if (answer := question.result()) is not None}
        self._note(answers)
        return list(answers.values())

    def _note(self, answers: Mapping[str, ReplicaStatus]) -> None:
        """Keep account of who has answered, and end the wait for rows of replicas that hang."""
        now = time.monotonic()
        # a replica that is being stopped is not asked any more
        gone = self._seen.keys() - known.running_replicas(self._handle.deployment_name)
        for replica in gone:
            del self._seen[replica]
        for seen in self._seen.values():
            seen.polls += 1
        self._seen.update((replica, _Seen(now)) for replica in answers)
        silent = {
            replica
            for replica, seen in self._seen.items()
            if answers and seen.polls >= _SILENT_POLLS and now - seen.at > _SILENT_SECONDS
        }
        others = {
            replica: sum(seconds for source, seconds in answer.queued.items() if source != self.source)
            for replica, answer in answers.items()
        }
        known.note_status(others, gone, silent)
        for replica in silent - self._silent:
            log.warning("replica %s gives no sign of life: its rows are run elsewhere", replica)
        self._silent = silent
        for request_id, limit in self._limits.items():
            if limit.when() is None and known.replica_of(request_id) in silent:
                limit.reschedule(asyncio.get_running_loop().time())

    async def metrics(self) -> Mapping[str, Sequence[Family]]:
        """See `Replicas.metrics`."""
        return dict(await self._ask("metrics"))

    async def _watched(self, response: Any) -> Any:
        """The answer to a row.

        Raises:
            ReplicaLost: the row is with a replica that gives no sign of life.
        """
        limit = asyncio.timeout(None)  # `_note` sets it
        try:
            async with limit:
                self._limits[response.request_id] = limit
                return await response
        except TimeoutError:
            if not limit.expired():
                raise
            response.cancel()  # it may still be alive
            raise ReplicaLost("its replica gives no sign of life") from None
        finally:
            self._limits.pop(response.request_id, None)

    async def _ask(self, method: str) -> list[Any]:
        """What a method returns in every replica that answers in time."""
        answers = await asyncio.gather(*map(self._answer, await self._results(method)))
        return [answer for answer in answers if answer is not None]

    async def _results(self, method: str) -> Sequence[Any]:
        """Call a method in every replica; the answers are to be awaited."""
        try:
            async with asyncio.timeout(_ROUTER_SECONDS):
                # `results_async` would lose the answers of all if one does not come
                found: Sequence[Any] = await self._handle.broadcast(method)._fetch_replica_results_async()
                return found
        except (TimeoutError, RayError, RayServeException) as error:
            log.debug("no replica of %s: %s", self._handle.deployment_name, error)
            return []

    async def _answer(self, result: Any) -> Any:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await result.get_async()
        except (TimeoutError, RayError, RayServeException) as error:
            log.debug("a replica of %s did not answer: %s", self._handle.deployment_name, error)
            result.cancel()
            return None


def _first_line(error: Exception) -> str:
    """Ray's messages are long; the first line says what happened."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
