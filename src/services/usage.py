"""What a request uses: for billing, limits and the log."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Amounts of one request."""

    audio_seconds: float = 0.0
    """Audio read, or made; silence counts."""
    characters: int = 0
    """Characters of text that an engine was given to speak."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.audio_seconds + other.audio_seconds, self.characters + other.characters)


class UsageMeter:
    """Adds up the usage of work while it is done, so that it is known wherever it ends. Thread-safe."""

    def __init__(self) -> None:
        self._usage = Usage()
        self._lock = threading.Lock()

    @property
    def usage(self) -> Usage:
        """So far."""
        return self._usage

    def add(self, usage: Usage) -> None:
        """So much more was used."""
        with self._lock:
            self._usage += usage

    def take(self) -> Usage:
        """What was added since the last call. Callers who share work so pay for it once, together."""
        with self._lock:
            usage, self._usage = self._usage, Usage()
        return usage
