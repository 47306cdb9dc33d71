"""Several text-to-speech engines as one. Each voice is spoken by its own engine."""

from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from src.engines.base import EngineInfo, Load, OnEarlySound, TextToSpeech, Utterance, Voice
from src.errors import ConfigurationError


class SideBySide(TextToSpeech):
    """See `TextToSpeech`. Entering it opens every engine, leaving it closes them.

    Args:
        engines: one or more, in order: the first that speaks a language has its default voice.
    """

    def __init__(self, engines: Sequence[TextToSpeech]) -> None:
        self._engines = tuple(engines)
        self._by_name: dict[str, TextToSpeech] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for engine in self._engines:
                await stack.enter_async_context(engine)
            self._by_name = {engine.info.engine: engine for engine in self._engines}
            ids = [voice.id for voice in self.voices]
            if len(set(ids)) < len(ids) or len(self._by_name) < len(self._engines):
                raise ConfigurationError(f"two voices of the engines have one id: {', '.join(sorted(ids))}")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    @property
    def info(self) -> EngineInfo:
        """What the engines have in common; where they differ, every value, in the order of the engines."""
        infos = [engine.info for engine in self._engines]

        def every(values: Iterable[str]) -> str:
            return ", ".join(dict.fromkeys(values))

        return EngineInfo(
            engine=every(info.engine for info in infos),
            model=every(info.model for info in infos),
            device=every(info.device for info in infos),
            compute_type=every(info.compute_type for info in infos),
            languages=tuple(dict.fromkeys(code for info in infos for code in info.languages)),
        )

    @property
    def load(self) -> Load:
        return Load.together([engine.load for engine in self._engines])

    @property
    def voices(self) -> tuple[Voice, ...]:
        return tuple(voice for engine in self._engines for voice in engine.voices)

    async def utter(
        self,
        text: str,
        voice: Voice,
        request_id: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
    ) -> Utterance:
        engine = self._by_name[voice.engine]
        return await engine.utter(text, voice, request_id, timed=timed, early=early)
