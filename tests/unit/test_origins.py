"""Which web pages may open a WebSocket, on the routes of the application behind a real socket."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from src.api.policy import route_policies
from src.config import Settings
from src.main import create_app
from tests.support.faults_engines import open_engines
from tests.support.server import KEY, RunningServer, serve

pytestmark = pytest.mark.anyio

PAGE = "https://app.example.com"
SOCKETS = ["/stt/live", "/v1/realtime", "/realtime"]


@pytest.fixture(scope="module")
def server(make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    settings = make_settings(cors_allow_origins=PAGE, public_url="https://voz.example.org")
    with serve(create_app(settings, open_engines)) as running:
        yield running


async def opened(server: RunningServer, path: str, origin: str | None, **more: Any) -> int:
    """The status with which the handshake ends."""
    headers = {"X-API-Key": KEY} | ({"Origin": origin} if origin is not None else {}) | more
    address = server.url.replace("http", "ws", 1) + path
    try:
        async with connect(address, additional_headers=headers, proxy=None):
            return 101
    except InvalidStatus as refused:
        assert refused.response.headers["X-Request-ID"]
        body = json.loads(refused.response.body or b"null")
        said = body["error"]["code"] if "error" in body else body["type"]
        assert said in ("origin_refused", "urn:voz:origin-refused")
        return refused.response.status_code


@pytest.mark.parametrize("path", SOCKETS)
async def test_a_page_opens_it_if_it_is_our_own_or_allowed(server: RunningServer, path: str) -> None:
    own = server.url
    assert await opened(server, path, None) == 101, "no browser"
    assert await opened(server, path, own) == 101
    assert await opened(server, path, PAGE) == 101
    assert await opened(server, path, PAGE.upper()) == 101, "hosts have no case"
    assert await opened(server, path, "https://voz.example.org") == 101, "PUBLIC_URL"
    for stranger in ("https://evil.example", "http://app.example.com", f"{PAGE}:444", f"{PAGE}.evil.example",
                     "null", "", "nonsense", "http://[", f"{own}.evil", "file://"):  # fmt: skip
        assert await opened(server, path, stranger) == 403, stranger


async def test_a_proxy_that_ends_tls_makes_no_difference(server: RunningServer) -> None:
    headers = {"X-API-Key": KEY, "Origin": "https://talk.example"}
    port = server.url.rpartition(":")[2]
    for host, expected in (("talk.example", 101), ("talk.example:8443", 403)):
        # the address gives the Host header, host and port where to connect
        connecting = connect(
            f"ws://{host}/stt/live", host="127.0.0.1", port=int(port), additional_headers=headers, proxy=None
        )
        if expected == 101:
            async with connecting:
                pass
        else:
            with pytest.raises(InvalidStatus) as refused:
                await connecting
            assert refused.value.response.status_code == 403


async def test_a_star_allows_every_page(make_settings: Callable[..., Settings]) -> None:
    with serve(create_app(make_settings(cors_allow_origins="*"), open_engines)) as running:
        assert await opened(running, "/stt/live", "https://anybody.example") == 101
        assert await opened(running, "/stt/live", "null") == 101


def test_no_websocket_of_the_application_leaves_the_check_out(server: RunningServer) -> None:
    def sockets(routes: Any) -> Iterator[str]:
        for route in routes:
            included = getattr(route, "original_router", None)
            if included is not None:
                yield from sockets(included.routes)
            elif isinstance(route, WebSocketRoute):
                yield route.path

    found = set(sockets(server.app.routes))
    assert "/stt/live" in found
    assert all(route_policies().at(path).checks_origin for path in found)
