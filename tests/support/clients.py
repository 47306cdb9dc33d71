"""HTTP clients for servers on this machine."""

import ssl
from typing import Any

import httpx

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Knows no certificate authority. Without it, httpx reads all certificates that there are for each client."""


def client(url: str, key: str | None, timeout: float = 120, **options: Any) -> httpx.Client:
    """A client that sends this key, if any, and takes nothing from the environment."""
    return httpx.Client(**_options(url, key, timeout), **options)


def async_client(url: str, key: str | None, timeout: float = 120, **options: Any) -> httpx.AsyncClient:
    """See `client`."""
    return httpx.AsyncClient(**_options(url, key, timeout), **options)


def _options(url: str, key: str | None, timeout: float) -> dict[str, Any]:
    headers = {"X-API-Key": key} if key else {}
    return {"base_url": url, "headers": headers, "timeout": timeout, "trust_env": False, "verify": NO_TLS}
