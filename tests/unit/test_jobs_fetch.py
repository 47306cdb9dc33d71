"""Fetching from addresses: what may be connected to, and within which bounds."""

import asyncio
import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from src.errors import FetchFailed, TooLarge
from src.jobs.addresses import AddressGuard, is_public, parse_networks, tls_context
from src.jobs.fetch import Fetcher

LOOPBACK = parse_networks(["127.0.0.0/8"])


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        match self.path.strip("/").split("/", 1):
            case ["bytes", count]:
                self.send_response(200)
                self.send_header("Content-Length", count)
                self.end_headers()
                self.wfile.write(b"x" * int(count))
            case ["endless", _]:
                self.send_response(200)
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(b"x" * 1000)
                        time.sleep(0.01)
                except OSError:
                    pass
            case ["to", target]:
                self.send_response(302)
                self.send_header("Location", target)
                self.end_headers()
            case ["status", status]:
                self.send_response(int(status))
                self.end_headers()
            case _:
                self.send_response(404)
                self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def site(certificate: Path | None = None) -> Iterator[str]:
    """A web server; with TLS if there is a certificate, which has its private key in the same file."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def fetch(
    url: str,
    max_bytes: int = 10_000,
    seconds: float = 10,
    guard: AddressGuard | None = None,
    certificates: Path | None = None,
) -> bytes:
    async def main() -> bytes:
        async with (
            Fetcher(guard or AddressGuard(LOOPBACK), seconds, tls_context(certificates)) as fetcher,
            aclosing(fetcher.fetch(url, max_bytes)) as pieces,
        ):
            return b"".join([piece async for piece in pieces])

    return asyncio.run(main())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "100.100.100.200", "224.0.0.1", "255.255.255.255", "192.0.0.192", "198.18.0.1",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "not an address",
    ],
)  # fmt: skip
def test_nothing_but_the_internet_may_be_connected_to(address: str) -> None:
    assert not AddressGuard().permits(address, encrypted=True)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8"])
def test_the_internet_may_be_but_with_tls_alone(address: str) -> None:
    assert AddressGuard().permits(address, encrypted=True)
    assert not AddressGuard().permits(address, encrypted=False)
    assert not AddressGuard(LOOPBACK).permits(address, encrypted=False)


def test_a_network_is_allowed_by_name() -> None:
    guard = AddressGuard(parse_networks(["10.1.0.0/16", "fd00::/8"]))
    for encrypted in (True, False):
        assert guard.permits("10.1.2.3", encrypted=encrypted)
        assert guard.permits("::ffff:10.1.2.3", encrypted=encrypted)
        assert guard.permits("fd00::1", encrypted=encrypted)
        assert not guard.permits("10.2.0.1", encrypted=encrypted)
        assert not guard.permits("127.0.0.1", encrypted=encrypted)
    assert is_public(ipaddress.ip_address("8.8.8.8"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
def test_an_organisations_own_certificate_is_trusted_besides_the_public_ones(tmp_path: Path) -> None:
    certificate = tmp_path / "own.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", tmp_path / "key.pem", "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    served = tmp_path / "served.pem"
    served.write_text(certificate.read_text() + (tmp_path / "key.pem").read_text())
    with site(served) as url:
        with pytest.raises(FetchFailed, match="cannot be reached: ConnectError"):
            fetch(f"{url}/bytes/7")
        assert fetch(f"{url}/bytes/7", certificates=certificate) == b"x" * 7
    public = tls_context().cert_store_stats()["x509_ca"]
    assert tls_context(certificate).cert_store_stats()["x509_ca"] == public + 1 > 100


def test_what_is_there_is_fetched_over_redirects_too() -> None:
    with site() as url:
        assert fetch(f"{url}/bytes/5000") == b"x" * 5000
        assert fetch(f"{url}/to/{url}/bytes/7") == b"x" * 7


@pytest.mark.parametrize(
    ("path", "message", "temporary"),
    [
        ("/status/404", "answers 404", False),
        ("/status/503", "answers 503", True),
        ("/to/https://10.0.0.1/", "may not connect to", False),
        ("/to/http://169.254.169.254/latest/meta-data", "may not connect to", False),
        ("/to/https://[::1]:1/", "may not connect to", False),
        ("/to/http://8.8.8.8/", "must begin with https", False),
        ("/to/file:///etc/passwd", "https://|not a web address", False),
    ],
)
def test_why_something_cannot_be_fetched(path: str, message: str, temporary: bool) -> None:
    with site() as url, pytest.raises(FetchFailed, match=message) as failed:
        fetch(url + path)
    assert failed.value.temporary is temporary


def test_a_server_of_our_own_is_not_reached_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"):
            for scheme in ("http", "https"):
                with pytest.raises(FetchFailed):
                    fetch(f"{scheme}://{host}:{trap.getsockname()[1]}/", guard=AddressGuard())
        with pytest.raises(TimeoutError):
            trap.accept()


def test_a_name_is_resolved_once_and_the_address_that_was_checked_is_the_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: a name that leads to a public address at first, and to this machine a moment later."""
    asked: list[str] = []
    connected: list[str] = []
    resolve: Callable[..., Any] = asyncio.BaseEventLoop.getaddrinfo

    async def answers(self: Any, host: str, port: int, **rest: Any) -> Any:
        if host != "rebinding.example":
            return await resolve(self, host, port, **rest)
        asked.append(host)
        address = "127.0.0.1" if len(asked) > 1 else "8.8.8.8"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def connect(self: Any, host: str, *_: Any, **__: Any) -> Any:
        import httpcore

        connected.append(host)
        raise httpcore.ConnectError("no network here")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", answers)
    monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", connect)
    with pytest.raises(FetchFailed, match="cannot be reached"):
        fetch("https://rebinding.example/", guard=AddressGuard())
    assert asked == ["rebinding.example"]
    assert connected == ["8.8.8.8"]


def test_size_and_time_are_bounded() -> None:
    with site() as url:
        with pytest.raises(TooLarge):
            fetch(f"{url}/bytes/10001")
        with pytest.raises(TooLarge):
            fetch(f"{url}/endless/x")
        began = time.monotonic()
        with pytest.raises(FetchFailed, match=r"longer than 0\.3 s") as slow:
            fetch(f"{url}/endless/x", max_bytes=10**9, seconds=0.3)
        assert slow.value.temporary
        assert time.monotonic() - began < 20
