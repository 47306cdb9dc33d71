"""The application that Ray Serve runs: three deployments, each scaled apart."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application
from ray.serve.config import RequestRouterConfig
from ray.serve.schema import LoggingConfig

from src.cluster import startup_checks
from src.cluster.deployments import ApiReplica, OpenEngines, SpeechToTextReplica, TextToSpeechReplica
from src.config import load_settings
from src.core.loader import open_models
from src.processes.workers import SIBLINGS

NAME = "voz"
"""Name of the application, which has no route: Ray's proxy is off."""


LOGGING = LoggingConfig(log_level="WARNING", enable_access_log=False)
"""Logging of Serve itself. Its access log would have a line for each poll."""


class Arguments(BaseModel):
    """`args` of the application in a configuration file. Options of deployments there go before these."""

    model_config = ConfigDict(extra="forbid")

    api_processes: int = Field(default=2, ge=1)
    """HTTP processes on all machines together."""
    api_processes_per_machine: int = Field(default=2, ge=1)
    api_resource: str = ""
    """Resource of the machines with HTTP processes (`ray start --resources`); empty: any machine."""
    stt_replicas: int = Field(default=1, ge=1)
    tts_replicas: int = Field(default=1, ge=1)
    threads: float = Field(default=1, gt=0)
    """CPU threads of each engine."""
    release: str = ""
    """Any text; a new one replaces every replica, one after the other."""


def build(args: dict[str, Any], open_engines: OpenEngines = open_models) -> Application:
    """The application, for `import_path` of a configuration file.

    Args:
        args: see `Arguments`.
        open_engines: opens the engine of a replica.

    Raises:
        ConfigurationError: a setting is missing or wrong, or Ray is open to everybody.
    """
    given = Arguments.model_validate(args)
    settings = load_settings()
    startup_checks.check_access(settings)
    stop = settings.shutdown_timeout
    # a row takes seconds, and those that wait in a replica at its end have to be worked on first
    engine: dict[str, Any] = {
        "logging_config": LOGGING,
        "max_ongoing_requests": 48,
        "max_queued_requests": 512,
        "health_check_period_s": 2,
        "health_check_timeout_s": 10,
        "graceful_shutdown_timeout_s": stop + 60,
        "graceful_shutdown_wait_loop_s": 0.5,
        "request_router_config": RequestRouterConfig(request_router_class="src.cluster.router:ShortestQueue"),
        "ray_actor_options": {"num_cpus": given.threads},
    }
    to_text = serve.deployment(
        SpeechToTextReplica, name="SpeechToText", num_replicas=given.stt_replicas, **engine
    )
    to_speech = serve.deployment(
        TextToSpeechReplica, name="TextToSpeech", num_replicas=given.tts_replicas, **engine
    )
    on_machines = {given.api_resource: 0.001} if given.api_resource else {}
    api = serve.deployment(
        ApiReplica,
        logging_config=LOGGING,
        name="Api",
        num_replicas=given.api_processes,
        max_replicas_per_node=given.api_processes_per_machine,
        health_check_period_s=2,
        health_check_timeout_s=10,
        graceful_shutdown_timeout_s=stop + 60,
        graceful_shutdown_wait_loop_s=0.5,
        # the replicas of one machine share their counters, as gunicorn's workers do
        ray_actor_options={
            "num_cpus": 0,
            "resources": on_machines,
            "runtime_env": {"env_vars": {SIBLINGS: "1"}},
        },
    )
    return api.bind(
        to_text.bind(open_engines, given.release),
        to_speech.bind(open_engines, given.release),
        given.api_processes,
        min(given.api_processes, given.api_processes_per_machine),
        given.release,
    )
