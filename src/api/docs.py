"""The OpenAPI and AsyncAPI documents, and Swagger UI from local files, so that the page needs no internet."""

from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse
from fastapi.staticfiles import StaticFiles

from src.api.errors import describe_problems
from src.api.job_schemas import describe_submission
from src.api.policy import Authentication, RoutePolicies

_ASSETS = Path(fastapi_offline.__file__).parent / "static"

_ASYNCAPI = Path(__file__).parent / "live" / "asyncapi.yaml"

router = APIRouter(include_in_schema=False)


_SCHEME = {
    "type": "apiKey",
    "in": "header",
    "name": "X-API-Key",
    "description": "One of the keys in the server's API_KEY. `make run` prints it.",
}
"""The authentication that the page offers: a key is entered once. Routes that take a bearer token say so."""


class Documented(FastAPI):
    """FastAPI whose OpenAPI document also describes the errors, and which routes need a key.

    Args:
        policies: policies of the routes; `KeyCheck` uses the same ones.
        rest: arguments of FastAPI.
    """

    def __init__(self, policies: RoutePolicies, **rest: Any) -> None:
        self._policies = policies
        super().__init__(**rest)

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        describe_problems(document)
        describe_submission(document)
        document["components"]["securitySchemes"] = {"ApiKey": _SCHEME}
        for path, operations in document["paths"].items():
            if self._policies.at(path).authentication is not Authentication.PUBLIC:
                for operation in operations.values():
                    operation["security"] = [{"ApiKey": []}]
        return document


def install(app: FastAPI) -> None:
    """Serve the page and its assets. They hold no secret and need no key."""
    app.include_router(router)
    app.mount("/docs/assets", StaticFiles(directory=_ASSETS), name="docs-assets")


@router.get("/asyncapi.yaml")
async def asyncapi() -> FileResponse:
    """The messages of `WS /stt/live`, which OpenAPI cannot describe."""
    return FileResponse(_ASYNCAPI, media_type="application/vnd.aai.asyncapi+yaml;version=3.0.0")


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
