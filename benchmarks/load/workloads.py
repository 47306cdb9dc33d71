"""What is sent, and to which servers."""

import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import httpx

from benchmarks.load.servers import FASTKOKORO, ONE_CALL, VOZ, System
from benchmarks.speech import clips

Send = Callable[[], Awaitable[httpx.Response]]

_DECK = ("stt",) * 8 + ("tts",) * 2
"""Kinds of ten requests. They are shuffled, so that every stretch of a run has nearly the same work."""
_TEXTS = {
    "en": ("Your order number {0} leaves at nine.", "Please call extension {0} after lunch."),
    "es": ("El pedido número {0} sale a las nueve.", "Llame a la extensión {0} por la tarde."),
}
VOICES = {"en": "af_heart", "es": "ef_dora"}
"""Kokoro's voice of each language."""


def speech_body(text: str, voice: str, audio_format: str) -> dict[str, object]:
    """What `POST /v1/audio/speech` is sent."""
    return {"model": "kokoro", "input": text, "voice": voice, "response_format": audio_format}


class Requests(ABC):
    """The same requests in the same order for every server with the same seed.

    Args:
        client: of the server.
        seed: of the order.
    """

    def __init__(self, client: httpx.AsyncClient, seed: int) -> None:
        self._client = client
        self._drawn = random.Random(seed)

    @abstractmethod
    def next(self) -> Send:
        """The next request."""

    def _sentence(self) -> tuple[str, str]:
        """A language and a text of it that nobody asked for: equal texts at once would be spoken once."""
        language = self._drawn.choice(sorted(_TEXTS))
        return language, self._drawn.choice(_TEXTS[language]).format(self._drawn.randrange(1000, 10_000))


class Mixed(Requests):
    """Of ten requests eight transcribe a recorded prompt and two speak a sentence."""

    def __init__(self, client: httpx.AsyncClient, seed: int) -> None:
        super().__init__(client, seed)
        self._sounds = [
            (clip.path.name, clip.path.read_bytes()) for language in ("en", "es") for clip in clips(language)
        ]
        self._all = self._draw()

    def next(self) -> Send:
        return next(self._all)

    def _draw(self) -> Iterator[Send]:
        while True:
            for kind in self._drawn.sample(_DECK, len(_DECK)):
                yield self._read() if kind == "stt" else self._speak()

    def _read(self) -> Send:
        sound = self._drawn.choice(self._sounds)
        return lambda: self._client.post("/stt", files={"file": sound})

    def _speak(self) -> Send:
        language, text = self._sentence()
        body = {"text": text, "language": language, "format": "wav"}
        return lambda: self._client.post("/tts", json=body)


class Speech(Requests):
    """Sentences through OpenAI's route, which other servers have as well."""

    def next(self) -> Send:
        language, text = self._sentence()
        body = speech_body(text, VOICES[language], "wav")
        return lambda: self._client.post("/v1/audio/speech", json=body)


@dataclass(frozen=True)
class Workload:
    """Requests, and the servers that are sent them."""

    name: str
    """Of the plots, the table and the file of what was measured."""
    title: str
    systems: tuple[System, ...]
    requests: Callable[[httpx.AsyncClient, int], Requests]
    speaks: bool = False
    """Whether all servers speak through OpenAI's route."""


WORKLOADS = {
    "mixed": Workload("load", "Voz, and one call at a time", (VOZ, ONE_CALL), Mixed),
    "speech": Workload(
        "load-speech", "speech by Voz and by fastkokoro", (VOZ, FASTKOKORO), Speech, speaks=True
    ),
}
