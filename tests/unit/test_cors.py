"""Web pages of other origins, on the routes of a tiny app behind a real socket."""

from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from src.api.middleware import Cors, KeyCheck, RequestLog
from src.api.policy import route_policies
from src.config import Settings
from src.core.security import ApiKeys
from tests.support.server import RunningServer, serve

PAGE = "https://app.example.com"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, x-stainless-os",
}


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def broken(request: Request) -> PlainTextResponse:
    raise RuntimeError("a bug")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    app = Starlette(
        routes=[Route("/v1/audio/speech", hello, methods=["POST"]), Route("/v1/broken", broken)],
        middleware=[
            Middleware(Cors, origins=[PAGE]),
            Middleware(RequestLog, policies=route_policies()),
            Middleware(KeyCheck, keys=ApiKeys([SecretStr("k")])),
        ],
    )
    with serve(app) as running:
        yield running


def test_a_preflight_needs_no_key(server: RunningServer) -> None:
    with server.client(None) as client:
        answer = client.options("/v1/audio/speech", headers={"Origin": PAGE, **PREFLIGHT})
        stranger = client.options("/v1/audio/speech", headers={"Origin": "https://other", **PREFLIGHT})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "x-stainless-os" in answer.headers["access-control-allow-headers"]
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in answer.headers
    assert stranger.status_code == 400
    assert "access-control-allow-origin" not in stranger.headers


def test_every_answer_can_be_read_by_the_page_refusals_too(server: RunningServer) -> None:
    with server.client("k") as client, server.client(None) as unknown:
        page = {"Origin": PAGE}
        answers = {
            200: client.post("/v1/audio/speech", headers=page),
            401: unknown.post("/v1/audio/speech", headers=page),
            404: client.get("/v1/nowhere", headers=page),
            500: client.get("/v1/broken", headers=page),
        }
        other = client.post("/v1/audio/speech", headers={"Origin": "https://other"})
        plain = client.post("/v1/audio/speech")
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
    assert (other.status_code, plain.status_code) == (200, 200)
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("wrong", ["app.example.com", "https://a.com/", "https://a.com/x", "https://*.a.com"])
def test_what_is_no_origin_is_refused(make_settings: Callable[..., Settings], wrong: str) -> None:
    with pytest.raises(ValidationError, match="must be origins like"):
        make_settings(cors_allow_origins=wrong)
    assert make_settings(cors_allow_origins="https://a.com, *").cors_allow_origins == ["https://a.com", "*"]
    with pytest.raises(ValidationError, match="must be like name=ours"):
        make_settings(model_aliases="a=b,c")
    assert make_settings(model_aliases="a = b, c=d=e").model_aliases == {"a": "b", "c": "d=e"}
