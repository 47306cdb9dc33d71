"""The hosts that publish models: whether they answer, and a download of one file from one of them.

Own code bounds the wait for a host. `huggingface_hub` downloads, but where a firewall drops packets, it tries
for minutes before the next source has its turn.
"""

import sys
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import httpx

from src.weights.source import SourceFailed
from src.weights.tools import run_tool

TRANSFER = (sys.executable, "-P", str(Path(__file__).with_name("transfer.py")))
"""Command of the process that downloads with `huggingface_hub`. `-P`: it imports nothing from this folder."""


@dataclass(frozen=True, slots=True)
class Network:
    """Hosts, and how long to wait for them. A host that did not answer is not asked again."""

    releases: str = "https://github.com"
    """Address of the host of releases."""
    hub: str | None = None
    """Address of the Hugging Face hub; None: as `huggingface_hub` has it (HF_ENDPOINT)."""
    answer: float = 8.0
    """Seconds from the first packet to the head of the answer: name lookup, every address, redirects."""
    stall: float = 60.0
    """A transfer that brings no 64 KiB in so many seconds has stalled."""
    dead: dict[str, str] = field(default_factory=dict)
    """Why a host is not asked again, by host."""

    def probe(self, url: str) -> httpx.Response:
        """The head of what is at `url`, after redirects, whatever its status is.

        A library's timeout bounds one connection to one address. A name lookup, or a host with many addresses
        behind a firewall that drops packets, takes many times that. So the wait is bounded, on a thread.

        Raises:
            SourceFailed: the host does not answer, or leads to an address without TLS.
        """
        host = urlsplit(url).hostname or url
        if host in self.dead:
            raise SourceFailed(f"{self.dead[host]} (not asked again)")
        answer: Future[httpx.Response] = Future()
        # a daemon: nothing waits for it when the process ends
        Thread(target=_head, args=(url, self.answer, answer), daemon=True, name="voz-probe").start()
        try:
            response = answer.result(self.answer)
        except TimeoutError:
            self.dead[host] = f"{host} did not answer within {self.answer:g} s"
        except Exception as error:
            self.dead[host] = f"{host} cannot be reached ({error or type(error).__name__})"
        else:
            if url.startswith("https:") and response.url.scheme != "https":
                raise SourceFailed(f"{host} leads to an address without TLS")
            return response
        raise SourceFailed(self.dead[host])

    def download(self, url: str, target: Path) -> None:
        """Download a file. A broken connection is resumed.

        Raises:
            SourceFailed: the host does not answer, refuses, or stalls.
        """
        head = self.probe(url)
        if head.status_code != httpx.codes.OK:
            raise SourceFailed(f"{head.url.host} answered {head.status_code} {head.reason_phrase}".rstrip())
        size = int(head.headers.get("Content-Length") or 0)
        command = [*TRANSFER, "file", url, str(target)]
        # this is not the hub, so what switches that off means nothing here
        environment = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        run_tool("huggingface_hub", command, target.parent, target.name, size, environment, self.stall)


def _head(url: str, timeout: float, answer: "Future[httpx.Response]") -> None:
    try:
        answer.set_result(httpx.head(url, timeout=timeout, follow_redirects=True))
    except Exception as error:
        answer.set_exception(error)
