"""Which addresses this server may connect to on behalf of a caller.

A caller could have the server ask machines that only the server can reach (server-side request forgery): its
own ports, the private network, the cloud's metadata service. So a name is resolved here, every address is
checked, and the connection goes to the very address that was checked: a name whose answer changes between the
check and the connection (DNS rebinding) gains nothing.
"""

import asyncio
import functools
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from types import TracebackType
from typing import Self

import httpcore
import httpx

from src.errors import FetchFailed

Network = IPv4Network | IPv6Network
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SHARED = (ipaddress.ip_network("100.64.0.0/10"), ipaddress.ip_network("192.0.0.0/24"), _NAT64)
"""Not private by Python's reckoning, and yet networks of a provider's or of an operator's own."""


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks such as `10.0.0.0/8`, or single addresses.

    Raises:
        ValueError: one is neither.
    """
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is on the internet: not private, loopback, link-local, multicast or reserved."""
    if isinstance(address, IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if embedded:
            return is_public(embedded) and address.ipv4_mapped is not None
    return (
        address.is_global
        and not address.is_multicast
        and not any(address in network for network in _SHARED if network.version == address.version)
    )


class AddressGuard:
    """Which addresses may be connected to.

    Args:
        allowed: networks that may be, although they are not public.
    """

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    @property
    def allows_plain(self) -> bool:
        """Whether any address may be connected to without TLS."""
        return bool(self._allowed)

    def permits(self, address: str, *, encrypted: bool) -> bool:
        """Whether this address may be connected to; without TLS, only if its network is allowed by name."""
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        if any(parsed in network for network in self._allowed if network.version == parsed.version):
            return True
        return encrypted and is_public(parsed)

    async def resolve(self, host: str, port: int, *, encrypted: bool) -> list[str]:
        """Addresses of a host, those alone that may be connected to.

        Raises:
            FetchFailed: there are none.
        """
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            again = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            raise FetchFailed(f"{host} cannot be resolved", temporary=again) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        permitted = [address for address in addresses if self.permits(address, encrypted=encrypted)]
        if not permitted:
            if not encrypted and any(self.permits(address, encrypted=True) for address in addresses):
                raise FetchFailed("the address must begin with https://")
            raise FetchFailed(f"{host} leads to an address that this server may not connect to")
        return permitted


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, guard: AddressGuard, *, encrypted: bool) -> None:
        self._guard = guard
        self._encrypted = encrypted
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in await self._guard.resolve(host, port, encrypted=self._encrypted):
            try:
                # TLS still checks the certificate of `host`: httpcore names it when it begins
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError("no address")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


@functools.cache
def tls_context(certificates: Path | None = None) -> ssl.SSLContext:
    """How the certificates of other servers are checked: by the public authorities, and by those in a file.

    Made once for each file: reading the public authorities takes 30 ms.

    Args:
        certificates: PEM, e.g. of an organisation's own authority; None: the public ones alone.

    Raises:
        ssl.SSLError: the file holds no certificate.
        OSError: the file cannot be read.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if certificates:
        context.load_verify_locations(certificates)
    return context


class GuardedTransport(httpx.AsyncBaseTransport):
    """A transport for httpx that connects to permitted addresses alone; it looks at no proxy setting.

    Args:
        guard: which addresses are permitted.
        tls: how certificates are checked.
    """

    def __init__(self, guard: AddressGuard, tls: ssl.SSLContext) -> None:
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}
        for scheme, encrypted in (("https", True), ("http", False)):
            transport = httpx.AsyncHTTPTransport(verify=tls, trust_env=False)
            backend = _GuardedBackend(guard, encrypted=encrypted)
            transport._pool._network_backend = backend  # httpx has no argument for it
            self._transports[scheme] = transport

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        transport = self._transports.get(request.url.scheme)
        if transport is None:
            raise FetchFailed("the address must begin with https://")
        return await transport.handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()
