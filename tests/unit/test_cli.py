"""The command line as a process, against a server whose answers are scripted: files, codes and signals."""

import json
import os
import pty
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client_app import SEGMENT, WHOLE, Script, app_of, event, problem
from tests.support.commands import Voz, files_in
from tests.support.server import serve

pytestmark = pytest.mark.slow

STREAM = [
    event("segment", json.dumps(SEGMENT)),
    event("done", json.dumps(WHOLE | {"document": "Hello there."})),
]
WAV = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + bytes(16) + b"data\xff\xff\xff\xff" + bytes(100)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[str, Script]]:
    script = Script()
    with serve(app_of(script)) as server:
        yield server.url, script


@pytest.fixture
def script(running: tuple[str, Script]) -> Script:
    vars(running[1]).update(vars(Script(stream=list(STREAM))))
    return running[1]


@pytest.fixture
def voz(running: tuple[str, Script], script: Script, tmp_path: Path) -> Voz:
    for name in ("a.mp3", "b.wav", "folder/c.ogg", "folder/deep/d.flac", "folder/notes.txt", "folder/.e.mp3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"some audio")
    return Voz(tmp_path, environment={"VOZ_URL": running[0], "VOZ_API_KEY": "the-api-key"})


def test_one_file_goes_to_standard_output(voz: Voz, script: Script) -> None:
    done = voz.run("transcribe", "a.mp3")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Hello there.\n", b"")
    assert script.headers[-1]["x-api-key"] == "the-api-key"


def test_folders_patterns_and_files_each_once(voz: Voz, script: Script, tmp_path: Path) -> None:
    done = voz.run("transcribe", "folder", "./a.mp3", "*.mp3", "-o", "out", "-f", "srt")
    assert done.returncode == 0, done.stderr
    assert files_in(tmp_path / "out") == ["a.srt", "c.srt", "deep/d.srt"]
    assert len(script.bodies) == 3
    assert b'name="response_format"\r\n\r\nsrt' in script.bodies[0]
    assert b"a.mp3 -> out/a.srt" in done.stderr
    assert done.stdout == b""


def test_what_is_done_is_skipped_until_it_is_older(voz: Voz, script: Script, tmp_path: Path) -> None:
    assert voz.run("transcribe", "a.mp3", "b.wav", "-o", "out").returncode == 0
    again = voz.run("transcribe", "a.mp3", "b.wav", "-o", "out")
    assert again.returncode == 0
    assert b"2 of 2 were done already" in again.stderr
    assert len(script.bodies) == 2
    os.utime(tmp_path / "a.mp3", (time.time() + 60, time.time() + 60))
    voz.run("transcribe", "a.mp3", "b.wav", "-o", "out")
    assert len(script.bodies) == 3
    voz.run("transcribe", "b.wav", "-o", "out", "--force")
    assert len(script.bodies) == 4


def test_a_file_that_fails_does_not_stop_the_others(voz: Voz, script: Script, tmp_path: Path) -> None:
    script.answers.append(problem(415, "not-audio"))
    done = voz.run("transcribe", "a.mp3", "b.wav", "not there.mp3", "x*.mp3", "-o", "out", "-p", "1")
    assert done.returncode == 1
    assert files_in(tmp_path / "out") == ["b.txt"]
    said = done.stderr.decode()
    assert "3 of 4 failed:" in said
    assert "a.mp3: what was wrong (request abc123)" in said
    assert "not there.mp3: no such file" in said
    assert "x*.mp3: nothing matches" in said
    # and the next run does only what is left
    assert voz.run("transcribe", "a.mp3", "b.wav", "-o", "out").returncode == 0
    assert len(script.bodies) == 3


def test_outputs_of_one_name_keep_their_suffix(voz: Voz, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"another")
    assert voz.run("transcribe", "a.mp3", "a.wav", "b.wav", "-o", "out").returncode == 0
    assert files_in(tmp_path / "out") == ["a.mp3.txt", "a.wav.txt", "b.txt"]


def test_a_line_of_json_for_each_file_in_order(voz: Voz, script: Script) -> None:
    script.answers.append(problem(415, "not-audio"))
    done = voz.run("transcribe", "a.mp3", "b.wav", "--json", "-p", "1")
    assert done.returncode == 1
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["file"], first["status"], first["request_id"]) == ("a.mp3", "failed", "abc123")
    assert (second["file"], second["status"], second["error"]) == ("b.wav", "done", None)
    assert second["transcription"]["segments"][0]["end"] == 1.5


def test_json_as_a_format(voz: Voz, tmp_path: Path) -> None:
    voz.run("transcribe", "a.mp3", "-o", "out", "-f", "json")
    found = json.loads((tmp_path / "out/a.json").read_text())
    assert found["text"] == "Hello there."
    assert "words" not in found["segments"][0]


def test_standard_input(voz: Voz, script: Script) -> None:
    script.answers.append(problem(503, retry_after="0"))
    done = voz.run("transcribe", "-", text=b"piped audio")
    assert (done.returncode, done.stdout) == (0, b"Hello there.\n")
    assert len(script.bodies) == 2
    assert b"piped audio" in script.bodies[1]
    assert voz.run("transcribe", "-", text=b"").returncode == 1


def test_several_files_and_one_standard_output(voz: Voz) -> None:
    texts = voz.run("transcribe", "a.mp3", "b.wav")
    assert texts.stdout == b"==> a.mp3 <==\nHello there.\n==> b.wav <==\nHello there.\n"
    assert voz.run("transcribe", "a.mp3", "b.wav", "-f", "srt").returncode == 2


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing_half_done(
    voz: Voz, script: Script, tmp_path: Path, by: signal.Signals, code: int
) -> None:
    script.stream, script.endless = STREAM[:1], True
    begun = time.monotonic()
    done = voz.interrupted(
        "transcribe", "a.mp3", "b.wav", "-o", "out", when=lambda: len(script.bodies) == 2, by=by
    )
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert files_in(tmp_path / "out") == []
    while not script.left.is_set() and time.monotonic() < begun + 30:
        time.sleep(0.02)
    assert script.left.is_set()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_speech_that_is_interrupted_leaves_no_file(
    voz: Voz, script: Script, tmp_path: Path, by: signal.Signals
) -> None:
    before = files_in(tmp_path)
    script.stream, script.endless = [WAV], True
    done = voz.interrupted(
        "say", "Hello", "-o", "out.wav", when=lambda: any(tmp_path.glob(".out.wav.*.part")), by=by
    )
    assert done.returncode == 128 + by
    assert files_in(tmp_path) == before


def test_speech_that_breaks_off_leaves_what_was_there(voz: Voz, script: Script, tmp_path: Path) -> None:
    (tmp_path / "out.wav").write_bytes(b"the old one")
    script.stream, script.breaks_off = [WAV], True
    done = voz.run("say", "Hello", "-o", "out.wav")
    assert done.returncode == 1
    assert b"broke off" in done.stderr
    assert (tmp_path / "out.wav").read_bytes() == b"the old one"


def test_a_file_of_speech_has_a_whole_header(voz: Voz, script: Script, tmp_path: Path) -> None:
    script.stream = [WAV[:30], WAV[30:]]
    done = voz.run("say", "Hello", "there", "-o", "out.wav", "--voice", "af_heart", "--speed", "1.5")
    assert done.returncode == 0, done.stderr
    audio = (tmp_path / "out.wav").read_bytes()
    assert len(audio) == len(WAV)
    assert struct.unpack("<I", audio[4:8]) == (len(WAV) - 8,)
    assert struct.unpack("<I", audio[40:44]) == (100,)
    sent = json.loads(script.bodies[0])
    assert sent["text"] == "Hello there"
    assert (sent["voice"], sent["speed"], sent["format"]) == ("af_heart", 1.5, "wav")


def test_speech_in_a_pipe(voz: Voz, script: Script) -> None:
    script.stream = [WAV]
    done = voz.run("say", text="From a pipe.\n")
    assert (done.returncode, done.stdout) == (0, WAV)
    assert json.loads(script.bodies[0])["text"] == "From a pipe.\n"


def test_play_feeds_the_player_of_the_system(voz: Voz, script: Script, tmp_path: Path) -> None:
    player = tmp_path / "bin" / "ffplay"
    player.parent.mkdir()
    player.write_text("#!/bin/sh\ncat > played.wav\n")
    player.chmod(0o755)
    voz.environment["PATH"] = f"{player.parent}:{voz.environment['PATH']}"
    script.stream = [WAV]
    assert voz.run("say", "Hello", "--play", "-o", "out.wav").returncode == 0
    assert (tmp_path / "played.wav").read_bytes() == WAV
    assert (tmp_path / "out.wav").exists()
    player.write_text("#!/bin/sh\nexit 1\n")
    failed = voz.run("say", "Hello", "--play")
    assert failed.returncode == 1
    assert b"ffplay ended with exit code 1" in failed.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["say", "   "], ["say", "Hello", "-o", "out.doc"], ["say", "Hello", "--speed", "9"], ["transcribe"],
        ["transcribe", "a.mp3", "-f", "doc"], ["unknown"], ["voices", "--url", "localhost"],
        ["say", "Hello", "--json", "-o", "-"], ["live", "--input", "a.mp3"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_arguments(voz: Voz, script: Script, arguments: list[str]) -> None:
    done = voz.run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr
    assert not script.bodies


@pytest.mark.parametrize("command", [["voices"], ["transcribe", "a.mp3", "b.wav"], ["say", "Hello"]])
def test_a_server_that_refuses_the_key(voz: Voz, script: Script, command: list[str]) -> None:
    script.answers += [problem(401, "unauthorized")] * 4
    done = voz.run(*command)
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"what was wrong" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_server_that_is_not_there(voz: Voz) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        voz.environment["VOZ_URL"] = f"http://127.0.0.1:{probe.getsockname()[1]}"
        done = voz.run("say", "Hello", "-o", "out.wav")
    assert done.returncode == 3
    assert b"no server answers at http://127.0.0.1" in done.stderr


def test_no_colour_in_a_pipe_and_some_in_a_terminal(voz: Voz) -> None:
    assert b"\x1b[" not in voz.run("--help").stdout
    assert b"\x1b[" not in voz.run("transcribe", "not there.mp3").stderr
    controller, terminal = pty.openpty()
    try:
        process = subprocess.Popen(
            [*voz.command, "transcribe", "not there.mp3"],
            cwd=voz.folder, env=voz.environment | {"TERM": "xterm-256color"}, stdin=terminal,
            stdout=subprocess.PIPE, stderr=terminal,
        )  # fmt: skip
        process.communicate(timeout=60)
        os.close(terminal)
        terminal = -1
        assert b"\x1b[31m" in os.read(controller, 10_000)
    finally:
        os.close(controller)
        if terminal >= 0:
            os.close(terminal)


def test_progress_on_a_terminal_keeps_out_of_the_result(voz: Voz, script: Script) -> None:
    controller, terminal = pty.openpty()
    try:
        process = subprocess.Popen(
            [*voz.command, "transcribe", "a.mp3"],
            cwd=voz.folder, env=voz.environment | {"TERM": "xterm-256color"}, stdin=terminal,
            stdout=subprocess.PIPE, stderr=terminal,
        )  # fmt: skip
        out, _ = process.communicate(timeout=60)
        assert out == b"Hello there.\n"
        assert b"a.mp3" in os.read(controller, 100_000)
    finally:
        os.close(controller)
        os.close(terminal)


def test_a_reader_that_leaves(voz: Voz) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{' '.join(voz.command)} transcribe a.mp3 b.wav folder | head -c 1"],
        cwd=voz.folder, env=voz.environment, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout == b"="
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_completion_for_the_shell(voz: Voz) -> None:
    voz.environment |= {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = voz.run("--show-completion", "bash")
    assert done.returncode == 0
    assert b"complete" in done.stdout
