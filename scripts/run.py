"""`make run`: writes settings if there are none, starts the server, and prints two commands to try."""

import json
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from src.config import Settings, load_settings
from src.errors import ConfigurationError

SAMPLE = Path("sample.wav")
HELLO = "Hello! This is Voz speaking. Send me your audio, and I will write it down."


def main() -> int:
    make_env(Path(".env"), Path(".env.example"))
    try:
        settings = load_settings()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    command = [sys.executable, "-m", "uvicorn", "src.main:app"]
    command += ["--host", settings.host, "--port", str(settings.port)]
    command += ["--workers", str(settings.web_concurrency), "--http", "src.api.protocol:BoundedProtocol"]
    server = subprocess.Popen(command)
    # Ctrl-C reaches the server as well; this process only has to outlive it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    base = f"http://{'127.0.0.1' if settings.host == '0.0.0.0' else settings.host}:{settings.port}"
    if wait_until_ready(server, base):
        greet(settings, base)
    return server.wait()


def make_env(target: Path, example: Path) -> None:
    """Write `.env` with a fresh key if there is none; only its owner can read it."""
    if target.exists():
        return
    text = example.read_text(encoding="utf-8").replace("API_KEY=\n", f"API_KEY={secrets.token_urlsafe(32)}\n")
    target.touch(mode=0o600)
    target.write_text(text, encoding="utf-8")
    say(f"Wrote {target} with a fresh API_KEY.")


def wait_until_ready(server: "subprocess.Popen[bytes]", base: str) -> bool:
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"{base}/health/ready", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    return False


def greet(settings: Settings, base: str) -> None:
    """Speak a sample and print two commands to paste."""
    key = settings.api_key[0].get_secret_value()
    request = urllib.request.Request(
        f"{base}/tts/stream",
        json.dumps({"text": HELLO, "language": "en"}).encode(),
        {"X-API-Key": key, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
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
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
