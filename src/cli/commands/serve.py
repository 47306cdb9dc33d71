"""`voz serve`, which `make run` calls too: settings, the server, and two commands to try."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from src.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from src.config import Settings

SAMPLE = Path("sample.wav")
HELLO = "Hello! This is Voz speaking. Send me your audio, and I will write it down."
_ROOT = Path(__file__).parent.parent.parent.parent
"""Where the package `src` lies, with `.env.example` beside it."""


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (HOST).", show_default=False)] = None,
    port: Annotated[
        int | None, typer.Option(help="Port (PORT).", min=1, max=65535, show_default=False)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes (WEB_CONCURRENCY); each loads the models.", min=1, show_default=False),
    ] = None,
) -> None:
    """Start a server here, and a `.env` with an API key if there is none."""
    given = {"HOST": host, "PORT": port, "WEB_CONCURRENCY": workers}
    os.environ.update({name: str(value) for name, value in given.items() if value is not None})
    raise typer.Exit(run())


def run() -> int:
    """Serve until Ctrl-C; gives the exit code."""
    from src.config import load_settings
    from src.errors import ConfigurationError

    make_env(Path(".env"), _ROOT / ".env.example")
    try:
        settings = load_settings()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.NO_SERVER
    command = [sys.executable, "-m", "uvicorn", "src.main:app", "--app-dir", str(_ROOT)]
    command += ["--host", settings.host, "--port", str(settings.port)]
    command += ["--workers", str(settings.web_concurrency), "--http", "src.api.protocol:BoundedProtocol"]
    server = subprocess.Popen(command)  # noqa: S603
    # Ctrl-C reaches the server as well; this process only has to outlive it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    base = local_url(settings.host, settings.port)
    if wait_until_ready(server, base):
        greet(settings, base)
    return server.wait()


def local_url(host: str, port: int) -> str:
    """The address at which this machine itself reaches a server that listens on `host` and `port`."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def make_env(target: Path, example: Path) -> None:
    """Write `.env` with a fresh key if there is none; only its owner can read it."""
    if target.exists():
        return
    text = example.read_text(encoding="utf-8").replace("API_KEY=\n", f"API_KEY={secrets.token_urlsafe(32)}\n")
    target.touch(mode=0o600)
    target.write_text(text, encoding="utf-8")
    say(f"Wrote {target} with a fresh API_KEY.")


def wait_until_ready(server: "subprocess.Popen[bytes]", base: str) -> bool:
    """Whether the server gets ready before it ends."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"{base}/health/ready", timeout=5):  # noqa: S310 - our own address
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    return False


def greet(settings: "Settings", base: str) -> None:
    """Speak a sample and print two commands to paste."""
    if not settings.api_key:  # all keys are in API_KEYS_FILE, hashed
        say(f"Voz is ready: {base}. Stop it with Ctrl-C.")
        return
    key = settings.api_key[0].get_secret_value()
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{base}/tts/stream",
        json.dumps({"text": HELLO, "language": "en"}).encode(),
        {"X-API-Key": key, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            SAMPLE.write_bytes(answer.read())
    except (urllib.error.URLError, OSError) as error:
        say(f"The server is ready, but could not speak the sample: {error}")
        return
    say(
        f"""
Voz is ready. Try it in the browser: {base}
The page asks for a key once: {key}
What the API can do: {base}/docs

Transcribe what it just spoke:
  curl -H "X-API-Key: {key}" -F file=@{SAMPLE} {base}/stt

Speak:
  curl -H "X-API-Key: {key}" -H "Content-Type: application/json" \\
    -d '{{"text": "Hola, soy Voz. ¿En qué te ayudo?", "language": "es"}}' {base}/tts

Stop it with Ctrl-C."""
    )


def say(text: str) -> None:
    """A line on standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
