"""The examples of docs/live.md and docs/client.md, as they stand there, with the real model."""

import functools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from src.config import Settings
from tests.conftest import REPOSITORY
from tests.support.server import KEY, RunningServer, app_with, serve
from tests.support.speech import clip, silence, wav
from tests.support.visitor import launch

if TYPE_CHECKING:
    from src.engines.models import Models

pytestmark = pytest.mark.models

WAIT_MS = 60_000
ADDRESS = "127.0.0.1:8000"


def examples(page: str, language: str, having: str, server: RunningServer) -> list[str]:
    """Blocks of code in a page of the documentation, with the address and the key of a server."""
    text = (REPOSITORY / "docs" / page).read_text()
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    address = server.url.removeprefix("http://")
    return [block.replace(ADDRESS, address).replace("YOUR_KEY", KEY) for block in blocks if having in block]


@contextmanager
def files_of(folder: Path) -> Iterator[str]:
    """Serve a folder; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


@pytest.mark.parametrize(("page", "having"), [("live.md", "/stt/live"), ("client.md", "client.live(")])
def test_the_example_in_python(voz: RunningServer, tmp_path: Path, page: str, having: str) -> None:
    [program] = examples(page, "python", having, voz)
    audio = np.concatenate([silence(0.3), clip("en-agent"), silence(1.0)])
    (tmp_path / "speech.wav").write_bytes(wav(audio).getvalue())
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = kept | {"VOZ_URL": voz.url, "VOZ_API_KEY": KEY, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, text=True, capture_output=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "agent number" in done.stdout


def test_the_example_for_a_browser(
    models: "Models", make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    spoken = tmp_path / "spoken.wav"
    spoken.write_bytes(wav(np.concatenate([silence(0.3), clip("en-agent"), silence(60)])).getvalue())
    site = tmp_path / "site"
    site.mkdir()
    with (
        files_of(site) as address,
        serve(app_with(models, make_settings(cors_allow_origins=address))) as server,
        sync_playwright() as playwright,
    ):
        [example] = examples("live.md", "html", "MediaRecorder", server)
        (site / "index.html").write_text(example)
        browser = launch(playwright, spoken)
        page = browser.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        page.set_default_timeout(WAIT_MS)
        page.get_by_role("button", name="Start").click()
        expect(page.locator("#text")).to_contain_text("agent number", timeout=WAIT_MS)
        page.get_by_role("button", name="Stop").click()
        _wait_for_the_end(server)
        assert "agent number" in page.locator("#text").inner_text()
        assert wrong == []
        browser.close()


def _wait_for_the_end(server: RunningServer) -> None:
    """Wait until the session has ended by itself."""
    for _ in range(600):
        if server.app.state.services.live_admission.in_flight == 0:
            return
        time.sleep(0.05)
    raise AssertionError("the session goes on")
