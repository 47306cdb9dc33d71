"""When a request is repeated, and after how long.

Only what is safe to repeat is repeated: a request that never reached the server, one that the server refused
before it began (429, 503), and one that may be done twice (a read, or a job with its key) and failed on the
way. A transcription whose connection broke is not: the server may have done the work.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

_FIRST = 0.5
_LONGEST = 8.0
_REFUSED = frozenset({429, 503})
_GATEWAY = frozenset({502, 504})
_TRIED = frozenset({"deadline-exceeded"})
"""Kinds of 503 in which the server has done the work for as long as it may: again would be no different."""
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and how long at most."""

    retries: int = 3
    """Attempts after the first."""
    max_wait: float = 60.0
    """Seconds of one wait. If the server asks for more, its error is raised at once."""

    def after_error(self, safe: bool, attempt: int, error: httpx.TransportError) -> float | None:
        """Seconds to wait after a failed attempt (the first is 0); None: give up.

        Args:
            safe: doing the request twice is as doing it once.
        """
        if attempt >= self.retries or not (isinstance(error, _NEVER_SENT) or safe):
            return None
        return _backoff(attempt)

    def after_answer(
        self, safe: bool, attempt: int, status: int, kind: str, retry_after: float | None
    ) -> float | None:
        """The same after an answer that is an error.

        Args:
            kind: of the problem, e.g. `overloaded`.
            retry_after: what the server asks for, in seconds.
        """
        again = (status in _REFUSED and kind not in _TRIED) or (status in _GATEWAY and safe)
        if attempt >= self.retries or not again:
            return None
        if retry_after is None:
            return _backoff(attempt)
        if retry_after > self.max_wait:
            return None
        # never earlier than asked for, and not at the same moment as everybody else
        return min(self.max_wait, retry_after + random.uniform(0, 0.25 * retry_after + 0.1))


def _backoff(attempt: int) -> float:
    return min(_LONGEST, _FIRST * 2.0**attempt) * random.uniform(0.5, 1)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a `Retry-After` header asks for: a number, or a date; None: there is none to read."""
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(int(value)))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
