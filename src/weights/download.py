"""Downloads over HTTPS that give up on a dead host in seconds and never take half a file for a whole one."""

import hashlib
import logging
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx

from src.weights.progress import Progress, megabytes
from src.weights.source import SourceFailed

log = logging.getLogger(__name__)

_CHUNK = 1 << 18
_LARGEST_JSON = 8 << 20
_OK, _PARTIAL = 200, 206


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a host, in seconds."""

    answer: float = 8.0
    """From the first packet to the head of the answer: name lookup, every address of the host, redirects."""
    silence: float = 20.0
    """Between two pieces of the body."""
    window: float = 60.0
    """In each window of this length at least `least` bytes must come, or the host counts as hung."""
    least: int = 64 << 10
    attempts: int = 3
    """Of one file, once bytes have come; a host that never answered is not asked twice."""


class Downloader:
    """Fetches files; remembers for its own life which hosts did not answer, and does not ask them again."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._dead: dict[str, str] = {}

    def json(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON document at `url`, of a few megabytes at most.

        Raises:
            SourceFailed: the host does not answer, refuses, or answers with something else.
        """
        with self._client() as client:
            response = self._open(client, url, dict(headers or {}))
            try:
                _expect(response, _OK)
                body = b""
                for chunk in response.iter_bytes(_CHUNK):
                    body += chunk
                    if len(body) > _LARGEST_JSON:
                        raise SourceFailed(f"{_host(url)} answered with more than a list of files")
                return httpx.Response(_OK, content=body).json()
            except httpx.TransportError as error:
                raise SourceFailed(_reason(url, error)) from None
            except ValueError:
                raise SourceFailed(f"{_host(url)} did not answer with JSON") from None
            finally:
                response.close()

    def file(
        self,
        url: str,
        target: Path,
        *,
        size: int | None = None,
        sha256: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Download `url` into `target`, going on where it stopped if the connection breaks.

        Args:
            size: bytes to expect, if known.
            sha256: what they must hash to, if known.

        Raises:
            SourceFailed: the host does not answer, refuses, or sends something else than expected.
            OSError: the file cannot be written.
        """
        with self._client() as client, target.open("w+b") as file:
            transfer = _Transfer(url, target.name, file, size, self._patience)
            for attempt in range(1, self._patience.attempts + 1):
                response = self._open(client, url, {**(headers or {}), **transfer.resume_headers()})
                try:
                    transfer.run(response)
                    break
                except httpx.TransportError as error:
                    reason = f"{_reason(url, error)} after {megabytes(file.tell())}"
                    if attempt == self._patience.attempts:
                        raise SourceFailed(reason) from None
                    log.info("%s; trying again", reason)
                finally:
                    response.close()
            transfer.verify(sha256)

    def _client(self) -> httpx.Client:
        timeout = httpx.Timeout(self._patience.silence, connect=self._patience.answer)
        return httpx.Client(timeout=timeout, follow_redirects=True)

    def _open(self, client: httpx.Client, url: str, headers: dict[str, str]) -> httpx.Response:
        """The head of the answer.

        httpx bounds one connect to one address. A name lookup, or a host with many addresses behind a
        firewall that drops packets, takes many times that: so the wait itself is bounded, on a thread.
        """
        host = urlsplit(url).netloc
        if host in self._dead:
            raise SourceFailed(f"{self._dead[host]} (not asked again)")
        # unpacked bodies would make lengths and resuming meaningless
        request = client.build_request("GET", url, headers={"Accept-Encoding": "identity", **headers})
        head: Future[httpx.Response] = Future()

        def send() -> None:
            try:
                head.set_result(client.send(request, stream=True))
            except Exception as error:
                head.set_exception(error)

        Thread(target=send, daemon=True, name="voz-download").start()
        try:
            response = head.result(self._patience.answer)
        except TimeoutError:
            head.add_done_callback(_close_late)
            reason = f"{_host(url)} did not answer within {self._patience.answer:g} s"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = _reason(url, error)
        else:
            if url.startswith("https:") and response.url.scheme != "https":
                response.close()
                raise SourceFailed(f"{_host(url)} leads to an address without TLS")
            return response
        self._dead[host] = reason
        raise SourceFailed(reason)


class _Transfer:
    """One file on its way, over as many connections as it takes."""

    def __init__(
        self, url: str, name: str, file: BufferedRandom, size: int | None, patience: Patience
    ) -> None:
        self._url = url
        self._name = name
        self._file = file
        self._size = size
        self._patience = patience
        self._etag: str | None = None

    def resume_headers(self) -> dict[str, str]:
        """Ask for the rest only if the server can tell that the file is still the same one."""
        if self._etag is None or not self._file.tell():
            return {}
        return {"Range": f"bytes={self._file.tell()}-", "If-Range": self._etag}

    def run(self, response: httpx.Response) -> None:
        """Write the body to the file; httpx raises if it is shorter than announced."""
        if response.status_code == _PARTIAL and self._file.tell():
            start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
            if start != str(self._file.tell()):
                raise SourceFailed(
                    f"{_host(self._url)} sent another part of {self._name} than it was asked for"
                )
        else:
            _expect(response, _OK)
            self._file.seek(0)
            self._file.truncate()
        etag = response.headers.get("ETag")
        self._etag = etag if etag and not etag.startswith("W/") else None
        self._receive(response)

    def _receive(self, response: httpx.Response) -> None:
        begin = self._file.tell()
        length = response.headers.get("Content-Length", "")
        total = begin + int(length) if length.isdigit() else self._size
        if self._size is not None and total != self._size:
            raise SourceFailed(
                f"{_host(self._url)} offers {self._name} with {total} bytes, expected {self._size}"
            )
        if begin == 0:
            log.info("downloading %s%s", self._name, f" ({megabytes(total)})" if total is not None else "")
        mark, mark_at = begin, time.monotonic()
        with Progress(self._name, total) as progress:
            for chunk in response.iter_bytes(_CHUNK):
                self._file.write(chunk)
                done = self._file.tell()
                if total is not None and done > total:
                    raise SourceFailed(f"{_host(self._url)} sent more of {self._name} than it announced")
                progress.to(done)
                if time.monotonic() - mark_at > self._patience.window:
                    if done - mark < self._patience.least:
                        raise SourceFailed(
                            f"{_host(self._url)} sends too slowly ({done - mark} bytes lately)"
                        )
                    mark, mark_at = done, time.monotonic()

    def verify(self, sha256: str | None) -> None:
        self._file.flush()
        size = self._file.tell()
        if self._size is not None and size != self._size:
            raise SourceFailed(f"{self._name} has {size} bytes, expected {self._size}")
        if sha256 is not None:
            self._file.seek(0)
            found = hashlib.file_digest(self._file, "sha256").hexdigest()
            if found != sha256:
                raise SourceFailed(f"{self._name} has SHA-256 {found}, expected {sha256}")


def _close_late(head: "Future[httpx.Response]") -> None:
    if head.exception() is None:
        head.result().close()


def _expect(response: httpx.Response, status: int) -> None:
    if response.status_code != status:
        host = response.request.url.host
        raise SourceFailed(f"{host} answered {response.status_code} {response.reason_phrase}".rstrip())


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _reason(url: str, error: Exception) -> str:
    host = _host(url)
    match error:
        case httpx.ConnectTimeout():
            return f"{host} did not answer in time"
        case httpx.TimeoutException():
            return f"{host} fell silent"
        case httpx.ConnectError() | httpx.ProxyError():
            return f"{host} cannot be reached ({error})"
        case _:
            return f"the connection to {host} broke ({error or type(error).__name__})"
