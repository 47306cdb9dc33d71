"""Recordings that are decoded while they are made: in a process of their own, with its limits."""

import asyncio
import errno
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.errors import NotAudio, Overloaded, TooLarge
from src.services.audio.stream import Container
from src.services.decoding.pool import Decoders
from src.services.decoding.stream import StreamDecoding
from tests.support.recording import pieces, recorded
from tests.support.speech import clip

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def decoders(stream_seconds: float = 3600) -> AsyncIterator[Decoders]:
    async with Decoders(1, 4, 3600, stream_seconds) as opened:
        yield opened


async def decoded(stream: StreamDecoding, parts: list[bytes]) -> Audio:
    found = [await push(stream, part) for part in parts]
    return np.concatenate([*found, await joined(stream.finish())])


async def push(stream: StreamDecoding, data: bytes) -> Audio:
    return await joined(stream.push(data))


async def joined(blocks: AsyncIterator[Audio]) -> Audio:
    found = [block async for block in blocks]
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def likeness(one: Audio, other: Audio) -> float:
    """Correlation of two recordings at the shift that suits them best, up to 50 ms."""
    size = min(len(one), len(other)) - 800
    return max(float(np.corrcoef(one[at : at + size], other[:size])[0, 1]) for at in range(0, 800, 2))


@pytest.mark.parametrize("container", list(Container))
async def test_a_recording_in_any_pieces_is_the_audio(container: Container) -> None:
    audio = clip("en-agent")
    data = recorded(audio, container)
    async with decoders() as pool:
        whole, *others = [
            await decoded(stream, parts)
            for parts in ([data], list(pieces(data, 1)), list(pieces(data, 2)))
            async for stream in _followed(pool, container)
        ]
    assert abs(len(whole) - len(audio)) < 0.1 * STT_SAMPLE_RATE
    assert max(likeness(whole, audio), likeness(audio, whole)) > 0.98
    for other in others:
        np.testing.assert_array_equal(other, whole)


async def _followed(pool: Decoders, container: Container) -> AsyncIterator[StreamDecoding]:
    async with pool.follow(container) as stream:
        yield stream


async def test_audio_comes_as_soon_as_its_bytes_are_there() -> None:
    data = recorded(clip("en-agent"), "webm")
    async with decoders() as pool, pool.follow(Container.WEBM) as stream:
        got = 0
        for start in range(0, len(data), 500):
            got += len(await push(stream, data[start : start + 500]))
            # a byte of the recording is worth a certain time
            spoken = (start + 500) / len(data) * len(clip("en-agent"))
            assert got > spoken - 0.4 * STT_SAMPLE_RATE


@pytest.mark.parametrize("container", list(Container))
async def test_what_is_no_such_stream_is_refused(container: Container) -> None:
    other = "ogg" if container is Container.WEBM else "webm"
    for data in (os.urandom(2_000_000), bytes(2_000_000), recorded(clip("en-agent"), other), b"x"):
        async with decoders() as pool, pool.follow(container) as stream:
            with pytest.raises(NotAudio):
                for start in range(0, len(data), 100_000):
                    await push(stream, data[start : start + 100_000])
                await joined(stream.finish())


async def test_a_stream_that_breaks_midway_is_given_up_and_its_neighbour_is_not() -> None:
    data = recorded(clip("en-agent"), "webm")
    async with decoders() as pool, pool.follow(Container.WEBM) as good, pool.follow(Container.WEBM) as bad:
        half = len(data) // 2
        assert len(await push(bad, data[:half]))
        assert len(await push(good, data[:half]))
        with pytest.raises(NotAudio, match="broken"):
            for _ in range(20):
                await push(bad, os.urandom(100_000))
        assert len(await push(good, data[half:]))


async def test_a_decoder_that_dies_ends_its_stream_alone() -> None:
    data = recorded(clip("en-agent"), "ogg")
    async with decoders() as pool, pool.follow(Container.OGG) as good, pool.follow(Container.OGG) as bad:
        await push(good, data[:9_000])
        before = _children(pool)
        await push(bad, data[:9_000])
        [victim] = _children(pool) - before if len(_children(pool) - before) == 1 else [max(before)]
        os.kill(victim, 9)
        with pytest.raises(NotAudio):
            await asyncio.wait_for(push(bad, data[9_000:]), 10)
        assert len(await push(good, data[9_000:]))


def _children(pool: Decoders) -> set[int]:
    found = Path(f"/proc/{pool.pid}/task/{pool.pid}/children").read_text().split()
    return {int(pid) for pid in found}


async def test_a_stream_longer_than_allowed_is_ended() -> None:
    async with decoders(stream_seconds=3) as pool, pool.follow(Container.WEBM) as stream:
        with pytest.raises(TooLarge):
            await push(stream, recorded(clip("en-agent"), "webm"))


async def test_audio_that_is_not_taken_stays_in_the_decoder() -> None:
    silence = np.zeros(120 * STT_SAMPLE_RATE, np.float32)
    async with decoders() as pool, pool.follow(Container.OGG) as stream:
        blocks = aiter(stream.push(recorded(silence, "ogg")))
        taken = len(await anext(blocks))
        await asyncio.sleep(0.5)
        decoding = stream._decoding
        assert len(decoding._data) + len(decoding._reader._buffer) < 2**20  # type: ignore[attr-defined]
        async for block in blocks:
            assert len(block) <= STT_SAMPLE_RATE
            taken += len(block)
        assert taken > 119 * STT_SAMPLE_RATE


async def test_leaving_a_stream_ends_its_decoder_whatever_it_does() -> None:
    async with decoders() as pool:
        await asyncio.sleep(0.3)  # the spare one
        before = _children(pool)
        async with AsyncExitStack() as stack:
            for _ in range(3):
                stream = await stack.enter_async_context(pool.follow(Container.WEBM))
                await push(stream, recorded(clip("en-agent"), "webm")[:1_000])
            assert len(_children(pool) - before) == 3
        async with asyncio.timeout(10):
            while _children(pool) - before:  # noqa: ASYNC110 - the kernel's own state
                await asyncio.sleep(0.02)


async def test_a_stream_that_is_left_before_its_decoder_took_all_keeps_no_descriptor() -> None:
    async with decoders() as pool:
        before = _children(pool)
        async with pool.follow(Container.WEBM) as stream:
            await push(stream, recorded(clip("en-agent"), "webm")[:1_000])
            for pid in _children(pool) - before:
                os.kill(pid, signal.SIGSTOP)
            descriptor = stream._connection.fileno()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(push(stream, bytes(2**20)), 0.2)
        with ExitStack() as opened:
            for _ in range(64):
                one, other = (opened.enter_context(end) for end in socket.socketpair())
                if descriptor in (one.fileno(), other.fileno()):
                    break
            else:
                pytest.fail("the descriptor is still in use")
            loop = asyncio.get_running_loop()
            for end in (one, other):
                end.setblocking(False)
            waiting = [asyncio.create_task(loop.sock_recv(end, 1)) for end in (one, other)]
            await asyncio.sleep(0)
            for end in (one, other):
                await loop.sock_sendall(end, b"x")
            assert await asyncio.wait_for(asyncio.gather(*waiting), 10) == [b"x", b"x"]


async def test_without_descriptors_no_decoder_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    left = 1
    pair = socket.socketpair

    def scarce() -> tuple[socket.socket, socket.socket]:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.EMFILE, "no descriptor is left")
        return pair()

    async with decoders() as pool:
        spare = set(pool._exits)
        monkeypatch.setattr(socket, "socketpair", scarce)
        with pytest.raises(Overloaded):
            async with pool.follow(Container.WEBM):
                pass
        monkeypatch.undo()
        assert set(pool._exits) <= spare


async def test_a_stream_costs_a_hundredth_of_a_core_and_no_memory_that_grows() -> None:
    """What the kernel counts for the decoder, and what it allows, are far apart."""
    data = recorded(np.tile(clip("en-agent"), 45), "webm")
    async with decoders() as pool:
        await asyncio.sleep(0.3)
        before = _children(pool)
        async with pool.follow(Container.WEBM) as stream:
            samples, early = 0, 0.0
            for start in range(0, len(data), 4_000):
                samples += len(await push(stream, data[start : start + 4_000]))
                if not early and samples > 60 * STT_SAMPLE_RATE:
                    early = _memory(*(_children(pool) - before))
            [pid] = _children(pool) - before
            seconds, late = _cpu_seconds(pid), _memory(pid)
    minutes = samples / STT_SAMPLE_RATE / 60
    assert minutes > 4
    figures = f"{minutes:.0f} min: {seconds:.1f} CPU s, {early:.1f} MB after 1 min, {late:.1f} MB at the end"
    assert seconds < minutes * 60 * 0.05, figures
    assert late < early + 3, figures


def _memory(pid: int) -> float:
    """Megabytes that are this process's alone."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_the_end_of_all_decoders_is_an_error_that_says_to_try_again() -> None:
    async with decoders() as pool, pool.follow(Container.WEBM) as stream:
        await push(stream, recorded(clip("en-agent"), "webm")[:1_000])
        assert pool.pid
        os.kill(pool.pid, 9)
        started = time.monotonic()
        with pytest.raises((Overloaded, NotAudio)):
            for _ in range(100):  # a decoder that has not been killed yet may still answer
                await push(stream, bytes(10))
                await asyncio.sleep(0.05)
        assert time.monotonic() - started < 20
