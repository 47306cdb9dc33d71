"""Engines that run in other processes, behind the same Protocols as those in this one.

`client.py` implements `SpeechToText` and `TextToSpeech` over `Replicas`, a way to reach the processes.
`server.py` is what each of these processes calls its own engine through. `src/cluster` implements `Replicas`
with Ray Serve; nothing here knows of it.
"""

from src.engines.remote.client import RemoteSpeechToText, RemoteTextToSpeech
from src.engines.remote.messages import ReplicaDescription, ReplicaLost, ReplicaStatus, RowCall
from src.engines.remote.server import EngineServer

__all__ = [
    "EngineServer",
    "RemoteSpeechToText",
    "RemoteTextToSpeech",
    "ReplicaDescription",
    "ReplicaLost",
    "ReplicaStatus",
    "RowCall",
]
