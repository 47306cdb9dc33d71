"""The routes of the web page, over a socket, without models."""

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI

from src.api import page
from src.config import Settings
from src.main import create_app
from tests.support.faults_engines import open_engines
from tests.support.server import KEY, RunningServer, serve


@pytest.fixture(scope="module")
def server(make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    with serve(create_app(make_settings(max_text_chars=123, max_upload_mb=7), open_engines)) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html"),
        ("/web/app.js", "text/javascript"),
        ("/web/style.css", "text/css"),
        ("/web/icon.svg", "image/svg+xml"),
        ("/web/vendor/inter/inter-latin-wght-normal.woff2", "font/woff2"),
    ],
)
def test_its_files_need_no_key_and_have_the_policy(
    server: RunningServer, path: str, content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as some systems say
    monkeypatch.setattr("starlette.responses.guess_type", lambda _: ("text/plain", None))
    with server.client(key=None) as client:
        answer = client.get(path)
        head = client.head(path)
        again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == content_type
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.content))
    if path != "/":
        assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["/web/../main.py", "/web/%2e%2e/main.py", "/web/nothing.js", "/web/", "/web"]
)
def test_nothing_else_is_served(server: RunningServer, path: str) -> None:
    with server.client(key=None) as client:
        answer = client.get(path)
    assert answer.status_code in (307, 401, 404)
    assert b"FastAPI" not in answer.content


def test_the_page_is_told_the_limits_but_not_without_a_key(server: RunningServer) -> None:
    with server.client(key=None) as client:
        assert client.get("/web/config").status_code == 401
        answer = client.get("/web/config", headers={"X-API-Key": KEY})
    told = answer.json()
    assert (told["max_text_chars"], told["max_upload_mb"]) == (123, 7)
    assert told["version"] == server.app.version


def test_sections_follow_the_routes(make_settings: Callable[..., Settings]) -> None:
    bare = FastAPI()
    page.install(bare, 1, 1)

    @bare.get("/jobs")
    async def jobs() -> list[str]:
        return []

    with serve(bare) as running, running.client() as client:
        assert client.get("/web/config").json()["features"] == ["jobs"]
    whole = create_app(make_settings(), open_engines)
    with serve(whole) as running, running.client() as client:
        assert client.get("/web/config").json()["features"] == ["jobs", "live"]
