"""The main loop of a decoder process: it decodes one file or stream to a socket, then ends."""

import os
import signal
import socket
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from src.errors import InvalidInput, NotAudio, TooLarge
from src.services.audio.decode import TOO_MUCH_MEMORY, AudioSource
from src.services.audio.stream import Container, StreamSource
from src.services.decoding.frames import JOB, MAX_DECLARED, Kind, frame
from src.services.decoding.pipe import Pipe

STUCK_SECONDS = 1.5
"""CPU seconds without audio after which decoding is stopped."""
_BYTES_PER_SECOND = 50_000_000
"""Minimum number of bytes of a file that are read per CPU second before the first audio."""


_REFUSALS = {NotAudio: Kind.NOT_AUDIO, InvalidInput: Kind.INVALID, TooLarge: Kind.TOO_LARGE}


class Job(NamedTuple):
    """What a decoder is told (`frames.JOB`)."""

    max_seconds: float
    track: int
    """Number of the audio track, from 1; 0: the decoder chooses."""
    whole_only: bool
    """Refuse a file that is cut off."""
    container: bytes
    """Container of a stream, whose bytes come while they are made; empty: a file."""


def serve(connection: socket.socket) -> None:
    """Wait for a file or a stream, decode it, send its audio. A caller who closes the connection ends it."""
    job, descriptors, _, _ = socket.recv_fds(connection, JOB.size, 1)
    if not descriptors:
        return
    connection.sendall(frame(*_outcome(connection, descriptors[0], Job(*JOB.unpack(job)))))


def _outcome(connection: socket.socket, descriptor: int, job: Job) -> tuple[Kind, str]:
    """Send the audio, then what is to be known of the file; how it ended."""
    cpu_seconds = STUCK_SECONDS + os.fstat(descriptor).st_size / _BYTES_PER_SECOND
    try:
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        with os.fdopen(descriptor, "rb") as file:
            name = job.container.rstrip(b"\0").decode()
            frames = follow(connection, descriptor, Container(name), job) if name else decode(file, job)
            for kind, content in frames:
                connection.sendall(frame(kind, content))
                signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    except (NotAudio, InvalidInput, TooLarge) as error:
        return _REFUSALS[type(error)], str(error)
    except ConnectionError:
        raise
    except OSError as error:
        return Kind.UNREADABLE, str(error)
    except MemoryError:
        return Kind.NOT_AUDIO, TOO_MUCH_MEMORY
    except Exception as error:
        return Kind.FAILED, f"{type(error).__name__}: {error}"
    return Kind.END, ""


def decode(file: BinaryIO, job: Job) -> Iterator[tuple[Kind, bytes | str]]:
    """The frames for a file: its audio, a second at a time, then its track and warnings.

    Audio without any samples says that it goes on.

    Raises:
        NotAudio, InvalidInput, TooLarge: as AudioSource does.
    """
    with _source(file, job) as source:
        if 0 < (source.duration_hint or 0) < MAX_DECLARED:
            yield Kind.LENGTH, f"{source.duration_hint:.2f}"
        if (source.duration_hint or 0) <= job.max_seconds:
            yield from _frames(source)
            return
        # It says that it is too long. Were that believed, a wrong header would cost a good file; were it
        # not looked into now, hours of speech would be read first, and then refused.
        for _ in source.blocks():
            yield Kind.AUDIO, b""
    with _source(file, job) as source:
        yield from _frames(source)


def follow(
    connection: socket.socket, descriptor: int, container: Container, job: Job
) -> Iterator[tuple[Kind, bytes | str]]:
    """The frames for a stream: its audio, as soon as it is decoded. Between them, `WAITS` is sent.

    Raises:
        NotAudio: the stream is broken.
    """

    def waits(taken: int) -> None:
        connection.sendall(frame(Kind.WAITS, str(taken)))

    def goes_on() -> None:
        signal.setitimer(signal.ITIMER_PROF, STUCK_SECONDS)

    pipe = Pipe(descriptor, waits, goes_on)
    with StreamSource(pipe, container, job.max_seconds) as source:
        for block in source.blocks():
            pipe.has_audio()
            yield Kind.AUDIO, block.tobytes()


def _source(file: BinaryIO, job: Job) -> AudioSource:
    return AudioSource(file, job.max_seconds, job.track or None, whole_only=job.whole_only)


def _frames(source: AudioSource) -> Iterator[tuple[Kind, bytes | str]]:
    for block in source.blocks():
        yield Kind.AUDIO, block.tobytes()
    yield Kind.TRACK, f"{source.track} {source.tracks}"
    for warning in source.warnings:
        yield Kind.WARNING, warning


def cpu_seconds(max_seconds: float) -> int:
    """Maximum CPU seconds of a file. Codecs were measured to take a hundredth of the audio's length."""
    return int(60 + min(max_seconds, 1e7) / 10)
