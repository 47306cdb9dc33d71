"""The end of an utterance, with whose audio the beginning of the next one is read.

Alone, the first words of an utterance are often misread: the encoder has heard no more than a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.services.live.quietest import quietest

NEAR = 3 * STT_SAMPLE_RATE
"""Samples between two utterances from which on the next one is read without the audio before. The silence by
which the first was seen to end is not among them, and neither is what the second begins with."""
PAUSE = round(0.3 * STT_SAMPLE_RATE)
"""Samples of silence that are left of the pause between the two."""
_MOST_SILENCE = 1.5
"""Seconds that a tail may be longer than wanted: between two words there may be silence."""


class Extent(NamedTuple):
    """How much is read besides an utterance, and for how long."""

    seconds: float
    """Before the end of the utterance before: words from there on belong to its tail."""
    until: float
    """Seconds of an utterance up to which it is read with the tail. A longer one says enough by itself."""


LONG = Extent(4.0, 6.0)
"""Where there is room for it: updates take 30 % more time."""
SHORT = Extent(2.0, 3.0)
"""Takes a quarter of the time that `LONG` takes, for most of what that brings. See `docs/live.md`."""


@dataclass(frozen=True, slots=True)
class SaidWord:
    """A word of an utterance, as an update read it."""

    text: str
    tokens: tuple[int, ...]
    time: float
    """Seconds from the start of the utterance."""
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """The last seconds of an utterance whose final text is known."""

    audio: Audio
    tokens: tuple[int, ...]
    """Those of the words in `audio`."""
    text: str
    """What these words say, with the space before the first."""
    item_id: str
    """Id of the utterance."""
    end: int
    """The sample of the session at which it ended."""
    until: float
    """As `Extent.until`."""


def tail_of(
    audio: Audio, words: Sequence[SaidWord], text: str, item_id: str, end: int, extent: Extent
) -> Tail | None:
    """The tail of an utterance, cut where it is quietest between two words.

    Args:
        audio: of the utterance, up to its last speech and a little of the pause.
        words: of the utterance, as updates read them, with seconds of `audio`.
        text: its final text.
        item_id: its id.
        end: the sample of the session at which it ended.
        extent: how long the tail is to be.

    Returns:
        None if there is none, or if the final text ends with other words.
    """
    latest = len(audio) / STT_SAMPLE_RATE - extent.seconds
    first = next((index for index, word in enumerate(words) if word.time >= latest), None)
    if first is None:
        return None
    start = 0
    if first:
        between = [round(word.time * STT_SAMPLE_RATE) for word in words[first - 1 : first + 1]]
        start = between[0] + (quietest(audio[between[0] : between[1]]) or 0)
    said = "".join(word.text for word in words[first:])
    longest = round((extent.seconds + _MOST_SILENCE) * STT_SAMPLE_RATE)
    if not said.strip() or not f" {text}".endswith(said) or len(audio) - start > longest:
        return None
    tokens = tuple(token for word in words[first:] for token in word.tokens)
    return Tail(audio[start:].copy(), tokens, said, item_id, end, extent.until)
