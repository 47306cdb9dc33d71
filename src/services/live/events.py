"""What a live session tells its client. Times are seconds from the first audio of the session."""

from dataclasses import dataclass

from src.engines.base import Segment


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    item_id: str
    at: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    item_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Words:
    """Text of an utterance, before its final text: while it goes on, or just after it has ended."""

    item_id: str
    stable: str
    """Text that is new and will not change; the texts of all events of an item are joined as they are."""
    text: str
    """All stable text of the item so far."""
    tentative: str
    """Text after it, which may change."""
    lag: float
    """For how many seconds audio had waited that was not read yet."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The final text of an utterance. No `Words` of it follow."""

    item_id: str
    start: float
    end: float
    text: str
    rest: str
    """Text after the stable text. Where the two differ: after the last word that both have."""
    segments: tuple[Segment, ...]
    language: str
    language_probability: float
    lag: float = 0.0
    """Seconds of audio that had come after it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An utterance whose final text could not be made."""

    item_id: str
    error: Exception


LiveEvent = SpeechStarted | SpeechStopped | Words | Completed | Failed
