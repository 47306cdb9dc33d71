"""Behind a real nginx that shows the service at a path of its own."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from fastapi import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from src.config import Settings
from src.main import create_app
from tests.support.faults_engines import open_engines
from tests.support.nginx import nginx_before
from tests.support.server import KEY, RunningServer, serve

TEXT = "It goes on. " * 400


@pytest.fixture(params=["the setting, stripped", "the setting, passed on", "uvicorn's option"])
def places(
    request: pytest.FixtureRequest, make_settings: Callable[..., Settings], tmp_path: Path
) -> Iterator[tuple[RunningServer, str]]:
    """The server itself, and its address behind nginx."""
    by_option = request.param == "uvicorn's option"
    app = create_app(make_settings(root_path="" if by_option else "/voz"), open_engines)

    @app.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    with ExitStack() as stack:
        server = stack.enter_context(serve(app, root_path="/voz" if by_option else ""))
        strips = request.param != "the setting, passed on"
        yield server, stack.enter_context(nginx_before(server.url, tmp_path, "/voz", strips))


def test_all_of_it_works_below_a_prefix(places: tuple[RunningServer, str]) -> None:
    server, url = places
    with httpx.Client(trust_env=False, timeout=60, follow_redirects=True) as client:
        key = {"X-API-Key": KEY}
        for path in ("/health/live", "/health/ready", "/docs", "/", "/openapi.json"):
            assert client.get(url + path).status_code == 200, path
        for path in ("/models", "/metrics", "/nowhere"):
            assert client.get(url + path).status_code == 401, path
        assert client.get(f"{url}/metrics", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
        assert client.get(f"{url}/models", headers=key).status_code == 200

        sample = client.get(f"{url}/voices", headers=key).json()["voices"][0]["sample"]
        assert client.get(httpx.URL(url).join(sample), headers=key).headers["content-type"] == "audio/mpeg"

        for path in ("/docs", "/", ""):
            page = client.get(url + path)
            assets = re.findall(r"(?:src|href)=\"([^\"#]+)\"", page.text)
            assert len(assets) >= 3
            for asset in assets:
                assert client.get(page.url.join(asset)).status_code == 200, asset
        assert client.get(f"{url}/web/config", headers=key).status_code == 200
        assert client.get(f"{url}/openapi.json").json()["servers"] == [{"url": "/voz"}]

        spoken = client.post(f"{url}/tts", json={"text": "Hello."}, headers=key)
        assert spoken.status_code == 200, spoken.text
        link = spoken.json()["url"]
        assert link.startswith(f"{url}/files/")
        audio = client.get(link)
        assert audio.status_code == 200
        read = client.post(f"{url}/stt", files={"file": audio.content}, data={"language": "en"}, headers=key)
        assert read.status_code == 200, read.text
        large = client.post(f"{url}/tts", content=b"x" * 200_000, headers=key)
        assert large.status_code == 413, "the route's own limit holds"
    # the container's own check asks without the prefix
    assert httpx.get(f"{server.url}/health/ready", trust_env=False).status_code == 200


def test_a_stream_comes_through_as_it_is_made(places: tuple[RunningServer, str]) -> None:
    server, url = places
    admission = server.app.state.services.tts_admission
    with (
        httpx.Client(trust_env=False, timeout=60, headers={"X-API-Key": KEY}) as client,
        client.stream("POST", f"{url}/tts/stream", json={"text": TEXT}) as answer,
    ):
        parts = answer.iter_raw()
        first = next(parts)
        assert admission.in_flight == 1, "the rest is still being made"
        assert len(first) + sum(map(len, parts)) > 4_000_000


def test_websockets_come_through_and_are_behind_the_key(places: tuple[RunningServer, str]) -> None:
    _, url = places
    address = url.replace("http", "ws", 1) + "/live"

    async def main() -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, proxy=None)
        assert refused.value.response.status_code == 401
        async with connect(address, additional_headers={"X-API-Key": KEY}, proxy=None) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"

    asyncio.run(main())
