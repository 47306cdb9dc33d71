"""A canary: a file and an address that nothing may read. It counts the reads."""

import ctypes
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_IN_OPEN, _IN_ACCESS = 0x20, 0x01
_EVENT = struct.Struct("iIII")


class Canary:
    """A valid audio file on disk and behind HTTP; `touched` counts how often either was opened.

    The kernel counts the opens of the file (inotify), whichever process it is.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        path.write_bytes(content)
        self._inotify = _LIBC.inotify_init1(os.O_NONBLOCK)
        assert self._inotify >= 0
        assert _LIBC.inotify_add_watch(self._inotify, os.fsencode(path), _IN_OPEN | _IN_ACCESS) >= 0
        self._visits = visits = [0]

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                visits[0] += 1  # a connection without a request counts, too
                super().setup()

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/{path.name}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def touched(self) -> int:
        """Number of opens and reads since the last call."""
        try:
            events = os.read(self._inotify, 1 << 16)
        except BlockingIOError:
            events = b""
        visits, self._visits[0] = self._visits[0], 0
        return len(events) // _EVENT.size + visits

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        os.close(self._inotify)


@contextmanager
def canary(path: Path, content: bytes) -> Iterator[Canary]:
    """A canary for the length of a test."""
    bait = Canary(path, content)
    try:
        yield bait
    finally:
        bait.close()
