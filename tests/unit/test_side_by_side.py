"""Several engines behave as one, each behind its own batcher."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from src.engines.base import Audio, EngineInfo, Load, OnEarlySound, Utterance, Voice
from src.engines.batched import BatchedEngine
from src.engines.side_by_side import SideBySide
from src.engines.voices import VoiceRegistry
from src.errors import ConfigurationError, ModelUnavailable


class _Beep:
    """A model that speaks its number."""

    def __init__(self, number: float, error: Exception | None = None) -> None:
        self.number = number
        self.opened = 0
        self.closed = 0
        self._error = error
        self._rows: list[int] = []

    def open(self) -> None:
        self.opened += 1
        if self._error:
            raise self._error

    def admit(self, waiting: Any) -> Any:
        return range(len(waiting))

    def add(self, job_id: int, row: Any) -> None:
        self._rows.append(job_id)

    def step(self) -> list[tuple[int, Audio]]:
        rows, self._rows = self._rows, []
        return [(job_id, np.full(3, self.number, np.float32)) for job_id in rows]

    def remove(self, job_id: int) -> None:
        self._rows.remove(job_id)

    def clear(self) -> None:
        self._rows.clear()

    def close(self) -> None:
        self.closed += 1


class _Engine(BatchedEngine[Any, Audio]):
    def __init__(self, name: str, model: _Beep, *voices: str) -> None:
        super().__init__(model, name)
        self._name = name
        self.reported: Load | None = None
        self.voices = tuple(Voice(voice, voice[:2], voice[:2], name, name, 8_000) for voice in voices)

    @property
    def info(self) -> EngineInfo:
        languages = tuple(dict.fromkeys(voice.language for voice in self.voices))
        return EngineInfo(self._name, f"{self._name}-1", "cpu", "float32", languages)

    @property
    def load(self) -> Load:
        return self.reported or super().load

    async def synthesize(self, text: str, voice: Voice, request_id: str) -> Audio:
        return await self._batcher.submit(text, request_id)

    async def utter(
        self,
        text: str,
        voice: Voice,
        request_id: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
    ) -> Utterance:
        return Utterance(await self.synthesize(text, voice, request_id))


def test_each_voice_is_spoken_by_its_engine() -> None:
    one, other = _Beep(0.1), _Beep(0.2)

    async def main() -> None:
        both = SideBySide([_Engine("one", one, "en-a"), _Engine("other", other, "en-b", "es-c")])
        async with both:
            voices = VoiceRegistry(both.voices)
            assert voices.languages == ("en", "es")
            assert voices.default("en").id == "en-a"
            names = ["en-a", "en-b", "es-c", "en-a"]
            spoken = await asyncio.gather(
                *(
                    both.synthesize("Hello.", voices.find(name), str(index))
                    for index, name in enumerate(names)
                )
            )
            assert [float(audio[0]) for audio in spoken] == pytest.approx([0.1, 0.2, 0.2, 0.1])
            assert both.info == EngineInfo("one, other", "one-1, other-1", "cpu", "float32", ("en", "es"))
            assert both.load.problem is None
        assert both.load.problem is not None, "no engine can take work any more"

    asyncio.run(main())
    assert (one.opened, one.closed, other.opened, other.closed) == (1, 1, 1, 1)


def test_when_one_cannot_be_opened_the_other_is_closed() -> None:
    one = _Beep(0.1)
    broken = _Beep(0.2, ModelUnavailable("no such model"))

    async def main() -> None:
        async with SideBySide([_Engine("one", one, "en-a"), _Engine("broken", broken, "en-b")]):
            pass

    with pytest.raises(ModelUnavailable, match="no such model"):
        asyncio.run(main())
    assert one.closed == 1


@pytest.mark.parametrize("names", [("one", "other", "en-a", "en-a"), ("one", "one", "en-a", "en-b")])
def test_voices_that_cannot_be_told_apart_are_refused(names: tuple[str, str, str, str]) -> None:
    first, second, voice, another = names
    models = _Beep(0.1), _Beep(0.2)

    async def main() -> None:
        async with SideBySide([_Engine(first, models[0], voice), _Engine(second, models[1], another)]):
            pass

    with pytest.raises(ConfigurationError, match="one id"):
        asyncio.run(main())
    assert [model.closed for model in models] == [1, 1]


def test_the_load_is_that_of_all_and_the_problem_that_of_the_worst() -> None:
    engines = [_Engine("one", _Beep(0.1), "en-a"), _Engine("other", _Beep(0.2), "en-b")]
    both = SideBySide(engines)
    calm = Load(waiting=1, active=2, stalled_for=1.0, stall_limit=60.0)
    for engine, load in zip(engines, (calm, replace(calm, stalled_for=5.0, stall_limit=4.0)), strict=True):
        engine.reported = load
    assert (both.load.waiting, both.load.active) == (2, 4)
    assert both.load.problem is not None
