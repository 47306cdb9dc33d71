"""Links that callers can follow."""

from fastapi import Request

from src.api.dependencies import Services


def absolute(request: Request, services: Services, url: str) -> str:
    """An absolute URL: what begins with a slash is on this server, so its public address is put before it."""
    if not url.startswith("/"):
        return url
    return (services.public_url or str(request.base_url)).rstrip("/") + url
