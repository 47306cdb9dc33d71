"""The process from which decoders are forked: `python -m src.services.decoding.forkserver FD FILE STREAM`.

FILE and STREAM are the CPU seconds that a decoder of a file or of a stream may use.

It has loaded FFmpeg, so a new decoder starts in a millisecond and shares its memory. Its environment is
empty, so a decoder finds no secrets there. It never sees an upload.

On the socket FD it receives `fork` and `follow` (an id, with the socket that the decoder of a file or of a
stream is to serve) and `kill` (an id). It reports which decoders ended, and how. When the socket closes,
because the server has ended or was killed, it kills all decoders and ends. (`multiprocessing`'s fork server
inherits the environment, with its keys, and imports the server's main module.)
"""

import contextlib
import gc
import io
import os
import select
import selectors
import signal
import socket
import struct
import sys
from typing import NoReturn

from src.errors import NotAudio
from src.services.audio.decode import AudioSource
from src.services.decoding.confinement import Filter, confine, prepare_filter
from src.services.decoding.decoder import serve
from src.services.decoding.frames import Kind, frame

COMMAND = struct.Struct("!cIB")
"""What to do, the number of a decoder, and its new priority (as `nice` counts) for `LOWER`."""
FORK, FOLLOW, KILL, LOWER = b"f", b"s", b"k", b"l"
REPORT = struct.Struct("!Ii")
"""Id of a decoder and its exit code; the negative number of the signal if a signal ended it."""
READY = REPORT.pack(0, 0)
COULD_NOT_FORK = 255


def main(control: socket.socket, cpu_seconds: int, stream_cpu_seconds: int) -> None:
    """Serve until the other end of `control` closes."""
    _use_once()
    calls = prepare_filter()
    # a terminal's Ctrl-C and a service manager's SIGTERM reach every process; the server says when to end
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    woken, waker = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    gc.collect()
    gc.freeze()
    decoders: dict[int, int] = {}
    limits = {FORK: cpu_seconds, FOLLOW: stream_cpu_seconds}
    control.sendall(READY)
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
                _report_ended(control, decoders)
            if control.fileno() in ready and not _obey(control, decoders, calls, limits):
                break
    for pid in decoders:
        os.kill(pid, signal.SIGKILL)
    for pid in decoders:
        os.waitpid(pid, 0)


def _obey(
    control: socket.socket, decoders: dict[int, int], calls: Filter | str, limits: dict[bytes, int]
) -> bool:
    """Carry out one command of the server; False if the socket is closed."""
    said, descriptors, _, _ = socket.recv_fds(control, COMMAND.size, 1)
    if len(said) < COMMAND.size:
        return False
    order, number, nice = COMMAND.unpack(said)
    if order not in limits:
        # a decoder that has ended keeps its pid until it is waited for, so no other process has it
        for pid in [pid for pid, known in decoders.items() if known == number]:
            if order == KILL:
                os.kill(pid, signal.SIGKILL)
                continue
            with contextlib.suppress(ProcessLookupError):  # it has ended, and not every system finds it then
                if os.getpriority(os.PRIO_PROCESS, pid) < nice:
                    os.setpriority(os.PRIO_PROCESS, pid, nice)
        return True
    connection = socket.socket(fileno=descriptors[0])
    server = os.getpid()
    try:
        pid = os.fork()
    except OSError:  # no memory, or no more processes allowed
        control.sendall(REPORT.pack(number, COULD_NOT_FORK))
        pid = -1
    if pid == 0:
        _become_decoder(connection, server, calls, limits[order])
    connection.close()
    if pid > 0:
        decoders[pid] = number
    return True


def _become_decoder(
    connection: socket.socket, server: int, calls: Filter | str, cpu_seconds: int
) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        kept = connection.fileno()
        os.closerange(3, kept)
        os.closerange(kept + 1, 256)
        os.dup2(0, 2)
        lacking = confine(calls, server, cpu_seconds)
        connection.sendall(frame(Kind.HELLO, lacking))
        _touch(connection)
        serve(connection)
        code = 0
    except ConnectionError:
        code = 0  # the caller has left
    finally:
        os._exit(code)


def _report_ended(control: socket.socket, decoders: dict[int, int]) -> None:
    while decoders:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        control.sendall(REPORT.pack(decoders.pop(pid), os.waitstatus_to_exitcode(status)))


_SOUND = (
    b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8_000, 16_000, 2, 16)
    + b"data\xff\xff\xff\xff" + bytes(4_000)
)  # fmt: skip


def _use_once() -> None:
    """Load everything that is loaded at first use, because a decoder cannot open files."""
    for content in (_SOUND, b"nothing to hear", _SOUND[:60]):
        _decode(content)


def _touch(connection: socket.socket) -> None:
    """Unless a file waits already, write to the memory that decoding writes to.

    The kernel copies such pages only then, which takes a decoder as long as half of a clip.
    """
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    if not waiting.poll(0):
        _decode(_SOUND)


def _decode(content: bytes) -> None:
    with contextlib.suppress(NotAudio), AudioSource(io.BytesIO(content), 60) as source:
        for block in source.blocks():
            frame(Kind.AUDIO, block.tobytes())


if __name__ == "__main__":
    with contextlib.suppress(ConnectionError):
        main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3]))
