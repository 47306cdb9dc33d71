"""The usage of a request, for billing, limits and the log."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of one request."""

    audio_seconds: float = 0.0
    """Seconds of audio that were read or made, silence included."""
    characters: int = 0
    """Number of characters of text that an engine was given to speak."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.audio_seconds + other.audio_seconds, self.characters + other.characters)


class UsageMeter:
    """Adds up the usage of work while it is done, so that it is known wherever it ends. Thread-safe."""

    def __init__(self) -> None:
        self._usage = Usage()
        self._lock = threading.Lock()

    @property
    def usage(self) -> Usage:
        """The usage so far."""
        return self._usage

    def add(self, usage: Usage) -> None:
        """Add to the usage."""
        with self._lock:
            self._usage += usage

    def take(self) -> Usage:
        """The usage since the last call. Callers who share work are thus charged once for all of it."""
        with self._lock:
            usage, self._usage = self._usage, Usage()
        return usage
