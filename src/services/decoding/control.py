"""The server's side of the fork server (`forkserver.py`), from which decoders are forked."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from src.errors import StartupError
from src.services.decoding.forkserver import COMMAND, FOLLOW, FORK, KILL, LOWER, READY, REPORT

_ROOT = Path(__file__).parents[3]
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
_START_SECONDS = 60.0
_EXIT_SECONDS = 5.0
_PAUSE_SECONDS = 0.05


class ForkServer:
    """Starts the process, sends it commands and receives its reports.

    Args:
        cpu_seconds: maximum CPU seconds of a decoder of a file.
        stream_cpu_seconds: of a decoder of a stream.
        on_exit: called with the number and the exit code of a decoder that ended.
        on_gone: called when the process has ended by itself.
    """

    def __init__(
        self,
        cpu_seconds: int,
        stream_cpu_seconds: int,
        on_exit: Callable[[int, int], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._cpu_seconds = cpu_seconds
        self._stream_cpu_seconds = stream_cpu_seconds
        self._on_exit = on_exit
        self._on_gone = on_gone
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._received = b""

    @property
    def pid(self) -> int | None:
        """Id of the process; None if it does not run."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            StartupError: it does not start.
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._control, self._received = ours, b""
        answer = b""
        with theirs:
            spawning = asyncio.create_task(asyncio.to_thread(self._spawn, theirs.fileno()))
            try:
                await asyncio.shield(spawning)
            finally:
                # if this is cancelled: the thread uses the descriptor, and `close` must know of the process
                await asyncio.wait({spawning})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                answer = await loop.sock_recv(ours, len(READY))
        if answer != READY:
            raise StartupError(
                "the process that decodes uploads does not start; what it says stands above. It needs the "
                "packages `av` and `numpy`, and some 60 MB of memory"
            )
        loop.add_reader(ours.fileno(), self._read_reports)

    def fork(self, number: int, connection: socket.socket, *, follows: bool = False) -> None:
        """Fork a decoder that serves `connection`; `follows`: a stream.

        Raises:
            BlockingIOError: hundreds of commands are on their way; the caller may try again.
            OSError: the process has ended.
        """
        if self._control is None:
            raise ConnectionError("there is no process to fork from")
        order = COMMAND.pack(FOLLOW if follows else FORK, number, 0)
        socket.send_fds(self._control, [order], [connection.fileno()])

    def kill(self, number: int) -> None:
        """Kill a decoder if it has not ended."""
        self._order(KILL, number)

    def lower(self, number: int, nice: int) -> None:
        """Lower the priority of a decoder if it has not ended. It never rises again."""
        self._order(LOWER, number, nice)

    def _order(self, order: bytes, number: int, nice: int = 0) -> None:
        if self._control is None:
            return
        try:
            self._control.send(COMMAND.pack(order, number, nice))
        except BlockingIOError:  # hundreds of commands are on their way
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._order, order, number, nice)
        except OSError:
            pass  # the process is gone, and all decoders with it

    async def close(self) -> None:
        """Close the socket, and wait until the process has killed its decoders and ended."""
        self._close_control()
        process = self._process
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, _EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
        self._process = None  # not before: if this is cancelled, the next call waits

    def _spawn(self, descriptor: int) -> None:
        variables = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603
            [
                sys.executable, "-m", "src.services.decoding.forkserver",
                str(descriptor), str(self._cpu_seconds), str(self._stream_cpu_seconds),
            ],
            cwd=_ROOT,
            # no key and no password; one thread, since a fork has only the one that forks
            env=variables | {
                "OPENBLAS_NUM_THREADS": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[descriptor],
        )  # fmt: skip

    def _read_reports(self) -> None:
        if self._control is None:
            return
        try:
            data = self._control.recv(REPORT.size * 256)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close_control()
            self._on_gone()
            return
        self._received += data
        whole = len(self._received) // REPORT.size * REPORT.size
        reports, self._received = self._received[:whole], self._received[whole:]
        for number, code in REPORT.iter_unpack(reports):
            self._on_exit(number, code)

    def _close_control(self) -> None:
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
