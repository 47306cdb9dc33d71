"""Decoder processes: real ones, on real files; what they may do, and what becomes of others when one dies."""

import asyncio
import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import numpy as np
import pytest

from src.engines.base import Audio
from src.errors import InvalidInput, NotAudio, Overloaded, TooLarge
from src.observability import metrics
from src.services.audio import AudioSource
from src.services.decoding.pool import Decoders
from tests.conftest import REPOSITORY
from tests.support.audio import KINDS, encoded, sweep, tone, tone_wav
from tests.support.damaged import WAYS
from tests.support.eventually import eventually
from tests.support.traps import claims_fragment, claims_samples, floods, silent_flac

LINUX = sys.platform == "linux"
needs_linux = pytest.mark.skipif(not LINUX, reason="looks into /proc, or needs seccomp")
LIMIT = 60.0
HOUR = 3600


@asynccontextmanager
async def decoders(spares: int = 1, most: int = 8) -> AsyncIterator[Decoders]:
    async with Decoders(spares, most, 2 * HOUR) as opened:
        yield opened


def play(scenario: Callable[[Decoders], Coroutine[Any, Any, None]], spares: int = 1, most: int = 8) -> None:
    async def main() -> None:
        async with asyncio.timeout(LIMIT), decoders(spares, most) as opened:
            await scenario(opened)

    asyncio.run(main())


async def read(opened: Decoders, file: BinaryIO | bytes, max_seconds: float = 2 * HOUR) -> Audio:
    file = io.BytesIO(file) if isinstance(file, bytes) else file
    blocks: list[Audio] = []
    async with opened.decode(file, max_seconds) as decoding:
        while more := await decoding.read():
            blocks += more
    return np.concatenate(blocks)


def children(pid: int | None) -> list[int]:
    """Of a process, zombies aside."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if alive(int(child))]


def text(pid: int | None, name: str) -> str:
    """A file of a process in /proc."""
    return Path(f"/proc/{pid}/{name}").read_text()


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def deaths(reason: str) -> float:
    sample = metrics._registry.get_sample_value("voz_decoder_restarts_total", {"reason": reason})
    return sample or 0.0


def test_a_file_comes_out_as_it_went_in() -> None:
    wanted = sweep(7.3, 16_000)

    async def scenario(opened: Decoders) -> None:
        decoded = await read(opened, encoded(wanted, 16_000, "flac", "flac"))
        assert decoded.dtype == np.float32
        assert np.abs(decoded - wanted).max() < 1e-4

    play(scenario)


@pytest.mark.parametrize("spooled", [1, 10**6], ids=["on disk", "in memory"])
def test_an_upload_is_passed_on_as_a_descriptor_wherever_it_is(spooled: int) -> None:
    async def scenario(opened: Decoders) -> None:
        with tempfile.SpooledTemporaryFile(max_size=spooled) as file:
            file.write(tone_wav(3.0))
            assert len(await read(opened, file)) == 48_000  # type: ignore[arg-type]
            assert len(await read(opened, file)) == 48_000  # type: ignore[arg-type]  # wherever it stands

    play(scenario)


def test_errors_cross_with_their_words() -> None:
    async def scenario(opened: Decoders) -> None:
        with pytest.raises(NotAudio, match="the file is empty"):
            await read(opened, b"")
        with pytest.raises(NotAudio, match="cut off: it should hold"):
            async with opened.decode(io.BytesIO(tone_wav(3.0)[:5001]), 60, whole_only=True) as decoding:
                await decoding.read()
        with pytest.raises(InvalidInput, match="there is no track 2"):
            async with opened.decode(io.BytesIO(tone_wav(3.0)), 60, track=2) as decoding:
                await decoding.read()
        async with opened.decode(io.BytesIO(tone_wav(3.0)[:50_001]), 60) as decoding:
            assert sum([len(block) async for block in decoding]) == (50_001 - 44) // 2
            [warning] = decoding.warnings
            assert warning.startswith("the file is cut off: it should hold")
            assert (decoding.track, decoding.tracks) == (1, 1)
        with pytest.raises(TooLarge, match="2 seconds"):
            await read(opened, tone_wav(3.0), max_seconds=2)
        folder = os.open("/", os.O_RDONLY)
        with pytest.raises(OSError, match="Is a directory"):
            await read(opened, cast(BinaryIO, SimpleNamespace(fileno=lambda: folder)))
        os.close(folder)

    play(scenario)


@pytest.mark.parametrize("kind", floods(100))
def test_a_megabyte_of_boxes_is_answered_in_seconds(kind: str) -> None:
    content = floods(1_000_000)[kind]

    async def scenario(opened: Decoders) -> None:
        began = time.monotonic()
        with pytest.raises(NotAudio):
            await read(opened, content)
        # it took minutes once; beside other work, a file without audio has the lower priority
        assert time.monotonic() - began < 15

    play(scenario)


@needs_linux
@pytest.mark.parametrize(
    "content",
    [claims_samples(2**26 - 1), claims_samples(2**24), claims_fragment(2**26), claims_fragment(2**24)],
    ids=["samples", "fewer samples", "fragment", "smaller fragment"],
)
def test_a_small_file_cannot_claim_a_large_index(content: bytes) -> None:
    assert len(content) < 20_000

    async def scenario(opened: Decoders) -> None:
        with pytest.raises(NotAudio):
            await read(opened, content)
        assert len(await read(opened, tone_wav(1.0))) == 16_000

    play(scenario)


def test_an_honest_long_film_has_a_large_index() -> None:
    async def scenario(opened: Decoders) -> None:
        content = encoded(np.zeros(500 * 48_000, np.float32), 48_000, "mov", "pcm_s16le")
        assert len(await read(opened, content)) == 500 * 16_000

    play(scenario)


@needs_linux
def test_a_decoder_holds_nothing_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "a-key-that-nobody-may-see")

    async def scenario(opened: Decoders) -> None:
        await eventually(lambda: len(children(opened.pid)) == 1)
        [pid] = children(opened.pid)
        await eventually(lambda: "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text())
        process = Path(f"/proc/{pid}")
        for one in (pid, opened.pid):
            assert "nobody-may-see" not in text(one, "environ")
        files = {str(file.readlink()).split(":")[0] for file in (process / "fd").iterdir()}
        assert len(list((process / "fd").iterdir())) == 4
        assert files == {"/dev/null", "socket"}
        status = dict(
            line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line
        )
        assert status["NoNewPrivs"] == "1"
        assert status["Threads"] == "1"
        assert int(status["VmRSS"].split()[0]) < 90 * 1024
        limits = (process / "limits").read_text()
        for limit in (
            "Max file size             0 ",
            "Max open files            16 ",
            "Max cpu time              780 ",
        ):
            assert limit in limits
        assert (process / "oom_score_adj").read_text().strip() == "1000"
        assert not {"torch", "onnxruntime"} & {
            part for line in (process / "maps").read_text().splitlines() for part in line.split("/")
        }

    play(scenario)


_TRIES = """
import errno, json, os, signal, socket, sys
from src.services.decoding.confinement import confine, prepare_filter
calls = prepare_filter()
lacking = confine(calls, os.getppid(), 100)
def tried(what):
    try:
        what()
    except MemoryError:
        return "MemoryError"
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
print(json.dumps({
    "lacking": lacking,
    "open": tried(lambda: os.open("/etc/passwd", os.O_RDONLY)),
    "write": tried(lambda: os.open("/tmp/x", os.O_WRONLY | os.O_CREAT)),
    "list": tried(lambda: os.listdir("/")),
    "remove": tried(lambda: os.unlink("/tmp/x")),
    "socket": tried(lambda: socket.socket()),
    "unix socket": tried(lambda: socket.socket(socket.AF_UNIX)),
    "fork": tried(os.fork),
    "program": tried(lambda: os.execv("/bin/true", ["true"])),
    "signal": tried(lambda: os.kill(os.getppid(), 0)),
    "memory": tried(lambda: bytearray(2**29)),
}), flush=True)
"""


@needs_linux
def test_a_confined_process_can_open_send_and_start_nothing() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _TRIES], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    found = json.loads(told)
    assert found.pop("lacking") == ""
    assert found.pop("memory") == "MemoryError"
    assert set(found.values()) == {"EPERM"}, found


_SPINS = """
import os, signal, socket, tempfile
from src.services.decoding import decoder
from src.services.decoding.confinement import confine, prepare_filter
from src.services.decoding.frames import JOB
def spin(file, job):
    while True:
        yield from ()
decoder.decode = spin
ours, theirs = socket.socketpair()
calls, parent = prepare_filter(), os.getpid()
if os.fork() == 0:
    confine(calls, parent, CPU_SECONDS)
    decoder.serve(theirs)
    os._exit(0)
with tempfile.TemporaryFile() as file:
    socket.send_fds(ours, [JOB.pack(60, 0, False, b"")], [file.fileno()])
    print(signal.Signals(os.waitstatus_to_exitcode(os.wait()[1]) * -1).name)
"""


@needs_linux
@pytest.mark.parametrize(("cpu_seconds", "ended_by"), [(100, "SIGPROF"), (1, "SIGXCPU")])
def test_a_decoder_that_computes_without_end_is_ended_by_the_kernel(cpu_seconds: int, ended_by: str) -> None:
    script = _SPINS.replace("CPU_SECONDS", str(cpu_seconds))
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert told.strip() == ended_by


_UNFILTERED = """
import os, resource, sys
sys.modules["pyseccomp"] = None
from src.services.decoding.confinement import confine, prepare_filter
lacking = confine(prepare_filter(), os.getppid(), 100)
os.close(os.open("/dev/null", os.O_RDONLY))
try:
    bytearray(2**29)
except MemoryError:
    print("limited:", lacking, flush=True)
"""


@needs_linux
def test_without_the_filter_the_limits_hold_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", _UNFILTERED], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert told.startswith("limited: ")
    assert "pyseccomp" in told
    opened = Decoders(1, 1, 60)
    for _ in range(2):
        opened._unconfined("no seccomp here")
    assert [record.getMessage() for record in caplog.records] == [
        "decoder processes have limits, but can open files and sockets: no seccomp here"
    ]


@needs_linux
def test_hundreds_who_leave_at_once_leave_no_decoder_behind() -> None:
    async def scenario(opened: Decoders) -> None:
        long = silent_flac(600)

        async def caller() -> None:
            async with opened.decode(io.BytesIO(long), 60 * 60) as one:
                await one.read()
                await asyncio.sleep(60)

        callers = [asyncio.create_task(caller()) for _ in range(300)]
        await eventually(lambda: len(children(opened.pid)) > 200)
        for one in callers:
            one.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        await eventually(lambda: len(children(opened.pid)) <= 1)
        assert len(await read(opened, tone_wav(1.0))) == 16_000

    play(scenario, most=300)


@needs_linux
def test_more_at_once_than_commands_fit_into_the_socket() -> None:
    async def scenario(opened: Decoders) -> None:
        begun: list[int] = []

        async def reader(number: int) -> int:
            async with opened.decode(io.BytesIO(tone_wav(0.1)), 60) as decoding:
                begun.append(number)
                return sum([len(block) async for block in decoding])

        assert opened.pid
        os.kill(opened.pid, signal.SIGSTOP)
        readers = [asyncio.create_task(reader(number)) for number in range(400)]
        await asyncio.sleep(0.5)
        os.kill(opened.pid, signal.SIGCONT)
        await asyncio.sleep(0.005)
        readers.append(asyncio.create_task(reader(400)))
        assert await asyncio.gather(*readers) == [1_600] * 401
        assert begun == list(range(401))

    play(scenario, spares=0, most=401)


@needs_linux
@pytest.mark.parametrize(
    ("number", "reason", "words"),
    [
        (signal.SIGSEGV, "crash", "crash"),
        (signal.SIGABRT, "crash", "crash"),
        (signal.SIGKILL, "memory", "memory"),
        (signal.SIGPROF, "stuck", "without finding audio"),
        (signal.SIGXCPU, "cpu", "far longer"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_death_costs_its_own_upload_alone(number: signal.Signals, reason: str, words: str) -> None:
    long = io.BytesIO(silent_flac(HOUR))

    async def scenario(opened: Decoders) -> None:
        async with opened.decode(long, 2 * HOUR) as doomed:
            await doomed.read()
            [pid] = children(opened.pid)
            async with opened.decode(io.BytesIO(tone_wav(40.0)), 60) as other:
                seen = sum(map(len, await other.read()))
                before = deaths(reason)
                os.kill(pid, number)
                with pytest.raises(NotAudio, match=words):
                    while await doomed.read():
                        pass
                assert deaths(reason) == before + 1
                while blocks := await other.read():
                    seen += sum(map(len, blocks))
                assert seen == 640_000
        assert len(await read(opened, tone_wav(1.0))) == 16_000

    play(scenario, spares=0)


@needs_linux
def test_a_decoder_that_dies_while_it_waits_is_replaced() -> None:
    async def scenario(opened: Decoders) -> None:
        await eventually(lambda: len(children(opened.pid)) == 2)
        gone, _ = children(opened.pid)
        before = deaths("idle")
        os.kill(gone, signal.SIGKILL)
        await eventually(lambda: deaths("idle") == before + 1)
        await eventually(lambda: len(children(opened.pid)) == 2)
        assert gone not in children(opened.pid)
        assert len(await read(opened, tone_wav(1.0))) == 16_000

    play(scenario, spares=2)


@needs_linux
def test_the_process_that_decoders_are_forked_from_is_started_again() -> None:
    async def scenario(opened: Decoders) -> None:
        first = opened.pid
        assert first is not None
        async with opened.decode(io.BytesIO(silent_flac(HOUR)), 2 * HOUR) as doomed:
            await doomed.read()
            decoders_before = children(first)
            os.kill(first, signal.SIGKILL)
            with pytest.raises(Overloaded):
                while await doomed.read():
                    pass
        assert len(await read(opened, tone_wav(1.0))) == 16_000
        assert opened.pid != first
        assert not any(map(alive, decoders_before))

    play(scenario)


@needs_linux
def test_whoever_leaves_takes_the_decoder_along() -> None:
    async def scenario(opened: Decoders) -> None:
        async with opened.decode(io.BytesIO(silent_flac(HOUR)), 2 * HOUR) as left:
            await left.read()
            [pid] = children(opened.pid)
            os.kill(pid, signal.SIGSTOP)  # it would hear of nothing by itself
        await eventually(lambda: not alive(pid))

        async def endless() -> None:
            async with opened.decode(io.BytesIO(silent_flac(HOUR)), 2 * HOUR) as stuck:
                while True:
                    await stuck.read()
                    for pid in children(opened.pid):
                        os.kill(pid, signal.SIGSTOP)

        task = asyncio.create_task(endless())
        await eventually(lambda: bool(children(opened.pid)))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: not children(opened.pid))

    play(scenario, spares=0)


@needs_linux
def test_a_decoder_does_not_run_ahead_of_its_reader() -> None:
    async def scenario(opened: Decoders) -> None:
        async with opened.decode(io.BytesIO(silent_flac(2 * HOUR - 60)), 2 * HOUR) as slow:
            got = sum(map(len, await slow.read()))
            [pid] = children(opened.pid)
            await eventually(lambda: Path(f"/proc/{pid}/wchan").exists())

            def used() -> list[str]:
                return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]

            # it stands still before long; one that ran ahead would be done, and gone
            before = None
            while before != (before := used()):  # noqa: ASYNC110  # of a process, which sets no event
                await asyncio.sleep(0.5)
            while blocks := await slow.read():
                got += sum(map(len, blocks))
            assert got / 16_000 == pytest.approx(2 * HOUR - 60, abs=10)

    play(scenario, spares=0)


def test_more_files_than_places_wait_for_one() -> None:
    async def scenario(opened: Decoders) -> None:
        async with opened.decode(io.BytesIO(tone_wav(40.0)), 60) as first:
            await first.read()
            waiting = asyncio.create_task(read(opened, tone_wav(1.0)))
            await asyncio.sleep(0.1)
            assert not waiting.done()
        assert len(await waiting) == 16_000

    play(scenario, most=1)


def niceness(opened: Decoders) -> list[int]:
    return sorted(os.getpriority(os.PRIO_PROCESS, pid) for pid in children(opened.pid))


@needs_linux
def test_files_without_audio_give_way() -> None:
    """A decoder whose audio nobody has seen in time is one that searches for it."""

    async def scenario(opened: Decoders) -> None:
        async with opened.decode(io.BytesIO(silent_flac(HOUR)), 2 * HOUR):
            await eventually(lambda: niceness(opened) == [10])
            assert len(await read(opened, tone_wav(1.0))) == 16_000

    play(scenario, spares=0)


@needs_linux
def test_long_files_give_way() -> None:
    async def scenario(opened: Decoders) -> None:
        async with opened.decode(io.BytesIO(silent_flac(HOUR)), 2 * HOUR) as long:
            assert await long.read()
            assert niceness(opened) == [0]
            await eventually(lambda: niceness(opened) == [10])

    play(scenario, spares=0)


_ORPHANS = """
import asyncio, io, sys
from src.services.audio import AudioSource
from src.services.decoding.pool import Decoders
from tests.support.damaged import WAYS
from tests.support.traps import silent_flac
async def main():
    async with Decoders(2, 8, 7200) as opened, opened.decode(io.BytesIO(silent_flac(3600)), 7200) as one:
        await one.read()
        print(opened.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@needs_linux
@pytest.mark.parametrize("stopped", [False, True], ids=["at work", "one that is stuck"])
def test_nothing_outlives_a_server_that_is_killed(stopped: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", _ORPHANS], cwd=REPOSITORY, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        family = [pid, *children(pid)]
        assert len(family) >= 3
        if stopped:
            os.kill(family[1], signal.SIGSTOP)
        server.kill()

    async def gone() -> None:
        await eventually(lambda: not any(map(alive, family)))

    asyncio.run(gone())


@needs_linux
def test_leaving_ends_every_process() -> None:
    seen: list[int] = []

    async def scenario(opened: Decoders) -> None:
        await read(opened, tone_wav(1.0))
        assert opened.pid is not None
        await eventually(lambda: len(children(opened.pid)) == 3)
        seen.extend([opened.pid, *children(opened.pid)])

    play(scenario, spares=3)
    assert not any(map(alive, seen))


def test_crowds_get_their_own_audio() -> None:
    async def scenario(opened: Decoders) -> None:
        files = [(seconds / 4, tone_wav(seconds / 4)) for seconds in range(1, 41)]
        decoded = await asyncio.gather(*(read(opened, content) for _, content in files))
        for (seconds, _), audio in zip(files, decoded, strict=True):
            assert np.abs(audio - tone(seconds)).max() < 1e-4

    play(scenario, spares=2, most=8)


def test_damaged_files_come_to_the_same_as_in_one_process() -> None:
    """Confinement keeps nothing from FFmpeg that it needs, and no decoder dies of damage."""
    chance = random.Random(11)
    wholes = [
        encoded(sweep(0.4, rate), rate, container, codec, layout, video)
        for rate, container, codec, layout, video in KINDS.values()
    ]
    files = [way(chance, whole, chance.choice(wholes)) for whole in wholes for way in WAYS]

    def here(content: bytes) -> str:
        try:
            with AudioSource(io.BytesIO(content), 20) as source:
                return f"{sum(map(len, source.blocks()))} samples"
        except (NotAudio, TooLarge) as error:
            return str(error)

    async def there(opened: Decoders, content: bytes) -> str:
        try:
            return f"{len(await read(opened, content, 20))} samples"
        except (NotAudio, TooLarge) as error:
            return str(error)

    async def scenario(opened: Decoders) -> None:
        before = [deaths(reason) for reason in ("crash", "stuck", "cpu", "memory", "idle", "server")]
        found = [(here(content), await there(opened, content)) for content in files]
        # what one may have more of than the other
        assert not [(one, other) for one, other in found if one != other and "memory" not in one + other]
        assert before == [deaths(reason) for reason in ("crash", "stuck", "cpu", "memory", "idle", "server")]

    assert len(files) > 300
    play(scenario, spares=2)
