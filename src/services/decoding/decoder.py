"""The work of a decoder process: one file, from a descriptor to samples on a socket. Then it ends."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import BinaryIO

from src.errors import NotAudio, TooLarge
from src.services.audio.decode import TOO_MUCH_MEMORY, AudioSource, Pcm
from src.services.decoding.frames import JOB, Kind, frame

STUCK_SECONDS = 1.5
"""CPU seconds without any audio after which a file is given up."""
_BYTES_PER_SECOND = 50_000_000
"""So much of a file is looked at in a CPU second, at the least, before any audio comes."""
_SHORT_SECONDS = 1.0
"""CPU seconds after which a decoder gives way to all others: it has a long file, or a bad one."""
_NICE = 10


def serve(connection: socket.socket) -> None:
    """Wait for a file, decode it, send its audio. A caller who closes the connection ends the process."""
    job, descriptors, _, _ = socket.recv_fds(connection, JOB.size, 1)
    if not descriptors:
        return
    (max_seconds,) = JOB.unpack(job)
    connection.sendall(frame(*_outcome(connection, descriptors[0], max_seconds)))


def _outcome(connection: socket.socket, descriptor: int, max_seconds: float) -> tuple[Kind, str]:
    """Send the audio; how it ended."""
    patience = STUCK_SECONDS + os.fstat(descriptor).st_size / _BYTES_PER_SECOND
    hurried = True
    try:
        signal.setitimer(signal.ITIMER_PROF, patience)
        with os.fdopen(descriptor, "rb") as file:
            for block in decode(file, max_seconds):
                connection.sendall(frame(Kind.AUDIO, block.tobytes()))
                signal.setitimer(signal.ITIMER_PROF, patience)
                if hurried and time.process_time() > _SHORT_SECONDS:
                    hurried = False
                    os.nice(_NICE)
    except NotAudio as error:
        return Kind.NOT_AUDIO, str(error)
    except TooLarge as error:
        return Kind.TOO_LARGE, str(error)
    except ConnectionError:
        raise
    except OSError as error:
        return Kind.UNREADABLE, str(error)
    except MemoryError:
        return Kind.NOT_AUDIO, TOO_MUCH_MEMORY
    except Exception as error:
        return Kind.FAILED, f"{type(error).__name__}: {error}"
    return Kind.END, ""


def decode(file: BinaryIO, max_seconds: float) -> Iterator[Pcm]:
    """The audio of a file, a second at a time; blocks without any samples say that it goes on.

    Raises:
        NotAudio, TooLarge: as AudioSource does.
    """
    with AudioSource(file, max_seconds) as source:
        if (source.duration_hint or 0) <= max_seconds:
            yield from source.blocks()
            return
        # It says that it is too long. Were that believed, a wrong header would cost a good file; were it
        # not looked into now, hours of speech would be read first, and then refused.
        for block in source.blocks():
            yield block[:0]
    with AudioSource(file, max_seconds) as source:
        yield from source.blocks()


def cpu_seconds(max_seconds: float) -> int:
    """CPU seconds that a file may take in all. Codecs were seen to take a hundredth of the audio's length."""
    return int(60 + min(max_seconds, 1e7) / 10)
