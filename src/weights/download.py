"""Plain HTTPS requests: for the releases on GitHub, and to ask whether a host answers at all.

Own code and not `pooch`, which starts a broken download anew where this one resumes it, and waits for each
address of a dead host in turn where this one gives up on all of it after `Timeouts.answer` seconds.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httpx

from src.weights.progress import Progress, megabytes
from src.weights.source import SourceFailed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for a host, in seconds."""

    answer: float = 8.0
    """From the first packet to the head of the answer: name lookup, every address of the host, redirects."""
    silence: float = 20.0
    """Between two pieces of the body."""
    window: float = 60.0
    """A transfer that brings no 64 KiB in this time has stalled."""
    attempts: int = 3
    """Of one file, once bytes have come; a host that never answered is not asked twice."""


class Downloader:
    """Fetches files; remembers for its own life which hosts did not answer, and does not ask them again."""

    def __init__(self, timeouts: Timeouts | None = None) -> None:
        self.timeouts = timeouts or Timeouts()
        self._dead: dict[str, str] = {}

    def probe(self, url: str) -> None:
        """Raise SourceFailed unless the host of `url`, and those it redirects to, answer: whatever it is."""
        with self._client() as client:
            self._open(client, client.build_request("HEAD", url)).close()

    def json(self, url: str, headers: Mapping[str, str]) -> Any:
        """The JSON document at `url`.

        Raises:
            SourceFailed: the host does not answer, refuses, or answers with something else.
        """
        with self._client() as client:
            response = self._open(client, client.build_request("GET", url, headers=dict(headers)))
            try:
                _expect_ok(response)
                response.read()
                return response.json()
            except httpx.TransportError as error:
                raise SourceFailed(_reason(url, error)) from None
            except ValueError:
                raise SourceFailed(f"{response.url.host} did not answer with JSON") from None
            finally:
                response.close()

    def file(self, url: str, target: Path) -> None:
        """Download `url` into `target`, resuming where it stopped if the connection breaks.

        Raises:
            SourceFailed: the host does not answer, refuses, or stalls.
            OSError: the file cannot be written.
        """
        headers = {"Accept-Encoding": "identity"}  # a length and a range of packed bytes would mean nothing
        with self._client() as client, target.open("wb") as file:
            for attempt in range(1, self.timeouts.attempts + 1):
                response = self._open(client, client.build_request("GET", url, headers=headers))
                try:
                    self._receive(response, file, target.name)
                    return
                except httpx.TransportError as error:
                    reason = f"{_reason(url, error)} after {megabytes(file.tell())}"
                    if attempt == self.timeouts.attempts:
                        raise SourceFailed(reason) from None
                    log.info("%s; trying again", reason)
                    etag = response.headers.get("ETag", "W/")
                    if file.tell() and not etag.startswith("W/"):  # else nothing says it is the same file
                        headers |= {"Range": f"bytes={file.tell()}-", "If-Range": etag}
                finally:
                    response.close()

    def _client(self) -> httpx.Client:
        timeout = httpx.Timeout(self.timeouts.silence, connect=self.timeouts.answer)
        return httpx.Client(timeout=timeout, follow_redirects=True)

    def _open(self, client: httpx.Client, request: httpx.Request) -> httpx.Response:
        """The head of the answer.

        httpx bounds one connect to one address. A name lookup, or a host with many addresses behind a
        firewall that drops packets, takes many times that: so the wait itself is bounded, on a thread.
        """
        url = str(request.url)
        host = urlsplit(url).netloc
        if host in self._dead:
            raise SourceFailed(f"{self._dead[host]} (not asked again)")
        head = _on_a_thread(lambda: client.send(request, stream=True))
        try:
            response = head.result(self.timeouts.answer)
        except TimeoutError:
            head.add_done_callback(_close_late)
            self._dead[host] = f"{request.url.host} did not answer within {self.timeouts.answer:g} s"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self._dead[host] = _reason(url, error)
        else:
            if request.url.scheme == "https" and response.url.scheme != "https":
                response.close()
                raise SourceFailed(f"{request.url.host} leads to an address without TLS")
            return response
        raise SourceFailed(self._dead[host])

    def _receive(self, response: httpx.Response, file: BinaryIO, name: str) -> None:
        """Write the body to the file; httpx raises if it is shorter than announced."""
        begin = file.tell()
        if response.status_code == httpx.codes.PARTIAL_CONTENT and begin:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
                raise SourceFailed(f"{response.url.host} sent another part of {name} than it was asked for")
        else:
            _expect_ok(response)
            file.seek(0)
            begin = file.truncate()
        length = response.headers.get("Content-Length", "")
        total = begin + int(length) if length.isdigit() else None
        if not begin:
            log.info("downloading %s%s", name, f" ({megabytes(total)})" if total is not None else "")
        with Progress(name, total, window=self.timeouts.window) as progress:
            for chunk in response.iter_raw():
                file.write(chunk)
                progress.to(file.tell())


def _on_a_thread(call: Callable[[], httpx.Response]) -> "Future[httpx.Response]":
    """Call on a daemon thread: nothing waits for it when the process ends."""
    result: Future[httpx.Response] = Future()

    def run() -> None:
        try:
            result.set_result(call())
        except Exception as error:
            result.set_exception(error)

    Thread(target=run, daemon=True, name="voz-download").start()
    return result


def _expect_ok(response: httpx.Response) -> None:
    if response.status_code != httpx.codes.OK:
        status = f"{response.status_code} {response.reason_phrase}".rstrip()
        raise SourceFailed(f"{response.url.host} answered {status}")


def _close_late(head: "Future[httpx.Response]") -> None:
    if head.exception() is None:
        head.result().close()


def _reason(url: str, error: Exception) -> str:
    host = urlsplit(url).hostname or url
    match error:
        case httpx.ConnectTimeout():
            return f"{host} did not answer in time"
        case httpx.TimeoutException():
            return f"{host} fell silent"
        case httpx.ConnectError() | httpx.ProxyError():
            return f"{host} cannot be reached ({error})"
        case _:
            return f"the connection to {host} broke ({error or type(error).__name__})"
