"""Engines in other processes: rows, errors, the retry and the truth about the whole.

The replicas here are real `EngineServer`s around engines with real batchers, in this process; every argument
and every answer is pickled, as it is on its way to another process.
"""

import asyncio
import pickle
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import numpy as np
import pytest

from src.engines.base import SttOptions, TextToSpeech
from src.engines.remote import (
    EngineServer,
    RemoteSpeechToText,
    RemoteTextToSpeech,
    ReplicaDescription,
    ReplicaLost,
    ReplicaStatus,
    RowCall,
)
from src.engines.remote.client import ATTEMPTS
from src.engines.remote.samples import packed, unpacked
from src.errors import EngineFailed, EngineStopped
from src.observability.families import Family
from src.scheduling.background import background_work, is_background
from tests.support.eventually import eventually
from tests.support.faults_engines import RATE, SECONDS, open_engines

pytestmark = pytest.mark.anyio
ANYTHING: Any = None
"""Settings, which these engines do not read."""


class Processes:
    """`Replicas` in this process. One that is in `dead` ends as soon as it gets a row."""

    def __init__(self) -> None:
        self.servers: dict[str, EngineServer] = {}
        self.dead: set[str] = set()
        self.calls: list[tuple[str, RowCall]] = []
        self.patient: list[bool] = []
        self.source = "test"

    async def call(self, row: RowCall, *, patient: bool = False) -> Any:
        name = next((name for name in self.servers if name in self.dead), None) or next(iter(self.servers))
        self.calls.append((name, row))
        self.patient.append(patient)
        if name in self.dead:
            self.servers.pop(name)
            raise ReplicaLost(f"{name} has died")
        return copied(await self.servers[name].run(copied(row)))

    async def describe(self) -> Sequence[ReplicaDescription]:
        return [copied(server.describe()) for server in self.servers.values()]

    async def status(self) -> Sequence[ReplicaStatus]:
        return [copied(server.status()) for server in self.servers.values()]

    async def metrics(self) -> Mapping[str, Sequence[Family]]:
        return {}


def copied(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@asynccontextmanager
async def two_of(task: str) -> AsyncIterator[Processes]:
    processes = Processes()
    async with AsyncExitStack() as stack:
        for name in ("one", "two"):
            models = await stack.enter_async_context(open_engines(ANYTHING))
            engine = models.tts if task == "tts" else models.stt
            processes.servers[name] = EngineServer(engine, name, 3, (f"notice of {task}",))
        yield processes


async def test_a_row_crosses_both_ways_unchanged() -> None:
    async with two_of("tts") as processes, RemoteTextToSpeech("tts", processes) as engine:
        voice = engine.voices[0]
        spoken = await engine.utter("Hello.", voice, "r1")
        alone = await engine.synthesize("Hello.", voice, "r1")
    assert len(spoken.audio) == round(SECONDS * RATE)
    assert np.array_equal(spoken.audio, alone)
    async with two_of("stt") as processes, RemoteSpeechToText("stt", processes) as reader:
        transcript = await reader.transcribe(np.zeros(16_000, np.float32), SttOptions(language="es"), "r2")
        guesses = await reader.detect_language(np.zeros(16_000, np.float32), ["en"], "r2")
        partial = await reader.transcribe_partial(
            np.zeros(16_000, np.float32), SttOptions(), [1, 2], "r2", draft=[3]
        )
    assert transcript.language == "es"
    assert transcript.segments[0].text == " a tone"
    assert guesses[0].language == partial.language == "en"
    assert [row.request_id for _, row in processes.calls] == ["r2"] * 3


async def test_a_row_whose_replica_dies_is_run_on_another() -> None:
    async with two_of("tts") as processes, RemoteTextToSpeech("tts", processes) as engine:
        processes.dead.add("one")
        audio = await engine.synthesize("Hello.", engine.voices[0], "r")
    assert len(audio) == round(SECONDS * RATE)
    assert [name for name, _ in processes.calls] == ["one", "two"]


async def test_a_row_that_kills_its_replicas_does_not_kill_all_of_them() -> None:
    async with two_of("tts") as processes, RemoteTextToSpeech("tts", processes) as engine:
        for number in range(10):
            name = f"more-{number}"
            processes.servers[name] = processes.servers["two"]
            processes.dead.add(name)
        with pytest.raises(EngineStopped, match=f"{ATTEMPTS} replicas"):
            await engine.synthesize("Hello.", engine.voices[0], "r")
    assert len(processes.calls) == ATTEMPTS
    assert processes.patient == [False] * (ATTEMPTS - 1) + [True]


async def test_a_replica_whose_engine_has_stopped_loses_no_row() -> None:
    async with two_of("tts") as processes, RemoteTextToSpeech("tts", processes) as engine:
        first = processes.servers["one"]
        with pytest.raises(EngineStopped):
            # its thread ends in every replica that it is run on
            await engine.synthesize("perish", engine.voices[0], "r")
        assert first.status().load.alive is False
        assert len(processes.calls) == ATTEMPTS
        processes.servers.pop("one")
        audio = await engine.synthesize("Hello.", engine.voices[0], "r")
    assert len(audio) == round(SECONDS * RATE)


async def test_an_error_of_the_model_is_the_callers_and_is_not_tried_again() -> None:
    async with two_of("tts") as processes, RemoteTextToSpeech("tts", processes) as engine:
        with pytest.raises(EngineFailed) as failed:
            await engine.synthesize("poison", engine.voices[0], "r")
    assert len(processes.calls) == 1
    assert "poison" not in str(failed.value), "nothing of the text"


async def test_cancelling_the_call_takes_the_row_out_of_the_replica() -> None:
    async with two_of("tts") as processes, RemoteTextToSpeech("tts", processes) as engine:
        task = asyncio.create_task(engine.synthesize("crawl", engine.voices[0], "r"))
        server = processes.servers["one"]
        await eventually(lambda: server.status().load.active == 1)
        assert server.status().queued["test"] > 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await eventually(lambda: server.status().load.active == 0)
        assert server.status().queued == {}


async def test_what_nobody_waits_for_is_background_work_there_too() -> None:
    seen: list[bool] = []

    async with open_engines(ANYTHING) as models:
        processes = Processes()
        processes.servers["one"] = EngineServer(Noting(models.tts, seen), "one", 1)
        async with RemoteTextToSpeech("tts", processes) as engine:
            await engine.synthesize("Hello.", engine.voices[0], "r")
            with background_work():
                await engine.synthesize("Hello.", engine.voices[0], "r")
    assert seen == [False, True]


class Noting:
    """An engine that notes whether each row is background work."""

    def __init__(self, engine: TextToSpeech, seen: list[bool]) -> None:
        self._engine = engine
        self._seen = seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def utter(self, *arguments: Any, **options: Any) -> Any:
        self._seen.append(is_background())
        return await self._engine.utter(*arguments, **options)


async def test_the_load_and_the_notices_are_those_of_all_replicas() -> None:
    async with two_of("tts") as processes, RemoteTextToSpeech("tts", processes) as engine:
        busy = asyncio.create_task(engine.synthesize("crawl", engine.voices[0], "r"))
        await asyncio.sleep(1.0)
        load = engine.load
        assert (load.replicas, load.threads, load.active) == (2, 6, 1)
        assert load.problem is None
        assert engine.notices == ("notice of tts",)
        assert engine.info.engine == "speaker"
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)


async def test_replicas_that_do_not_answer_count_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.engines.remote.client._FORGET_SECONDS", 0.2)
    monkeypatch.setattr("src.engines.remote.client.POLL_SECONDS", 0.05)
    async with two_of("tts") as processes, RemoteTextToSpeech("tts", processes) as engine:
        kept = processes.servers.pop("one")
        await eventually(lambda: engine.load.replicas == 1)
        processes.servers.clear()
        await eventually(lambda: engine.load.replicas == 0)
        assert engine.load.problem == "no replica of the engine answers"
        assert engine.load.alive, "Ray starts new ones: this process has nothing to end for"
        processes.servers["one"] = kept
        await eventually(lambda: engine.load.problem is None)


async def test_a_replica_that_ends_before_it_tells_its_state_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("src.engines.remote.client.POLL_SECONDS", 0.05)
    async with two_of("tts") as processes:
        short = EngineServer(processes.servers["one"]._engine, "short", 3, ("of one that has ended",))

        async def describe() -> Sequence[ReplicaDescription]:
            return [copied(server.describe()) for server in (*processes.servers.values(), short)]

        monkeypatch.setattr(processes, "describe", describe)
        async with RemoteTextToSpeech("tts", processes) as engine:
            assert engine.notices == ("notice of tts",)


async def test_the_engine_opens_only_when_a_replica_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.engines.remote.client.POLL_SECONDS", 0.05)
    async with two_of("tts") as processes:
        waiting, processes.servers = processes.servers, {}
        opening = asyncio.create_task(RemoteTextToSpeech("tts", processes).__aenter__())
        await asyncio.sleep(0.2)
        assert not opening.done()
        processes.servers = waiting
        engine = await asyncio.wait_for(opening, 5)
        assert engine.voices
        await engine.__aexit__(None, None, None)


@pytest.mark.parametrize(
    "audio",
    [
        np.arange(-32768, 32768, dtype=np.float32) / np.float32(32768),
        np.zeros(0, np.float32),
        np.array([0.5, 1 / 3], np.float32),
        np.array([1.0, -1.0], np.float32),
        np.array([1e9, -1e9, np.inf, 2.5], np.float32),
    ],
    ids=["every 16-bit sample", "nothing", "finer", "full scale", "outside"],
)
def test_audio_crosses_to_the_bit(audio: Any) -> None:
    sent = packed(audio)
    assert sent.nbytes in (audio.nbytes, audio.nbytes // 2)
    assert np.array_equal(unpacked(sent), audio)
    assert unpacked(sent).dtype == np.float32


def test_audio_of_16_bits_crosses_as_such_and_the_rest_as_it_is() -> None:
    assert packed(np.arange(-32768, 32768, dtype=np.float32) / np.float32(32768)).dtype == np.int16
    missing = np.array([np.nan, 0.0], np.float32)
    for other in ("text", SttOptions(), (1, 2), missing):
        assert packed(other) is other
        assert unpacked(other) is other
