"""Finds speech that is in storage already, by what it was made from.

Beside each audio object stands a small index object, named by a hash of everything that shapes the sound.
It is in the same storage, so it holds across restarts and is shared by every worker; the text itself is in
neither. The audio keeps its own unguessable, dated key, so that old audio can be expired by date: an index
whose audio is gone counts as a miss.
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
"""Raise it when the same text would now sound different: other normalisation, loudness or pauses."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What an answer needs to know of audio in storage."""

    key: str
    duration: float
    """Seconds."""
    sample_rate: int
    """Hz."""


class SpeechCache:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @staticmethod
    def name(**ingredients: str | float | bool) -> str:
        """Where the index of speech made from these ingredients stands."""
        text = json.dumps(ingredients | {"revision": _REVISION}, sort_keys=True)
        return f"index/{hashlib.sha256(text.encode()).hexdigest()}.json"

    async def find(self, name: str) -> Spoken | None:
        """Audio that is there, or None.

        Raises:
            StorageUnavailable: storage does not answer.
        """
        content = await self._storage.get(name)
        if content is None:
            return None
        try:
            spoken = Spoken(**json.loads(content))
        except (ValueError, TypeError):
            log.warning("%s is not an index of ours; speaking anew", name)
            return None
        return spoken if await self._storage.exists(spoken.key) else None

    async def keep(self, name: str, spoken: Spoken) -> None:
        """Remember audio that has just been stored. Failing to costs a synthesis later, not this answer."""

        async def content() -> AsyncIterator[bytes]:
            yield json.dumps(asdict(spoken)).encode()

        try:
            await self._storage.put(name, content(), "application/json")
        except StorageUnavailable as error:
            log.warning("spoken text is not remembered: %s", error)
