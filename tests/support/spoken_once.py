"""Real text to speech that speaks each row once.

Kokoro takes a second of CPU time for a second of sound. Most tests ask for the same few sentences, in another
format, by another route or through another client: what the model says of them is the same each time.
"""

from types import TracebackType
from typing import Self

from src.engines.base import Audio, EngineInfo, Load, OnEarlySound, TextToSpeech, Utterance, Voice


class SpokenOnce:
    """See `TextToSpeech`. A row that was spoken before is answered at once, by a copy of what it got then.

    Args:
        engine: is open already, and stays so.
    """

    def __init__(self, engine: TextToSpeech) -> None:
        self._engine = engine
        self._spoken: dict[tuple[str, Voice, bool], Utterance] = {}

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    @property
    def load(self) -> Load:
        return self._engine.load

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._engine.voices

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def synthesize(self, text: str, voice: Voice, request_id: str) -> Audio:
        return (await self.utter(text, voice, request_id)).audio

    async def utter(
        self,
        text: str,
        voice: Voice,
        request_id: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
    ) -> Utterance:
        row = (text, voice, timed)
        if row not in self._spoken:
            self._spoken[row] = await self._engine.utter(text, voice, request_id, timed=timed, early=early)
        spoken = self._spoken[row]
        return Utterance(spoken.audio.copy(), spoken.words)
