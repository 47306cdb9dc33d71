"""The replicas of a deployment, behind the interface that the remote engines use."""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError, RayTaskError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    ReplicaUnavailableError,
    RequestCancelledError,
)
from ray.serve.handle import DeploymentHandle

from src.cluster.router import note_others
from src.engines.remote import ReplicaDescription, ReplicaLost, ReplicaStatus, RowCall
from src.errors import EngineFailed, Overloaded
from src.observability.families import Family

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 2.0
"""Seconds in which a replica must answer a question for its state."""
_ROUTER_SECONDS = 10.0
"""Seconds in which Ray must tell which replicas there are."""
_RETRY_SECONDS = 5.0
_MISSED = 20
"""Polls in a row without an answer after which a replica is forgotten. Before, it would pass for idle."""


class ServeReplicas:
    """See `Replicas`.

    Args:
        handle: of the deployment, whose class is `deployments.EngineReplica`.
    """

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle
        self._run = handle.options(method_name="run")
        self._missed: dict[str, int] = {}
        """By replica: how many polls in a row it has not answered."""
        self.source = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"

    async def call(self, row: RowCall) -> Any:
        """See `Replicas.call`."""
        response = self._run.remote(row)
        try:
            return await response
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
            raise EngineFailed(f"{self._handle.deployment_name} failed on this input") from error
        except RayError as error:  # the process, its node or the object with its answer is gone
            raise ReplicaLost(_first_line(error)) from None

    async def describe(self) -> Sequence[ReplicaDescription]:
        """See `Replicas.describe`."""
        found: list[ReplicaDescription] = await self._ask("describe")
        return found

    async def status(self) -> Sequence[ReplicaStatus]:
        """See `Replicas.status`."""
        answers: list[ReplicaStatus] = await self._ask("status")
        others = {
            answer.replica: sum(seconds for source, seconds in answer.queued.items() if source != self.source)
            for answer in answers
        }
        missed = {replica: polls + 1 for replica, polls in self._missed.items()} | dict.fromkeys(others, 0)
        gone = {replica for replica, polls in missed.items() if polls >= _MISSED}
        note_others(others, gone)
        self._missed = {replica: polls for replica, polls in missed.items() if replica not in gone}
        return answers

    async def metrics(self) -> Mapping[str, Sequence[Family]]:
        """See `Replicas.metrics`."""
        return dict(await self._ask("metrics"))

    async def _ask(self, method: str) -> list[Any]:
        """What a method returns in every replica that answers in time."""
        try:
            async with asyncio.timeout(_ROUTER_SECONDS):
                # `results_async` would lose the answers of all if one does not come
                results = await self._handle.broadcast(method)._fetch_replica_results_async()
        except (TimeoutError, RayError, RayServeException) as error:
            log.debug("no replica of %s: %s", self._handle.deployment_name, error)
            return []
        answers = await asyncio.gather(*(self._answer(result) for result in results))
        return [answer for answer in answers if answer is not None]

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
