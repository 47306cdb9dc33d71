"""Other live servers, each in an environment of its own, on the same weights by local folder."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import cache, python_with
from benchmarks.live_clients import Client, WhisperLive, WhisperLiveKit
from benchmarks.live_weights import write_checkpoint
from tests.support.ports import free_port

_START_SECONDS = 600
_HEADS = "from whisperlivekit.whisper import _ALIGNMENT_HEADS; print(_ALIGNMENT_HEADS['base'].decode())"
_WHISPER_LIVE = """
from whisper_live.server import TranscriptionServer
TranscriptionServer().run(
    "127.0.0.1", port={port}, backend="faster_whisper", faster_whisper_custom_model_path={model!r},
    single_model=True, max_clients=64, max_connection_time=7200, batch_enabled={batched},
)
"""


@dataclass(frozen=True)
class Peer:
    """A server to compare with."""

    packages: tuple[str, ...]
    note: str = ""


PEERS = {
    "whisperlivekit-alignatt": Peer(
        ("whisperlivekit==0.2.26", "faster-whisper==1.2.1"),
        "policy simulstreaming; encoder faster-whisper, decoder PyTorch on the same weights",
    ),
    "whisperlivekit-localagreement": Peer(("whisperlivekit==0.2.26", "faster-whisper==1.2.1")),
    "whisper-live": Peer(("whisper-live==0.10.0",)),
    "whisper-live-batched": Peer(("whisper-live==0.10.0",)),
    "wyoming-faster-whisper": Peer(("wyoming-faster-whisper==3.8.1",)),
}


@contextmanager
def serving(name: str, model: Path, language: str) -> Iterator[tuple[Client | None, int, int]]:
    """Run a peer's server; gives a client (none for Wyoming), its port, and its process id."""
    peer = PEERS[name]
    python, port = python_with(peer.packages), free_port()
    command: list[str | Path]
    client: Client | None = None
    if name.startswith("whisperlivekit"):
        command = [python.parent / "whisperlivekit-server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--backend", "faster-whisper", "--lan", language, "--pcm-input", "--warmup-file", ""]
        if name.endswith("alignatt"):
            checkpoint = cache() / f"{model.name}.pt"
            if not checkpoint.is_file():
                write_checkpoint(model, checkpoint)
            command += ["--backend-policy", "simulstreaming", "--encoder-model-path", model]
            command += ["--decoder-model-path", checkpoint]
            heads = subprocess.run([python, "-c", _HEADS], capture_output=True, text=True, check=True)
            command += ["--custom-alignment-heads", heads.stdout.strip()] if model.name == "base" else []
        else:
            command += ["--backend-policy", "localagreement", "--model_dir", model]
        client = WhisperLiveKit(f"ws://127.0.0.1:{port}")
    elif name.startswith("whisper-live"):
        code = _WHISPER_LIVE.format(port=port, model=str(model), batched=name.endswith("batched"))
        command = [python, "-c", code]
        client = WhisperLive(f"ws://127.0.0.1:{port}", str(model))
    else:
        command = [python, "-m", "wyoming_faster_whisper", "--uri", f"tcp://127.0.0.1:{port}"]
        command += ["--model", model, "--data-dir", cache(), "--language", language]
        command += ["--stt-library", "faster-whisper", "--compute-type", "int8", "--beam-size", "5"]
    log = cache() / f"{name}.log"
    # the hub cannot be asked: whoever needs it fails at once and says so
    hub = {"HF_HUB_OFFLINE": "1", "CT2_COMPUTE_TYPE": "int8"}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=os.environ | hub, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(process, port, log)
        yield client, port, process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def resident_mb(pid: int) -> float:
    """Memory of a process in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"the server has ended:\n{log.read_text()[-3000:]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    raise SystemExit(f"the server does not listen after {_START_SECONDS} s; see {log}")
