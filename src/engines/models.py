"""The engines of a running server, as the routes and services see them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from src.engines.base import SpeechToText, TextToSpeech
from src.observability.families import Family


def _no_replicas() -> Mapping[str, Sequence[Family]]:
    return {}


@dataclass(frozen=True, slots=True)
class Models:
    """The engines, open and warm."""

    stt: SpeechToText
    tts: TextToSpeech
    notices: tuple[str, ...] = ()
    """Messages for the operator about the engines, e.g. that Kokoro replaces Coqui."""
    client_processes: int = 1
    """Processes that send rows to these engines. Each admits its part of the requests."""
    replica_metrics: Callable[[], Mapping[str, Sequence[Family]]] = _no_replicas
    """Metrics of the engines' processes, if they are others than this one, by process."""
