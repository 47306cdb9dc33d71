"""The live sessions of this process by id, for clients that come back after their connection broke."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from src.errors import NotFound

_MAX_ENDED = 64
"""Ended sessions that are kept; each holds 256 KiB at most."""


class Session(Protocol):
    """A session that can be kept."""

    @property
    def id(self) -> str: ...

    @property
    def key_name(self) -> str:
        """Name of the key that opened it; another key cannot take it over."""

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself, so that its last messages may still be fetched."""


class KeptSessions:
    """Finds sessions.

    Args:
        resumable: seconds for which a session without a connection is kept (LIVE_RESUME_SECONDS); 0: none is.
    """

    def __init__(self, resumable: float) -> None:
        self.resumable = resumable
        self._known: dict[str, Session] = {}
        self._ended: dict[str, asyncio.TimerHandle] = {}

    @contextmanager
    def holding(self, session: Session) -> Iterator[None]:
        """Make a session known while the block runs; its last messages for some seconds more."""
        if not self.resumable:
            yield
            return
        self._known[session.id] = session
        try:
            yield
        finally:
            if session.ended:
                self._keep(session.id)
            else:
                self._forget(session.id)

    def find(self, session_id: str, key_name: str) -> Session:
        """The session.

        Raises:
            NotFound: there is none, or it belongs to another key.
        """
        found = self._known.get(session_id)
        if found is None or found.key_name != key_name:
            raise NotFound("there is no such live session any more; start another one")
        return found

    def _keep(self, session_id: str) -> None:
        if len(self._ended) >= _MAX_ENDED:
            oldest = next(iter(self._ended))
            self._ended[oldest].cancel()
            self._forget(oldest)
        loop = asyncio.get_running_loop()
        self._ended[session_id] = loop.call_later(self.resumable, self._forget, session_id)

    def _forget(self, session_id: str) -> None:
        self._ended.pop(session_id, None)
        self._known.pop(session_id, None)
