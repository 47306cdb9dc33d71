"""The command line as it is installed: against a started server, and with the models in its own process."""

import json
import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import REPOSITORY, Voz, files_in
from tests.support.compiled_kernels import lend_kernels
from tests.support.server import KEY, RunningServer
from tests.support.speech import clip, silence

pytestmark = pytest.mark.models

SPEECH = REPOSITORY / "tests" / "data" / "speech"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", folder, REPOSITORY], check=True, capture_output=True)
    return next(folder.glob("voz-*.whl"))


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """`voz` as pip installs it, in an environment that sees the packages of this one."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    own = next(folder.glob("lib/python*/site-packages"))
    lend_kernels(own / "voz" / "_app" / "src")
    here = sysconfig.get_path("purelib")
    (own / "shared.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    return str(folder / "bin" / "voz")


@pytest.fixture
def here(command: str, models_dir: Path, tmp_path: Path) -> Voz:
    """The command without a server."""
    environment = {"MODELS_DIR": str(models_dir), "TTS_ENGINE": "kokoro", "DEVICE": "cpu"}
    return Voz(tmp_path, [command], environment)


@pytest.fixture
def there(command: str, voz: RunningServer, tmp_path: Path) -> Iterator[Voz]:
    """The command with a server, where models could not be found."""
    yield Voz(tmp_path, [command], {"VOZ_URL": voz.url, "VOZ_API_KEY": KEY, "MODELS_DIR": "/nowhere"})


def test_the_wheel_has_what_is_needed_under_one_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        metadata = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        required = [
            line.removeprefix("Requires-Dist: ").partition("==")[0]
            for line in archive.read(metadata).decode().splitlines()
            if line.startswith("Requires-Dist: ")
        ]
    assert {name.split("/")[0] for name in names} == {"voz"}
    assert {"voz/py.typed", "voz/_app/.env.example", "voz/_app/src/main.py"} <= set(names)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src", "voz"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    there = {f"voz/_app/{name}" if name.startswith("src/") else name for name in listed
             if (REPOSITORY / name).exists()}  # fmt: skip
    assert there == set(names) - {"voz/_app/.env.example"}
    assert {"torch", "httpx", "typer", "rich"} <= set(required)


def test_against_a_server(there: Voz, tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_bytes(b"this is no audio" * 100)
    done = there.run(
        "transcribe", str(SPEECH / "en-agent.flac"), "bad.mp3", str(SPEECH / "es-agent.flac"), "-o", "out",
        "-f", "srt",
    )  # fmt: skip
    assert done.returncode == 1
    assert files_in(tmp_path / "out") == ["en-agent.srt", "es-agent.srt"]
    assert "-->" in (tmp_path / "out" / "es-agent.srt").read_text()
    assert b"1 of 3 failed:" in done.stderr
    assert b"bad.mp3: " in done.stderr
    assert there.run("say", "The quick brown fox.", "-l", "en", "-o", "fox.mp3").returncode == 0
    assert b"fox" in there.run("transcribe", "fox.mp3", "--language", "en").stdout.lower()
    voices = json.loads(there.run("voices", "--json").stdout)
    assert {voice["language"] for voice in voices} >= {"en", "es"}
    assert voices[0]["id"].encode() in there.run("voices").stdout
    assert json.loads(there.run("models", "--json").stdout)["stt"]["engine"] == "whisper"
    assert b"whisper" in there.run("models").stdout


def test_without_a_server(here: Voz, tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_bytes(b"this is no audio" * 100)
    files = [str(SPEECH / "en-agent.flac"), "bad.mp3", str(SPEECH / "es-agent.flac")]
    done = here.run("transcribe", *files, "--json", "--words", timeout=300)
    assert done.returncode == 1, done.stderr
    english, bad, spanish = map(json.loads, done.stdout.splitlines())
    assert (english["transcription"]["language"], spanish["transcription"]["language"]) == ("en", "es")
    assert english["transcription"]["segments"][0]["words"]
    assert bad["status"] == "failed"
    # nothing but what it has to say, and nothing left behind
    assert done.stderr.decode().splitlines()[0] == "1 of 3 failed:"
    assert len(done.stderr.decode().splitlines()) == 2
    assert files_in(tmp_path) == ["bad.mp3"]


def live_audio() -> bytes:
    audio = np.concatenate([silence(0.4), clip("en-agent"), silence(1.0)])
    return bytes((audio * 32767).astype("<i2").tobytes())


def test_live_from_standard_input(there: Voz, tmp_path: Path) -> None:
    done = there.run("live", "--input", "-", "-l", "en", text=live_audio())
    assert done.returncode == 0, done.stderr
    assert b"agent number" in done.stdout
    assert b"Traceback" not in done.stderr
    events = there.run("live", "--input", "-", "--json", text=live_audio())
    kinds = [json.loads(line)["type"] for line in events.stdout.splitlines()]
    assert (kinds[0], kinds[-1]) == ("ready", "closed")
    assert "final" in kinds
    there.environment["VOZ_API_KEY"] = "a-wrong-key"
    refused = there.run("live", "--input", "-", text=live_audio())
    assert (refused.returncode, refused.stdout) == (3, b"")
    assert b"Traceback" not in refused.stderr


def test_live_from_the_microphone_until_ctrl_c(there: Voz, tmp_path: Path) -> None:
    (tmp_path / "audio.raw").write_bytes(live_audio())
    recorder = tmp_path / "bin" / "arecord"
    recorder.parent.mkdir()
    recorder.write_text("#!/bin/sh\necho $$ > recorder.pid\ncat audio.raw\ntouch all.sent\nexec sleep 60\n")
    recorder.chmod(0o755)
    there.environment["PATH"] = f"{recorder.parent}:{there.environment['PATH']}"
    done = there.interrupted("live", "-l", "en", when=(tmp_path / "all.sent").exists)
    assert done.returncode == 0, done.stderr
    assert b"agent number" in done.stdout
    pid = int((tmp_path / "recorder.pid").read_text())
    assert not Path(f"/proc/{pid}").exists()
    recorder.write_text("#!/bin/sh\nexit 1\n")
    failed = there.run("live")
    assert failed.returncode == 1
    assert b"is there a microphone?" in failed.stderr


def test_interrupted_while_the_models_load(here: Voz, tmp_path: Path) -> None:
    sockets = tmp_path / "temporary"
    sockets.mkdir()
    here.environment["TMPDIR"] = str(sockets)
    done = here.interrupted("say", "Hello", "-o", "out.wav", when=lambda: any(sockets.glob("voz-*")))
    assert done.returncode == 130
    assert b"Traceback" not in done.stderr
    assert files_in(tmp_path) == []


def test_models_that_cannot_be_had(here: Voz) -> None:
    here.environment["STT_MODEL"] = "./not-there"
    done = here.run("transcribe", str(SPEECH / "en-agent.flac"))
    assert done.returncode == 3
    assert b"there is no such folder" in done.stderr
    assert b"Traceback" not in done.stderr
    # a command loads the models that it needs, and no others
    assert b"af_heart" in here.run("voices", timeout=300).stdout


def test_doctor(here: Voz, voz: RunningServer, tmp_path: Path) -> None:
    found = {finding["what"]: finding for finding in json.loads(here.run("doctor", "--json").stdout)}
    assert {"Python", "packages", "CPU", "instructions", "memory", "GPU", "settings", "port"} <= found.keys()
    assert found["weights"]["status"] == "ok"
    assert found["storage"]["status"] == "ok"
    assert "there is no API_KEY" in found["settings"]["detail"]
    assert files_in(tmp_path) == []
    here.environment |= {
        "VOZ_URL": voz.url, "VOZ_API_KEY": "a-wrong-key", "MODELS_DIR": str(tmp_path / "models"),
        "MAX_UPLOAD_MB": "many", "STORAGE": "s3", "S3_BUCKET_NAME": "b", "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b", "S3_ENDPOINT_URL": "http://127.0.0.1:9",
    }  # fmt: skip
    here.environment["COLUMNS"] = "500"  # a finding is a line, and its advice another
    done = here.run("doctor")
    assert done.returncode == 1
    said = done.stdout.decode()
    problems = re.findall(r"^problem +(\S+(?: \S+)*)", said, re.MULTILINE)
    assert sorted(problems) == ["server's key", "settings", "storage"]
    assert re.search(r"^problem +settings .*MAX_UPLOAD_MB", said, re.MULTILINE)
    assert re.search(r"^note +weights .*Whisper base, Kokoro", said, re.MULTILINE)
    assert re.search(r"^ +-> ", said, re.MULTILINE)
