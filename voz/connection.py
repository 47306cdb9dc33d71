"""Where a server is, and what both clients have in common about reaching it."""

import os
from dataclasses import dataclass, field
from typing import Any

import httpx

from voz.calls import Call, error_of
from voz.errors import ConnectionFailed, TimedOut, VozError
from voz.retries import RetryPolicy

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT = httpx.Timeout(connect=10.0, read=660.0, write=60.0, pool=None)
"""Seconds. A whole answer may take as long as the server's REQUEST_TIMEOUT, 600 s by default."""
_AGENT = "voz-python"


@dataclass(frozen=True, slots=True)
class Connection:
    """Address, key, timeouts and retries.

    Args:
        url: of the server, with its path prefix if a proxy adds one; None: VOZ_URL, else this machine's
            port 8000.
        api_key: None: VOZ_API_KEY.
        timeout: seconds without any progress, or httpx's four timeouts.
        policy: when requests are repeated.
        uds: path of a Unix socket at which the server listens; None: TCP.
    """

    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    timeout: float | httpx.Timeout = field(default_factory=lambda: DEFAULT_TIMEOUT)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    uds: str | None = None

    @property
    def address(self) -> str:
        return (self.url or os.environ.get("VOZ_URL") or DEFAULT_URL).rstrip("/")

    @property
    def key(self) -> str:
        return self.api_key if self.api_key is not None else os.environ.get("VOZ_API_KEY", "")

    def arguments(self) -> dict[str, Any]:
        """Arguments of httpx's clients.

        Raises:
            ValueError: the address is none.
        """
        parsed = httpx.URL(self.address)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError(f"{self.address!r} is no address like {DEFAULT_URL}")
        headers = {"User-Agent": _AGENT} | ({"X-API-Key": self.key} if self.key else {})
        return {"base_url": self.address, "headers": headers, "timeout": self.timeout}

    def after_error(self, call: Call[Any], attempt: int, error: httpx.TransportError) -> float:
        """Seconds after which a call is repeated whose connection failed.

        Raises:
            VozError: it is not to be repeated.
        """
        delay = self.policy.after_error(call.safe, attempt, error) if call.repeatable else None
        if delay is None:
            raise self._failure(error) from error
        return delay

    def after_answer(self, call: Call[Any], attempt: int, response: httpx.Response) -> float:
        """Seconds after which a call is repeated whose answer, read already, is an error.

        Raises:
            ApiError: it is not to be repeated.
        """
        error = error_of(response)
        delay = (
            self.policy.after_answer(call.safe, attempt, error.status, error.kind, error.retry_after)
            if call.repeatable
            else None
        )
        if delay is None:
            raise error
        return delay

    def _failure(self, error: httpx.TransportError) -> VozError:
        if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
            return ConnectionFailed(f"no server answers at {self.address}: {error or type(error).__name__}")
        if isinstance(error, httpx.TimeoutException):
            return TimedOut(f"{self.address} did not answer in time ({type(error).__name__})")
        return ConnectionFailed(f"the connection to {self.address} broke: {error or type(error).__name__}")
