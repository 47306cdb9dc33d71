"""The web page at `/`: static files, and what the page must know of this server."""

from collections.abc import MutableMapping
from os import PathLike, stat_result
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.routing import Match
from starlette.types import Scope

from src.api.schemas import PageConfig

FILES = Path(__file__).parent.parent / "web"
WAVEFORM_STYLE = "sha256-fF0LBso7Nz75zaFRDBUefBDvPe19hjaiDnnc8lt+2Js="
"""Hash of the style element that wavesurfer.js makes for a waveform as high as those of `player.js`."""

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' '{WAVEFORM_STYLE}'",
        "font-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # asked for anew each time, and answered 304 if it has not changed: no page mixes files of two releases
    "Cache-Control": "no-cache",
}
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""Media types by the end of a name. Tables of systems differ, and browsers run no module of another type."""
_FEATURES: dict[str, MutableMapping[str, str]] = {
    "jobs": {"type": "http", "method": "GET", "path": "/jobs"},
    "live": {"type": "websocket", "path": "/stt/live"},
}
"""Routes that not every server has, by the name of the section that uses them."""


class _PageFiles(StaticFiles):
    """Static files with the headers of the page."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_HEADERS)
        if content_type := _TYPES.get(Path(full_path).suffix):
            response.headers["Content-Type"] = content_type
        return response


def install(app: FastAPI, max_text_chars: int, max_upload_mb: int) -> None:
    """Serve the page, and tell it these limits. Its files hold no secret and need no key."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page() -> FileResponse:
        return FileResponse(FILES / "index.html", headers=_HEADERS, media_type="text/html")

    @router.get("/web/config")
    async def config() -> PageConfig:
        """The limits of this server, and which sections it has the routes for."""
        return PageConfig(
            version=app.version,
            max_text_chars=max_text_chars,
            max_upload_mb=max_upload_mb,
            features=[name for name, asked in _FEATURES.items() if _has_route(app, asked)],
        )

    app.include_router(router)
    app.mount("/web", _PageFiles(directory=FILES), name="web")


def _has_route(app: FastAPI, asked: MutableMapping[str, str]) -> bool:
    scope = {"headers": [], "query_string": b"", "root_path": "", **asked}
    return any(route.matches(scope)[0] is Match.FULL for route in app.routes)
