"""The OpenAPI document; Swagger UI from files of our own, which needs no internet; the way to it from `/`."""

from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from src.api.errors import describe_problems

_ASSETS = Path(fastapi_offline.__file__).parent / "static"

router = APIRouter(include_in_schema=False)


class Documented(FastAPI):
    """FastAPI whose document also says what an error looks like."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        describe_problems(document)
        return document


def install(app: FastAPI) -> None:
    """Serve the page and its assets; they show no secret and need no key."""
    app.include_router(router)
    app.mount("/docs/assets", StaticFiles(directory=_ASSETS), name="docs-assets")


@router.get("/")
async def home() -> RedirectResponse:
    return RedirectResponse("docs")


@router.get("/docs")
async def swagger() -> HTMLResponse:
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Voz",
        swagger_js_url="docs/assets/swagger-ui-bundle.js",
        swagger_css_url="docs/assets/swagger-ui.css",
        swagger_favicon_url="docs/assets/favicon.png",
        swagger_ui_parameters={"persistAuthorization": True, "displayRequestDuration": True},
    )
