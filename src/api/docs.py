"""The OpenAPI document; Swagger UI from files of our own, which needs no internet; the way to it from `/`."""

from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from src.api.errors import describe_problems
from src.api.policy import Authentication, RoutePolicies

_ASSETS = Path(fastapi_offline.__file__).parent / "static"

router = APIRouter(include_in_schema=False)


_SECURITY: dict[Authentication, list[dict[str, list[str]]]] = {
    Authentication.PUBLIC: [],
    Authentication.KEY: [{"ApiKey": []}],
    Authentication.KEY_OR_BEARER: [{"ApiKey": []}, {"Bearer": []}],
}
_SCHEMES = {
    "ApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "One of the keys in the server's API_KEY. `make run` prints it.",
    },
    "Bearer": {"type": "http", "scheme": "bearer", "description": "The same key."},
}


class Documented(FastAPI):
    """FastAPI whose document also says what an error looks like, and which routes need a key.

    Args:
        policies: of the routes; `KeyCheck` goes by the same ones.
        rest: as FastAPI takes it.
    """

    def __init__(self, policies: RoutePolicies, **rest: Any) -> None:
        self._policies = policies
        super().__init__(**rest)

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        describe_problems(document)
        document["components"]["securitySchemes"] = _SCHEMES
        for path, operations in document["paths"].items():
            security = _SECURITY[self._policies.at(path).authentication]
            for operation in operations.values():
                if security:
                    operation["security"] = security
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
