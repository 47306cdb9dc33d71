"""What benchmarks write into documents themselves."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from benchmarks import documents
from benchmarks.load.drive import Outcome
from benchmarks.load.workloads import WORKLOADS

REPOSITORY = Path(__file__).parent.parent.parent


def test_a_table_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("before\n<!-- load: begin -->\nold\n<!-- load: end -->\nafter\n")
    documents.write("load", "| new |\n", document)
    documents.write("load", "| newer |", document)
    assert document.read_text() == ("before\n<!-- load: begin -->\n| newer |\n<!-- load: end -->\nafter\n")


def test_a_document_without_the_marks_stays_as_it_is(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("text\n<!-- load: begin -->\n")
    with pytest.raises(ValueError, match="no marks for load"):
        documents.write("load", "x", document)
    assert document.read_text() == "text\n<!-- load: begin -->\n"


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ("docs/performance.md", ("plots", "load", "load-speech", "overhead")),
        ("README.md", ("load",)),
        ("README.es.md", ("load",)),
    ],
)
def test_the_documents_have_the_marks_and_every_plot_that_they_show(
    document: str, names: tuple[str, ...]
) -> None:
    path = REPOSITORY / document
    text = path.read_text()
    for name in names:
        assert text.count(f"<!-- {name}: begin -->\n") == 1
        assert text.count(f"<!-- {name}: end -->") == 1
    for part in text.split('"')[1::2]:
        if part.endswith(".svg"):
            assert (path.parent / part).is_file()


def test_refused_and_failed_requests_have_no_latency() -> None:
    outcome = Outcome(refused=2, failed=1, seconds=10)
    assert outcome.summary() == {
        "requests": 3,
        "answered": 0,
        "refused": 2,
        "failed": 1,
        "throughput": 0.0,
        "p50": None,
        "p95": None,
        "p99": None,
    }
    outcome.latencies = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = outcome.summary()
    assert (found["requests"], found["throughput"], found["p50"]) == (8, 0.5, 3.0)


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_every_server_is_sent_the_same_requests(name: str) -> None:
    sent: list[list[tuple[str, str, bytes]]] = []
    for _ in range(2):
        seen: list[tuple[str, str, bytes]] = []

        async def send(client: httpx.AsyncClient) -> None:
            requests = WORKLOADS[name].requests(client, 7)
            for _ in range(6):
                await requests.next()()

        asyncio.run(_with_a_client(send, seen))
        sent.append(seen)
    assert sent[0] == sent[1]
    assert len({body for _, _, body in sent[0]}) == 6


async def _with_a_client(
    send: Callable[[httpx.AsyncClient], Awaitable[None]], seen: list[tuple[str, str, bytes]]
) -> None:
    def note(request: httpx.Request) -> httpx.Response:
        kind = request.headers["Content-Type"].partition("boundary=")
        boundary = kind[2].encode() or b"-"
        seen.append((request.method, str(request.url), request.read().replace(boundary, b"")))
        return httpx.Response(200)

    async with httpx.AsyncClient(base_url="http://a", transport=httpx.MockTransport(note)) as client:
        await send(client)
