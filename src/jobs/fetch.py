"""Fetches recordings from the web, within bounds."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Self

import httpx

from src.errors import FetchFailed, TooLarge
from src.jobs.addresses import AddressGuard, GuardedTransport

_MAX_REDIRECTS = 5
_SILENT_SECONDS = 30.0
"""Seconds without a byte after which a server counts as gone."""
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which another try may succeed."""


class Fetcher:
    """An async context manager around one HTTP client.

    Args:
        guard: which addresses may be connected to; redirects too.
        seconds: that one recording may take.
        tls: how certificates are checked.
    """

    def __init__(self, guard: AddressGuard, seconds: float, tls: ssl.SSLContext) -> None:
        self._seconds = seconds
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(guard, tls),
            timeout=_SILENT_SECONDS,
            follow_redirects=True,
            max_redirects=_MAX_REDIRECTS,
            trust_env=False,
            # what is packed could unpack to any size
            headers={"User-Agent": "voz", "Accept": "*/*", "Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def fetch(self, url: str, max_bytes: int) -> AsyncGenerator[bytes, None]:
        """The content behind an address, piece by piece. To be closed.

        Raises:
            FetchFailed: it cannot be had, or may not be.
            TooLarge: it is larger than `max_bytes`.
        """
        ends = asyncio.get_running_loop().time() + self._seconds
        too_slow = FetchFailed(f"the address took longer than {self._seconds:g} s", temporary=True)
        try:
            async with asyncio.timeout_at(ends):
                request = self._client.build_request("GET", url)
                response = await self._client.send(request, stream=True)
        except TimeoutError:
            raise too_slow from None
        except httpx.TooManyRedirects:
            raise FetchFailed(f"the address redirects more than {_MAX_REDIRECTS} times") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise FetchFailed("the address is not a web address") from None
        except httpx.HTTPError as error:
            raise FetchFailed(
                f"the address cannot be reached: {type(error).__name__}", temporary=True
            ) from None
        try:
            _check(response, max_bytes)
            size = 0
            pieces = response.aiter_raw()
            while True:
                try:
                    async with asyncio.timeout_at(ends):
                        piece = await anext(pieces, b"")
                except TimeoutError:
                    raise too_slow from None
                except httpx.HTTPError as error:
                    kind = type(error).__name__
                    raise FetchFailed(f"the address broke off: {kind}", temporary=True) from None
                if not piece:
                    return
                size += len(piece)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                yield piece
        finally:
            await response.aclose()


def _check(response: httpx.Response, max_bytes: int) -> None:
    if response.status_code != 200:
        raise FetchFailed(
            f"the address answers {response.status_code}", temporary=response.status_code in _BUSY
        )
    declared = response.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the recording is larger than {max_bytes // 2**20} MB (MAX_UPLOAD_MB)")
