"""A deployment target: a real sshd on the loopback address, behind a connection that tests can cut."""

import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.ports import free_port, free_release_port

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Host:
    """The deployment target. `home` is its home folder; `docker` on its PATH is a fake."""

    home: Path
    ssh_port: int
    state: Path
    private_key: str
    host_key: str
    ports: dict[str, int] = field(
        default_factory=lambda: {branch: free_release_port() for branch in ("develop", "quality", "main")}
    )

    def calls(self, *names: str) -> list[dict[str, Any]]:
        """Calls of the fake `docker`, oldest first; only those of the commands named, if any are."""
        file = self.state / "calls.jsonl"
        calls = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [call for call in calls if not names or call["command"][0] in names]

    def current(self, environment: str) -> str:
        return (self.home / "voz" / environment / "current").readlink().name

    def containers(self, environment: str) -> list[dict[str, Any]]:
        """Of the service `voz` in an environment."""
        found = [json.loads(file.read_text()) for file in sorted(self.state.glob("c[0-9]*.json"))]
        return [container for container in found if container["project"] == f"voz-{environment}"]

    def docker(self, *arguments: str, **environment: str) -> None:
        """Call the fake `docker`."""
        variables = os.environ | {"STANDIN_STATE": str(self.state)} | environment
        subprocess.run([self.state.parent / "bin" / "docker", *arguments], env=variables, check=True)

    def forget_proxy(self) -> None:
        """As if none had ever been here."""
        for file in self.state.glob("c[0-9]*.json"):
            if json.loads(file.read_text())["project"] == "voz-proxy":
                self.docker("rm", file.stem)
        for folder in (self.home / "voz" / "proxy", self.state / "proxy"):
            shutil.rmtree(folder)

    def everything_written(self) -> str:
        """All logs and records on the host, but not the `.env` files."""
        files = [*self.state.glob("*.log"), *self.state.glob("*.jsonl"), *self.home.glob("voz/*/logs/*")]
        return "".join(file.read_text() for file in files if file.is_file())


@contextlib.contextmanager
def deploy_host(folder: Path) -> Iterator[Host]:
    """Start an sshd with its own keys. At the end, stop it and everything that was deployed."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert sshd, "these tests need a real sshd: apt-get install openssh-server"
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    binaries, home, state = folder / "bin", folder / "home", folder / "state"
    for path in (binaries, home, state):
        path.mkdir()
    docker = binaries / "docker"
    script = REPOSITORY / "tests" / "support" / "standin_docker.py"
    docker.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{script}" "$@"\n')
    docker.chmod(0o755)
    port = free_port()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"SetEnv PATH={binaries}:{os.environ['PATH']} HOME={home} STANDIN_STATE={state}\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd drops its rights
    with (folder / "sshd.log").open("wb") as log:
        server = subprocess.Popen([sshd, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    try:
        _wait_for(port, server, folder / "sshd.log")
        host_key = " ".join((folder / "host.pub").read_text().split()[:2])
        yield Host(home, port, state, (folder / "user").read_text(), host_key)
    finally:
        server.terminate()
        server.wait()
        for pid_file in state.glob("*.pid"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid_file.read_text()), 15)


def _wait_for(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(1200):
        assert server.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


class Line:
    """A TCP proxy to the host. It can cut connections, at once or after a number of bytes to the host."""

    def __init__(self, to_port: int) -> None:
        self.cut_after: int | None = None
        self._to_port = to_port
        self._sent = 0
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break the open connections; new ones work."""
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to_port))
                self._open += [near, far]
                threading.Thread(target=self._copy, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._copy, args=(far, near, False), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, to_host: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
                self._sent += len(data) if to_host else 0
                if self.cut_after is not None and self._sent > self.cut_after:
                    self.cut()
                    return
            target.shutdown(socket.SHUT_WR)


class Release:
    """A repository to deploy from: this application, and the files that a test adds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(
            REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"), symlinks=True
        )
        shutil.copytree(REPOSITORY / "deploy", folder / "deploy")
        shutil.copy(REPOSITORY / "docker-compose.yml", folder)
        shutil.copy(REPOSITORY / "tests" / "support" / "quick_app.py", folder)
        self._git("init", "--quiet", "--initial-branch=develop")
        self.commit(mark="first")

    def commit(self, **files: str | bytes | None) -> None:
        """Commit files with these contents; None takes one away."""
        for name, content in files.items():
            path = self.folder / name
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        self._git("add", "--all")
        self._git("-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", "release")

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", "-C", str(self.folder), *arguments], check=True)

    def deploy(self, host: Host, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start deploy.sh; its output, both kinds, is on `stdout`."""
        variables = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        variables |= {
            "LIGHTSAIL_HOST": "127.0.0.1",
            "LIGHTSAIL_PORT": str(host.ssh_port),
            "LIGHTSAIL_USERNAME": getpass.getuser(),
            "LIGHTSAIL_SSH_KEY": host.private_key,
            "LIGHTSAIL_HOST_KEY": host.host_key,
            "VOZ_PORT": str(host.ports[arguments[0]]),
            "READY_TIMEOUT": "120",
        }
        return subprocess.Popen(
            [self.folder / "deploy" / "deploy.sh", *arguments],
            env=variables | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


class ProcessList:
    """Polls the arguments of every process for given words."""

    def __init__(self, words: list[str]) -> None:
        self.seen: set[str] = set()
        self.looks = 0
        self._words = [word.encode() for word in words]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "ProcessList":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            self.looks += 1
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    arguments = file.read_bytes()
                    self.seen |= {word.decode() for word in self._words if word in arguments}
