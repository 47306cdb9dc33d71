"""Names of models: OpenAI's, the server's own, and those of MODEL_ALIASES."""

import time
from collections.abc import Iterable, Mapping
from enum import StrEnum

from src.engines.base import EngineInfo, Voice
from src.errors import ConfigurationError, UnknownModel


class ModelKind(StrEnum):
    STT = "speech to text"
    TTS = "text to speech"


_OPENAI = {
    "whisper-1": ModelKind.STT,
    "gpt-transcribe": ModelKind.STT,
    "gpt-4o-transcribe": ModelKind.STT,
    "gpt-4o-mini-transcribe": ModelKind.STT,
    "gpt-4o-mini-transcribe-2025-12-15": ModelKind.STT,
    "tts-1": ModelKind.TTS,
    "tts-1-hd": ModelKind.TTS,
    "gpt-4o-mini-tts": ModelKind.TTS,
    "gpt-4o-mini-tts-2025-12-15": ModelKind.TTS,
}
"""Every one means the model that the server runs for that work."""


class Catalogue:
    """Which names are models of this server.

    Args:
        stt: what transcribes.
        voices: who speaks.
        aliases: further names, each with one that is known without them.

    Raises:
        ConfigurationError: an alias stands for nothing that is known.
    """

    def __init__(self, stt: EngineInfo, voices: Iterable[Voice], aliases: Mapping[str, str]) -> None:
        self.created = int(time.time())
        """Unix time at which the server started."""
        self._own: dict[str, ModelKind] = {stt.model: ModelKind.STT, stt.engine: ModelKind.STT}
        for voice in voices:
            self._own |= {voice.model: ModelKind.TTS, voice.engine: ModelKind.TTS}
        known = self._own | _OPENAI
        for name, meant in aliases.items():
            if meant not in known:
                raise ConfigurationError(
                    f"MODEL_ALIASES: {name}={meant}: there is no model {meant}; there are {', '.join(known)}"
                )
        self._all = known | {name: known[meant] for name, meant in aliases.items()}

    def owner(self, name: str) -> str:
        """Who a client is told the model belongs to."""
        return "voz" if name in self._own else "openai" if name in _OPENAI else "alias"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._all)

    def find(self, name: str, kind: ModelKind | None = None) -> ModelKind:
        """What a model does.

        Raises:
            UnknownModel: there is none of this name, or it does something else than `kind`.
        """
        found = self._all.get(name)
        if found is None or kind not in (None, found):
            fitting = [known for known, does in self._all.items() if kind in (None, does)]
            what = f"for {kind} " if kind else ""
            raise UnknownModel(f"there is no model {name[:100]!r} {what}here; there are {', '.join(fitting)}")
        return found
