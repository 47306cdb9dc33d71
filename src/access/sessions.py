"""How many live sessions each key has."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from src.errors import RateLimited

_RETRY_SECONDS = 30.0


class SessionsPerKey:
    """Counts the sessions of each key in this process.

    Args:
        most: sessions at once of one key; 0: any number.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def one_more(self, key_name: str) -> Iterator[None]:
        """Count one session while the block runs.

        Raises:
            RateLimited: the key has as many as it may.
        """
        if self._most and self._open[key_name] >= self._most:
            raise RateLimited(
                f"this key has {self._most} live sessions already (LIVE_SESSIONS_PER_KEY); end one of them",
                retry_after=_RETRY_SECONDS,
            )
        self._open[key_name] += 1
        try:
            yield
        finally:
            self._open[key_name] -= 1
            if not self._open[key_name]:
                del self._open[key_name]
