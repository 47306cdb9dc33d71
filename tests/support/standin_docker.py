"""A fake `docker` for the deployment target: it records its calls, and `up` starts a server.

It starts the application of the release that was sent, with the `.env` that was sent, in a process of its
own. Only the engines are replaced (`quick_app.py`), so that it starts in a second.

STANDIN_STATE is its folder: calls.jsonl, a log and a process id a project, and `hold`: while that file is
there, `build` waits.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from dotenv import dotenv_values

STATE = Path(os.environ["STANDIN_STATE"])


def main(arguments: list[str]) -> int:
    project, folder, env_file, command = _compose(arguments)
    with (STATE / "calls.jsonl").open("a") as calls:
        mode = f"{env_file.stat().st_mode & 0o777:o}" if env_file else None
        calls.write(json.dumps({"command": command, "release": folder and folder.name, "mode": mode}) + "\n")
    log, pid_file = STATE / f"{project}.log", STATE / f"{project}.pid"
    if command[0] == "build":
        while (STATE / "hold").exists():
            time.sleep(0.05)
        if folder and (folder / "does-not-build").exists():
            sys.stderr.write("the image does not build\n")
            return 1
    elif command[0] in ("up", "down"):
        _stop(pid_file)
        if command[0] == "up" and folder and env_file:
            _start(folder, env_file, log, pid_file)
    elif command[0] == "logs":
        sys.stdout.write(log.read_text())
    elif command[0] == "ps":
        sys.stdout.write(f"{project}\n")
    elif command[0] == "inspect":  # as if it had been restarted thrice
        sys.stdout.write("0\n" if _runs(STATE / f"{command[-1]}.pid") else "3\n")
    return 0


def _compose(arguments: list[str]) -> tuple[str, Path | None, Path | None, list[str]]:
    if arguments[0] != "compose" or not arguments[1].startswith("--"):
        return "", None, None, arguments
    options = dict(zip(arguments[1:9:2], arguments[2:9:2], strict=True))
    folder, env_file = Path(options["--project-directory"]), Path(options["--env-file"])
    return options["--project-name"], folder, env_file, arguments[9:]


def _start(folder: Path, env_file: Path, log: Path, pid_file: Path) -> None:
    settings = {name: value or "" for name, value in dotenv_values(env_file).items()}
    command = [sys.executable, "-m", "uvicorn", "quick_app:app", "--port", settings["PORT"]]
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ
            | settings
            | {"STORAGE_DIR": str(STATE / "storage"), "DATA_DIR": str(STATE / "data")},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    pid_file.write_text(str(server.pid))


def _stop(pid_file: Path) -> None:
    if _runs(pid_file):
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
        while _runs(pid_file):
            time.sleep(0.05)


def _runs(pid_file: Path) -> bool:
    if not pid_file.exists():
        return False
    stat = Path(f"/proc/{pid_file.read_text()}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
