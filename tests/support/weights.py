"""A release host and a hub that tests of the model store can break in many ways, and small models to send."""

import hashlib
import io
import json
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ENGLISH = "tts_models/en/ljspeech/tacotron2-DDC"
SPANISH = "tts_models/es/mai/tacotron2-DDC"
ENGLISH_ZIP = "/coqui-ai/TTS/releases/download/v0.6.1_models/tts_models--en--ljspeech--tacotron2-DDC.zip"
HIFIGAN_ZIP = "/coqui-ai/TTS/releases/download/v0.6.1_models/vocoder_models--en--ljspeech--hifigan_v2.zip"
MELGAN_ZIP = (
    "/coqui-ai/TTS/releases/download/v0.6.1_models/vocoder_models--universal--libri-tts--fullband-melgan.zip"
)
SPANISH_REPOSITORY = "tts-hub/tacotron2_ddc-es-mai"
COMMIT = "c0ffee" + "0" * 34


@dataclass
class Page:
    """The host's answer at one address."""

    body: bytes = b""
    status: int = 200
    etag: str = ""
    location: str = ""
    """Redirect to here."""
    cut_after: int | None = None
    """Close the connection after so many bytes, having announced them all."""
    cuts: int = 1_000_000
    """So many times; then the whole is sent."""
    hold_after: int | None = None
    """Send so many bytes, then nothing until the host is told to go on."""
    drip: bool = False
    """Send a byte now and then."""
    mute: bool = False
    """Take the request and never answer."""


@dataclass
class Host:
    """A real HTTP server on the loopback address."""

    pages: dict[str, Page] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    """Of GET, by path."""
    heads: Counter[str] = field(default_factory=Counter)
    ranges: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    holding: threading.Event = field(default_factory=threading.Event)
    """Set once a page is being held."""
    go_on: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def repository(self, name: str, files: Mapping[str, bytes]) -> None:
        """Serve a model repository as the hub does."""
        siblings: list[dict[str, Any]] = []
        for file, body in files.items():
            entry: dict[str, Any] = {"rfilename": file, "size": len(body), "blobId": "0" * 40}
            if not file.endswith((".json", ".md")):
                sha256 = hashlib.sha256(body).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(body), "pointerSize": 100}
            siblings.append(entry)
            self.pages[f"/{name}/resolve/{COMMIT}/{file}"] = Page(
                body, etag=f'"{hashlib.sha1(body).hexdigest()}"'
            )
        info = json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode()
        self.pages[f"/api/models/{name}"] = Page(info)
        self.pages[f"/api/models/{name}/revision/{COMMIT}"] = Page(info)
        tree = [
            {"type": "file", "path": each["rfilename"], "size": each["size"], "oid": "0" * 40}
            for each in siblings
        ]
        self.pages[f"/api/models/{name}/tree/{COMMIT}"] = Page(json.dumps(tree).encode())


@contextmanager
def serve_host() -> Iterator[Host]:
    state = Host()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            path = self.path.partition("?")[0]
            state.heads[path] += 1
            self.close_connection = True
            page = state.pages.get(path, Page(b"no such page", 404))
            if page.mute:
                state.holding.set()
                state.go_on.wait(30)
                return
            self.send_response(page.status)
            self.send_header("Content-Length", str(len(page.body)))
            self._send_fields(page)

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            state.requests[path] += 1
            state.tokens.append(self.headers["Authorization"])
            self.close_connection = True
            page = state.pages.get(path, Page(b"no such page", 404))
            if page.mute:
                state.holding.set()
                state.go_on.wait(30)
                return
            body, start = page.body, 0
            wanted = self.headers["Range"]
            if wanted and page.etag and self.headers["If-Range"] in (None, page.etag):
                state.ranges.append(wanted)
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if start else page.status)
            self.send_header("Content-Length", str(len(body) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self._send_fields(page)
            self._send(page, body[start:])

        def _send_fields(self, page: Page) -> None:
            self.send_header("X-Repo-Commit", COMMIT)  # as the hub does
            self.send_header("Connection", "close")
            if page.etag:
                self.send_header("ETag", page.etag)
            if page.location:
                self.send_header("Location", page.location)
            self.end_headers()

        def _send(self, page: Page, body: bytes) -> None:
            if page.cut_after is not None and page.cuts > 0:
                page.cuts -= 1
                self.wfile.write(body[: page.cut_after])
            elif page.drip:
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    if state.go_on.wait(0.05):
                        break
            elif page.hold_after is not None:
                self.wfile.write(body[: page.hold_after])
                self.wfile.flush()
                state.holding.set()
                state.go_on.wait(30)
                self.wfile.write(body[page.hold_after :])
            else:
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *arguments: object) -> None:
            pass  # the client was killed: that is what is being tested

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        state.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


def checkpoint(size: int = 64) -> bytes:
    """A file that opens as weights."""
    import torch

    buffer = io.BytesIO()
    generator = torch.Generator().manual_seed(1)
    torch.save({"model": {"weight": torch.rand(size, generator=generator)}}, buffer)
    return buffer.getvalue()


def zip_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def whisper_files(size: int = 1000) -> dict[str, bytes]:
    """Files of the names and kinds of a CTranslate2 Whisper model."""
    return {
        "model.bin": bytes(range(256)) * (size // 256 + 1),
        "config.json": b'{"alignment_heads": []}',
        "tokenizer.json": b"{}",
        "vocabulary.json": b"[]",
        "README.md": b"# not wanted",
    }


def serve_coqui(release_host: Host, weights_size: int = 64) -> None:
    """Put both default Coqui models and their vocoders on the host, as archives like the released ones."""
    config = {"model": "tacotron2", "audio": {"sample_rate": 22050, "stats_path": None}}
    vocoder_config = {"model": "hifigan", "audio": {"stats_path": "/home/trainer/scale_stats.npy"}}
    top = "tts_models--en--ljspeech--tacotron2-DDC"
    release_host.pages[ENGLISH_ZIP] = Page(
        zip_of(
            {
                f"{top}/model_file.pth": checkpoint(weights_size),
                f"{top}/config.json": b"// trained in 2021\n" + json.dumps(config).encode(),
                "__MACOSX/._config.json": b"junk",
            }
        )
    )
    vocoder = {
        "model_file.pth.tar": checkpoint(),
        "config.json": json.dumps(vocoder_config).encode(),
        "scale_stats.npy": b"numbers",
    }
    release_host.pages[HIFIGAN_ZIP] = Page(
        zip_of({f"vocoder/{name}": body for name, body in vocoder.items()})
    )
    release_host.pages[MELGAN_ZIP] = Page(zip_of(vocoder))
    config["audio"] = {"sample_rate": 16000, "stats_path": "/home/trainer/es/scale_stats.npy"}
    release_host.repository(
        SPANISH_REPOSITORY,
        {
            "model_file.pth": checkpoint(),
            "config.json": json.dumps(config).encode(),
            "scale_stats.npy": b"numbers",
        },
    )


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
