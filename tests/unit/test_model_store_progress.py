import logging
import os
import select
import sys

import pytest

from src.weights import progress as progress_module
from src.weights.progress import Progress


def _read_until(master: int, marker: str) -> str:
    """What a terminal shows, which the kernel hands on in pieces."""
    shown = b""
    while marker.encode() not in shown and select.select([master], [], [], 5)[0]:
        shown += os.read(master, 1 << 16)
    return shown.decode()


def test_a_terminal_gets_a_bar_even_if_it_does_not_know_its_size(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("COLUMNS", "100")  # narrower, and the bar leaves out the sizes
    master, slave = os.openpty()
    try:
        with os.fdopen(slave, "w") as terminal, caplog.at_level(logging.INFO):
            monkeypatch.setattr(sys, "stderr", terminal)
            with Progress("model.bin", 1000) as progress:
                progress.to(600)
                progress.to(0)  # the transfer had to start again
                progress.to(1000)
            shown = _read_until(master, "1.00k/1.00k")
    finally:
        os.close(master)
    assert "model.bin: 100%" in shown
    assert "1.00k/1.00k" in shown
    assert [record for record in caplog.records if record.name == progress_module.__name__] == []


@pytest.mark.parametrize(("total", "said"), [(1000_000, "70% of 1.0 MB"), (None, "0.7 MB")])
def test_a_log_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, total: int | None, said: str
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with caplog.at_level(logging.INFO), Progress("model.bin", total) as progress:
        for step in range(700):
            progress.to((step + 1) * 1000)
        assert caplog.messages == []
        clock[0] = 11.0
        progress.to(700_000)
    assert caplog.messages == [f"model.bin: {said}"]
