"""Finds speech that is in storage already, by a hash of its text, voice and settings.

Each audio object has a small index object in the same storage. The name of the index is a hash of everything
that affects the sound. So the cache survives restarts, and all workers share it. Neither object contains the
text. The audio has its own unguessable, dated key, so that old audio can be expired by date. An index whose
audio is gone counts as a miss.
"""

import hashlib
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

from src.errors import StorageUnavailable
from src.storage.base import Storage

log = logging.getLogger(__name__)

_REVISION = 2
"""Version of the sound. Raise it when the same text sounds different: normalisation, loudness, pauses."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Audio in storage, as its index describes it."""

    key: str
    duration: float
    """Length of the audio in seconds."""
    sample_rate: int
    """Sample rate in Hz."""


class SpeechCache:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @staticmethod
    def name(**ingredients: str | float | bool) -> str:
        """The key of the index of speech that was made from these ingredients."""
        text = json.dumps(ingredients | {"revision": _REVISION}, sort_keys=True)
        return f"index/{hashlib.sha256(text.encode()).hexdigest()}.json"

    async def find(self, name: str) -> Spoken | None:
        """The audio of this index, or None.

        Raises:
            StorageUnavailable: storage does not answer.
        """
        content = await self._storage.get(name)
        if content is None:
            return None
        try:
            spoken = Spoken(**json.loads(content))
        except (ValueError, TypeError):
            log.warning("%s is not a valid index; the text is spoken again", name)
            return None
        return spoken if await self._storage.exists(spoken.key) else None

    async def keep(self, name: str, spoken: Spoken) -> None:
        """Store the index of new audio. A failure costs a synthesis later, but does not fail this request."""

        async def content() -> AsyncIterator[bytes]:
            yield json.dumps(asdict(spoken)).encode()

        try:
            await self._storage.put(name, content(), "application/json")
        except StorageUnavailable as error:
            log.warning("the index of a spoken text cannot be stored: %s", error)
