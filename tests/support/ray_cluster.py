"""Ray on this machine with several nodes: each is a raylet of its own with its own processes.

Nothing of Ray is imported here: its commands are run, as an operator runs them.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support import clients
from tests.support.ports import free_port
from tests.support.server import KEY

REPOSITORY = Path(__file__).parent.parent.parent
_START_SECONDS = 120.0


def configuration(
    import_path: str,
    *,
    machines: int = 1,
    arguments: Mapping[str, Any] | None = None,
    speech: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What `serve run` takes: two HTTP processes, and two replicas of each engine on different nodes.

    Args:
        import_path: what builds the application.
        machines: on which the HTTP processes are.
        arguments: more of them, for what builds it.
        speech: options of the deployment TextToSpeech.
    """
    engine = {"max_replicas_per_node": 1, "ray_actor_options": {"num_cpus": 1}}
    shape = {
        "api_processes": 2,
        "api_processes_per_machine": 2 // machines,
        "api_resource": "http",
        "stt_replicas": 2,
        "tts_replicas": 2,
    }
    return {
        "proxy_location": "Disabled",
        "applications": [
            {
                "name": "voz",
                "route_prefix": None,
                "import_path": import_path,
                "args": shape | dict(arguments or {}),
                "deployments": [
                    {"name": "SpeechToText", **engine},
                    {"name": "TextToSpeech", **engine, **(speech or {})},
                ],
            }
        ],
    }


def descendants(pid: int) -> list[int]:
    """A process and all that it has started, as far as their parents live."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


@dataclass
class Node:
    """A raylet, its workers and its agents."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def signal(self, number: int) -> None:
        """Send a signal to every process of the node, the raylet first."""
        for pid in descendants(self.process.pid):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait(timeout=30)


@dataclass
class RayCluster:
    """A head and any number of workers. By default the head has the HTTP processes.

    Args:
        folder: of this cluster alone; short, because sockets are in it.
        settings: environment of the service.
    """

    folder: Path
    settings: Mapping[str, str]
    port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    nodes: list[Node] = field(default_factory=list)
    token: str = field(default_factory=lambda: secrets.token_hex(32))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def client(self, timeout: float = 120) -> httpx.Client:
        return clients.client(self.url, KEY, timeout)

    def environment(self) -> dict[str, str]:
        from src.cluster.environment import DEFAULTS

        return {
            **os.environ,
            **DEFAULTS,
            "RAY_AUTH_TOKEN": self.token,
            "PYTHONPATH": str(REPOSITORY),
            # warnings of Ray's own packages are not ours to fail for
            "PYTHONWARNINGS": "default",
            # else Ray ends replicas where other programs have filled the machine's memory
            "RAY_memory_monitor_refresh_ms": "0",
            "API_KEY": KEY,
            "HOST": "127.0.0.1",
            "PORT": str(self.http_port),
            "STORAGE": "local",
            "STORAGE_DIR": str(self.folder / "storage"),
            "DATA_DIR": str(self.folder / "data"),
            "DEVICE": "cpu",
            "FAILED_KEY_LIMIT": "off",
            "HF_HUB_OFFLINE": "1",
            **self.settings,
        }

    def start_head(self, cpus: int, *, http: bool = True) -> Node:
        return self._start(
            "--head", f"--port={self.port}", "--include-dashboard=false", f"--num-cpus={cpus}",
            "--resources", json.dumps({"http": 1} if http else {}), f"--temp-dir={self.folder}",
        )  # fmt: skip

    def start_worker(self, cpus: int, *, http: bool = False) -> Node:
        resources = json.dumps({"http": 1} if http else {})
        return self._start(f"--address={self.address}", f"--num-cpus={cpus}", "--resources", resources)

    def _start(self, *arguments: str) -> Node:
        log = self.folder / f"node-{len(self.nodes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    _command("ray"), "start", *arguments, "--block", "--disable-usage-stats",
                    f"--object-store-memory={100 * 2**20}", "--include-log-monitor=false",
                ],
                env=self.environment(), cwd=self.folder, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        node = Node(process, log)
        self.nodes.append(node)
        end = time.monotonic() + _START_SECONDS
        while b"Ray runtime started" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        return node

    def deploy(self, config: Mapping[str, Any]) -> None:
        """`serve run` with a configuration file. Ray has the file then, but has not acted on it yet."""
        file = self.folder / "serve.yaml"
        file.write_text(json.dumps(config))  # JSON is YAML
        done = subprocess.run(
            [_command("serve"), "run", "--non-blocking", f"--address={self.address}", str(file)],
            env=self.environment(), cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0 and "Submitted" in done.stdout + done.stderr, done.stdout + done.stderr

    def replicas(self, node: Node | None = None) -> dict[str, list[int]]:
        """Process ids of the replicas (of one node), by deployment."""
        found: dict[str, list[int]] = {}
        for one in [node] if node is not None else self.nodes:
            for pid in descendants(one.process.pid):
                try:
                    title = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
                except OSError:
                    continue
                if title.startswith("ray::ServeReplica:voz:"):
                    found.setdefault(title.split(":")[4].partition(".")[0], []).append(pid)
        return found

    def wait_ready(self, replicas: int, seconds: float = 240) -> None:
        """Until the service is ready and both engines have so many replicas."""
        end = time.monotonic() + seconds
        seen = ""
        while True:
            try:
                with self.client(timeout=5) as client:
                    seen = client.get("/health/ready").text
                    text = client.get("/metrics").text
                count = {name: text.count(f'voz_engine_up{{engine="{name}"') for name in self.engines}
                seen += f" {count}"
                if '"status":"ready"' in seen and all(number == replicas for number in count.values()):
                    return
            except httpx.HTTPError as error:
                seen = repr(error)
            assert time.monotonic() < end, f"{seen}\n{self.logs()}"
            time.sleep(0.5)

    engines: tuple[str, str] = ("reader", "speaker")

    def logs(self) -> str:
        """The last lines of every process that ran our code."""
        logs = (self.folder / "session_latest" / "logs").glob("worker-*.err")
        return "\n".join(f"== {log.name}\n{log.read_text(errors='replace')[-2500:]}" for log in logs)

    def close(self) -> None:
        for node in reversed(self.nodes):
            node.signal(signal.SIGCONT)
            node.kill()


@contextmanager
def ray_cluster(settings: Mapping[str, str]) -> Iterator[RayCluster]:
    """A cluster without nodes; those that are started end with the block."""
    folder = Path(tempfile.mkdtemp(prefix="vr", dir="/tmp"))
    cluster = RayCluster(folder, settings)
    try:
        yield cluster
    finally:
        cluster.close()
        shutil.rmtree(folder, ignore_errors=True)


def _command(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
