"""The classes whose replicas Ray Serve keeps: engines, and the HTTP server in front of them."""

import logging
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from src.cluster import startup_checks
from src.cluster.http import HttpServer, listener
from src.cluster.replicas import ServeReplicas
from src.config import LogFormat, Settings, load_settings
from src.engines.base import SpeechToText, TextToSpeech
from src.engines.models import Models
from src.engines.remote import (
    EngineServer,
    RemoteSpeechToText,
    RemoteTextToSpeech,
    ReplicaDescription,
    ReplicaStatus,
    RowCall,
)
from src.observability import metrics
from src.observability.families import Family
from src.observability.telemetry import configure_logging
from src.observability.tracing import tracing
from src.processes.allocator import limit_malloc_arenas, reuse_freed_blocks, trim_periodically
from src.services import small_models
from src.version import VERSION

log = logging.getLogger(__name__)


class OpenEngines(Protocol):
    """Such as `core/loader.open_models`."""

    def __call__(
        self, settings: Settings, *, transcribes: bool, speaks: bool
    ) -> AbstractAsyncContextManager[Models]: ...


class EngineUnhealthy(Exception):
    """The engine cannot go on. Ray replaces the replica."""


class EngineReplica:
    """A process with one engine and its batcher, the same as in a server of one machine."""

    task = ""
    """`stt` or `tts`."""

    async def __init__(  # type: ignore[misc]  # Ray awaits it
        self, open_engines: OpenEngines, release: str
    ) -> None:
        """Load and warm the engine. Another `release` is for Ray a reason to replace the replica."""
        self._stack = AsyncExitStack()
        settings = load_settings(cpu_threads=_assigned_threads())
        _configure_process(settings)
        await self._stack.enter_async_context(
            tracing(settings.otel_exporter_otlp_endpoint, settings.otel_headers, VERSION)
        )
        await self._stack.enter_async_context(trim_periodically())
        opened = open_engines(settings, transcribes=self.task == "stt", speaks=self.task == "tts")
        models = await self._stack.enter_async_context(opened)
        self._engine: SpeechToText | TextToSpeech = models.stt if self.task == "stt" else models.tts
        replica = serve.get_replica_context().replica_id.unique_id
        self._server = EngineServer(self._engine, replica, settings.threads, models.notices)

    async def run(self, row: RowCall) -> Any:
        """See `EngineServer.run`."""
        return await self._server.run(row)

    async def describe(self) -> ReplicaDescription:
        """See `EngineServer.describe`."""
        return self._server.describe()

    async def status(self) -> ReplicaStatus:
        """See `EngineServer.status`."""
        return self._server.status()

    async def metrics(self) -> tuple[str, Sequence[Family]]:
        """This replica's name and the metrics of its engine."""
        server = self._server
        described, load = server.describe(), server.status().load
        info = described.info
        metrics.engine_state(
            info.engine, load.waiting, load.active, load.stalled_for, load.stall_limit, load.problem is None
        )
        metrics.engine_runs(self.task, info.engine, info.model, info.device, info.compute_type)
        return described.replica, metrics.engine_families()

    async def check_health(self) -> None:
        """Called by Ray.

        Raises:
            EngineUnhealthy: the engine's thread has ended or hangs.
        """
        if (problem := self._engine.load.problem) is not None:
            raise EngineUnhealthy(problem)

    async def __del__(self) -> None:
        # Ray awaits it once the rows in the replica have ended
        await self._stack.aclose()


class SpeechToTextReplica(EngineReplica):
    """See `EngineReplica`."""

    task = "stt"


class TextToSpeechReplica(EngineReplica):
    """See `EngineReplica`."""

    task = "tts"


class ApiReplica:
    """The HTTP server. It decodes uploads, cuts them into rows, encodes speech; the engines are elsewhere.

    Args:
        to_text: handle of the speech-to-text replicas.
        to_speech: handle of the text-to-speech replicas.
        processes: replicas of this class. Each admits its part of the requests.
        processes_here: most of them on one machine, which share its cores and its disk.
        release: any text; a new one replaces every replica.
    """

    async def __init__(  # type: ignore[misc]  # Ray awaits it
        self,
        to_text: DeploymentHandle[Any],
        to_speech: DeploymentHandle[Any],
        processes: int,
        processes_here: int,
        release: str = "",
    ) -> None:
        from src.main import create_app

        settings = load_settings(web_concurrency=processes_here)
        _configure_process(settings)
        machines = [node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]]
        startup_checks.check_folders(settings, machines)
        for warning in startup_checks.warnings(settings, machines):
            log.warning(warning)

        @asynccontextmanager
        async def open_engines(_: Settings) -> AsyncIterator[Models]:
            async with (
                RemoteSpeechToText("speech to text", ServeReplicas(to_text)) as stt,
                RemoteTextToSpeech("text to speech", ServeReplicas(to_speech)) as tts,
                small_models.loaded(),
            ):

                def of_replicas() -> Mapping[str, Sequence[Family]]:
                    return {**stt.metrics, **tts.metrics}

                notices = (*stt.notices, *tts.notices)
                yield Models(stt, tts, notices, client_processes=processes, replica_metrics=of_replicas)

        self._announced = _ANNOUNCED_SECONDS if len(set(machines)) > 1 else 0.0
        app = create_app(settings, open_engines)
        self._server = HttpServer(app, listener(settings.host, settings.port), settings.shutdown_timeout)
        await self._server.start()

    async def check_health(self) -> None:
        """Called by Ray.

        Raises:
            EngineUnhealthy: the server has ended.
        """
        if not self._server.alive:
            raise EngineUnhealthy("the HTTP server has ended")

    async def __del__(self) -> None:
        server = getattr(self, "_server", None)
        if server is not None:
            await server.stop(self._announced)


_ANNOUNCED_SECONDS = 5.0
"""Seconds for which a load balancer may notice that a machine is about to stop."""


def _assigned_threads() -> int:
    """The CPUs that Ray has assigned to this replica (`num_cpus`), as a number of threads."""
    return max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)))


def _configure_process(settings: Settings) -> None:
    limit_malloc_arenas()
    reuse_freed_blocks()
    # Serve's replacement writes each line into a line of its own log
    sys.stderr = sys.__stderr__
    configure_logging(settings.log_level, settings.log_format is LogFormat.JSON, settings.secrets)
