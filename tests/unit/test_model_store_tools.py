"""What a person sees of a download, and how one that hangs ends."""

import logging
import os
import select
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest

from src.weights import tools
from src.weights.source import SourceFailed
from src.weights.tools import run_tool

SLOWLY = """
import sys, time
with open("model.bin", "wb", buffering=0) as file:
    for part in range(4):
        file.write(bytes(300_000))
        time.sleep(0.3)
"""


def _run(folder: Path, code: str, size: int = 1_200_000, window: float = 60.0) -> None:
    run_tool("a tool", [sys.executable, "-c", code], folder, "model.bin", size, window=window)


@pytest.mark.slow
def test_a_terminal_gets_a_bar_even_if_it_does_not_know_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("COLUMNS", "100")  # narrower, and the bar leaves out the sizes
    master, slave = os.openpty()
    shown = b""
    try:
        with os.fdopen(slave, "w") as terminal, caplog.at_level(logging.INFO):
            monkeypatch.setattr(sys, "stderr", terminal)
            _run(tmp_path, SLOWLY)
            # what a terminal shows, which the kernel hands on in pieces
            while b"1.20M/1.20M" not in shown and select.select([master], [], [], 5)[0]:
                shown += os.read(master, 1 << 16)
    finally:
        os.close(master)
    assert b"model.bin: 100%" in shown
    assert b"1.20M/1.20M" in shown
    assert caplog.messages == ["downloading model.bin with a tool (1.2 MB)"]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "share"), [(1_200_000, " of 1.2 MB"), (0, "")])
def test_a_log_gets_a_line_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, size: int, share: str
) -> None:
    monkeypatch.setattr(tools, "_LOG_SECONDS", 0.5)
    with caplog.at_level(logging.INFO):
        _run(tmp_path, SLOWLY, size)
    begun, *lines = caplog.messages
    assert begun.startswith("downloading model.bin with a tool")
    assert 1 <= len(lines) <= 6
    assert all(line.startswith("model.bin: ") and line.endswith(f" MB{share}") for line in lines)


def test_one_that_stalls_is_ended(tmp_path: Path) -> None:
    code = "import time; open('model.bin', 'wb').write(bytes(1000)); time.sleep(60)"
    begin = time.monotonic()
    with pytest.raises(SourceFailed, match=r"model\.bin came too slowly: fewer than 65536 new bytes in 1 s"):
        _run(tmp_path, code, window=1.0)
    assert time.monotonic() - begin < 30


def test_one_that_fails_is_quoted(tmp_path: Path) -> None:
    code = "import sys; print('begun', 'ERROR: no such host', sep=chr(10)); sys.exit(1)"
    with pytest.raises(SourceFailed, match=r"a tool failed: ERROR: no such host$"):
        _run(tmp_path, code)


def test_folders_that_go_while_they_are_counted_do_no_harm(tmp_path: Path) -> None:
    """pip unpacks into folders that it removes at once."""
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for number in range(20):
                (tmp_path / f"unpack-{number}" / "deep").mkdir(parents=True)
                (tmp_path / f"unpack-{number}" / "deep" / "file").write_bytes(b"123")
            for number in range(20):
                shutil.rmtree(tmp_path / f"unpack-{number}")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(300):
            assert 0 <= tools._size(tmp_path) <= 60
    finally:
        stop.set()
        thread.join()
