"""A fake `docker` for the deployment target: it records its calls, and its containers are processes.

A container of the service `voz` is the application of the release that was sent, with the `.env` that was
sent. Only the engines are replaced (`quick_app.py`), so that it starts in a second. The proxy is a real
Caddy. Only the standard library is imported: a deployment calls `docker` twenty times.

STANDIN_STATE is its folder: calls.jsonl, a record and a log for each container, `memory` (what `docker stats`
says of each), `hold` (while that file is there, `build` waits) and `proxy-fails` (the next start of the proxy
fails).
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STATE = Path(os.environ["STANDIN_STATE"])


@dataclass
class Container:
    """A process, and what `docker ps` says of it."""

    id: str
    project: str
    port: str
    pid: int

    def save(self) -> None:
        (STATE / f"{self.id}.json").write_text(json.dumps(asdict(self)))
        (STATE / f"{self.id}.pid").write_text(str(self.pid))

    @property
    def log(self) -> Path:
        return STATE / f"{self.id}.log"

    def runs(self) -> bool:
        stat = Path(f"/proc/{self.pid}/stat")
        return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"

    def stop(self) -> None:
        if self.runs():
            os.kill(self.pid, signal.SIGTERM)
        while self.runs():
            time.sleep(0.02)

    def remove(self) -> None:
        self.stop()
        (STATE / f"{self.id}.json").unlink(missing_ok=True)
        (STATE / f"{self.id}.pid").unlink(missing_ok=True)


def containers(project: str = "") -> list[Container]:
    """All that were made and not removed, the oldest first."""
    files = sorted(STATE.glob("c[0-9]*.json"))
    every = [Container(**json.loads(file.read_text())) for file in files]
    return [container for container in every if project in ("", container.project)]


def named(ids: list[str]) -> list[Container]:
    return [container for container in containers() if container.id in ids]


def main(arguments: list[str]) -> int:
    if arguments[0] == "compose" and arguments[1].startswith("--"):
        options = dict(zip(arguments[1:9:2], arguments[2:9:2], strict=True))
        return _compose(options, arguments[9:])
    _record(arguments)
    command, *rest = arguments
    if command == "ps":
        project = rest[rest.index("--filter") + 1].rpartition("=")[2]
        for container in containers(project):
            ports = f"127.0.0.1:{container.port}->8000/tcp" if container.runs() else ""
            sys.stdout.write(f"{container.id} {ports}\n" if ports or "--all" in rest else "")
    elif command == "inspect":  # one that has ended: as if it had been restarted thrice
        sys.stdout.write("".join("0\n" if container.runs() else "3\n" for container in named(rest)))
    elif command == "stats":
        memory = STATE / "memory"
        sys.stdout.write(memory.read_text() if memory.exists() else "80.5MiB / 6GiB\n")
    elif command == "logs":
        sys.stdout.write("".join(container.log.read_text() for container in named(rest)))
    elif command == "stop":
        for container in named(rest):
            container.stop()
    elif command == "rm":
        for container in named(rest):
            container.remove()
    return 0


def _record(command: list[str], **facts: str | None) -> None:
    with (STATE / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps({"command": command, **facts}) + "\n")


def _compose(options: dict[str, str], command: list[str]) -> int:
    project, folder, env_file = (
        options["--project-name"],
        Path(options["--project-directory"]),
        Path(options["--env-file"]),
    )
    if project == "voz-proxy":
        _record(["proxy", *command])
        return _proxy(folder, command)
    _record(command, release=folder.name, mode=f"{env_file.stat().st_mode & 0o777:o}")
    if command[0] == "build":
        while (STATE / "hold").exists():
            time.sleep(0.05)
        if (folder / "does-not-build").exists():
            sys.stderr.write("the image does not build\n")
            return 1
    elif command[0] == "up":
        _up(project, folder, env_file, command)
    elif command[0] == "config":
        sys.stdout.write("voz\n")
    return 0


def _up(project: str, folder: Path, env_file: Path, command: list[str]) -> None:
    if "--no-recreate" in command:
        [wanted] = (int(word.removeprefix("voz=")) for word in command if word.startswith("voz="))
    else:
        wanted = 1
        for container in containers(project):
            container.remove()
    for _ in range(wanted - len(containers(project))):
        _start(project, folder, env_file)


def _start(project: str, folder: Path, env_file: Path) -> None:
    # as with compose: what stands in the environment comes before .env
    port = os.environ["PORT"]
    storage = {"STORAGE_DIR": str(STATE / "storage"), "DATA_DIR": str(STATE / "data")}
    command = [sys.executable, "-m", "uvicorn", "quick_app:app", "--port", port, "--env-file", str(env_file)]
    _run(project, port, command, cwd=folder, env=os.environ | storage)


def _run(project: str, port: str, command: list[str], **options: Any) -> None:
    name = f"c{time.time_ns()}"
    with (STATE / f"{name}.log").open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **options,
        )
    Container(name, project, port, process.pid).save()


def _proxy(folder: Path, command: list[str]) -> int:
    configuration = STATE / "proxy" / "host.Caddyfile"
    caddy = str(Path(sys.executable).with_name("caddy"))
    options = ["--config", str(configuration), "--adapter", "caddyfile"]
    if command[0] == "up" and (STATE / "proxy-fails").exists():
        (STATE / "proxy-fails").unlink()
        return 1
    if command[0] == "up" and not any(container.runs() for container in containers("voz-proxy")):
        _write_configuration(folder, configuration.parent)
        home = {"HOME": str(STATE), "XDG_DATA_HOME": str(STATE), "PATH": os.environ["PATH"]}
        _run("voz-proxy", "", [caddy, "run", *options], env=home)
    elif command[0] == "exec":
        _write_configuration(folder, configuration.parent)
        return subprocess.run([caddy, "reload", *options], check=False).returncode
    return 0


def _write_configuration(folder: Path, copy: Path) -> None:
    """What the container sees below /etc/caddy, with the paths of this machine.

    Each file is whole at every moment: a Caddy that has just been started may be reading it.
    """
    for file in folder.rglob("*"):
        if file.is_file():
            text = file.read_text().replace("unix//run/", f"unix/{STATE}/")
            target = copy / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f"{target.name}.partial")
            partial.write_text(text.replace("/etc/caddy/", f"{folder}/"))
            partial.replace(target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
