"""A small TCP proxy before a real server that forwards, refuses, drops, cuts or spoils signatures."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto


class Fault(Enum):
    NONE = auto()
    REFUSED = auto()
    """Nobody listens."""
    SILENT = auto()
    """What is sent is taken, and never answered."""
    DENIED = auto()
    """The signature of every request is spoilt, so that the server behind says 403 itself."""
    CUT = auto()
    """The connection is reset once `CUT_AFTER` bytes of a request's body have gone through."""


CUT_AFTER = 60_000
_PAUSE = 0.1
_SIGNATURE = re.compile(rb"Signature=[0-9a-f]{64}")


class Proxy:
    """Listens on loopback. `fault` may be changed at any time, which also closes open connections."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._fault = Fault.NONE
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._listen()

    @property
    def fault(self) -> Fault:
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        before, self._fault = self._fault, fault
        if fault is Fault.REFUSED:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        elif before is Fault.REFUSED:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._listen()
        self._hang_up()

    def close(self) -> None:
        self.fault = Fault.REFUSED
        for thread in self._threads:
            thread.join(timeout=10)

    def _listen(self) -> None:
        self._start(self._accept, self._listener)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self._open |= {client, server}
            self._start(self._pass, client, server, True)
            self._start(self._pass, server, client, False)

    def _pass(self, source: socket.socket, target: socket.socket, upwards: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if upwards and self._fault is Fault.SILENT:
                    continue
                if upwards and self._fault is Fault.DENIED:
                    data = _SIGNATURE.sub(b"Signature=" + b"0" * 64, data)
                passed += len(data)
                if upwards and self._fault is Fault.CUT and passed > CUT_AFTER:
                    break
                target.sendall(data)
        self._drop(source, target)

    def _hang_up(self) -> None:
        with self._lock:
            connections = list(self._open)
        self._drop(*connections)

    def _drop(self, *connections: socket.socket) -> None:
        with self._lock:
            self._open -= set(connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
