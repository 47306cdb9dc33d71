"""Downloads from a real server that misbehaves."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.weights.network import Network
from src.weights.source import SourceFailed
from tests.support.weights import Host, Page, serve_host

BODY = bytes(range(256)) * 4000


@pytest.fixture
def release_host() -> Iterator[Host]:
    with serve_host() as running:
        yield running


@pytest.fixture
def network() -> Network:
    return Network(answer=2.0)


def test_a_file_arrives(release_host: Host, network: Network, tmp_path: Path) -> None:
    release_host.pages["/f"] = Page(BODY)
    target = tmp_path / "f"
    network.download(f"{release_host.url}/f", target)
    assert target.read_bytes() == BODY


def test_a_redirect_is_followed(network: Network, tmp_path: Path) -> None:
    with serve_host() as front, serve_host() as store:
        front.pages["/f"] = Page(status=302, location=f"{store.url}/blob")
        store.pages["/blob"] = Page(BODY)
        network.download(f"{front.url}/f", tmp_path / "f")
        assert (tmp_path / "f").read_bytes() == BODY


def test_a_connection_cut_in_the_middle_is_taken_up_again(
    release_host: Host, network: Network, tmp_path: Path
) -> None:
    release_host.pages["/f"] = Page(BODY, etag='"one"', cut_after=700_000, cuts=1)
    network.download(f"{release_host.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY
    assert release_host.requests["/f"] == 2
    assert len(release_host.ranges) == 1
    assert release_host.ranges != ["bytes=0-"]


def test_without_a_mark_of_the_version_it_starts_again(
    release_host: Host, network: Network, tmp_path: Path
) -> None:
    release_host.pages["/f"] = Page(BODY, cut_after=700_000, cuts=2)
    network.download(f"{release_host.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY
    assert release_host.requests["/f"] == 3
    assert release_host.ranges == []


@pytest.mark.parametrize(
    "page",
    [Page(BODY, cut_after=1000), Page(BODY, hold_after=1000), Page(BODY, drip=True)],
    ids=["always cut", "silent", "drips"],
)
def test_one_that_does_not_get_on_is_given_up(release_host: Host, tmp_path: Path, page: Page) -> None:
    release_host.pages["/f"] = page
    with pytest.raises(SourceFailed, match="f came too slowly: fewer than 65536 new bytes in 4 s"):
        Network(stall=4.0).download(f"{release_host.url}/f", tmp_path / "f")


def test_a_host_that_never_answers_is_given_up_and_not_asked_again(
    release_host: Host, tmp_path: Path
) -> None:
    release_host.pages["/f"] = Page(mute=True)
    release_host.pages["/g"] = Page(BODY)
    network = Network(answer=0.3)
    with pytest.raises(SourceFailed, match=r"did not answer within 0\.3 s"):
        network.download(f"{release_host.url}/f", tmp_path / "f")
    with pytest.raises(SourceFailed, match="not asked again"):
        network.download(f"{release_host.url}/g", tmp_path / "g")
    assert release_host.requests["/g"] == 0


def test_a_closed_port_is_said_to_be_unreachable(network: Network, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
        with pytest.raises(SourceFailed, match=r"127\.0\.0\.1 cannot be reached"):
            network.download(f"http://127.0.0.1:{taken.getsockname()[1]}/f", tmp_path / "f")


@pytest.mark.parametrize("status", [404, 503])
def test_a_refusal_is_told(release_host: Host, network: Network, tmp_path: Path, status: int) -> None:
    release_host.pages["/f"] = Page(BODY, status=status)
    with pytest.raises(SourceFailed, match=f"answered {status}"):
        network.download(f"{release_host.url}/f", tmp_path / "f")


def test_a_probe_takes_any_answer_and_reads_no_body(release_host: Host, network: Network) -> None:
    release_host.pages["/f"] = Page(BODY, status=403)
    network.probe(f"{release_host.url}/f")
    assert release_host.heads["/f"] == 1
    assert release_host.requests["/f"] == 0


def test_a_probe_gives_up_on_a_host_behind_the_one_that_redirects(network: Network) -> None:
    with serve_host() as front, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
        front.pages["/f"] = Page(status=302, location=f"http://127.0.0.1:{taken.getsockname()[1]}/blob")
        with pytest.raises(SourceFailed, match="cannot be reached"):
            network.probe(f"{front.url}/f")


def test_a_log_gets_lines_and_not_a_bar(
    release_host: Host, network: Network, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    release_host.pages["/f"] = Page(BODY * 20)
    with caplog.at_level(logging.INFO, "src.weights"):
        network.download(f"{release_host.url}/f", tmp_path / "f")
    assert "downloading f with huggingface_hub (20.5 MB)" in caplog.text
    assert "\r" not in caplog.text
    assert len(caplog.records) <= 12
