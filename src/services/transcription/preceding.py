"""The text of a long file before a chunk, from which the model takes spellings and terms.

openai/whisper and faster-whisper give the text just before a window as a prompt, so windows are read one
after the other. Here the prompt ends `LAG` chunks before the chunk: that text is there when the chunk's turn
comes, and is the same however many chunks are in work.
"""

from dataclasses import dataclass

LAG = 8
"""Chunks between a chunk and the end of the text that it is read with: as many as may be in work at once.
With five, the engine waited at times, and an hour took a sixth longer."""
_MOST_LETTERS = 1_500
"""Letters of that text. Whisper takes 223 tokens of it, the last ones."""
_MOST_CHUNKS = 16
"""Chunks that certainly have as many."""
_SURE = -0.12
"""Mean log-probability of a token from which on the text before is no help. An hour of English had -0.07, and
a tenth more of its words were wrong with it; two of Spanish -0.17, and a twelfth fewer."""
_LEAST_RATE = 0.8
"""Share of the letters a second of the text before, below which words are missing. Of 500 chunks of one
voice one in twenty has less than 0.9."""
_LEAST_SECONDS = 5.0
"""Seconds of speech from which on its letters say something."""


@dataclass(frozen=True, slots=True)
class Context:
    """What was said before a chunk: its prompt."""

    text: str
    rate: float
    """Letters a second of speech."""

    def is_short(self, text: str, seconds: float) -> bool:
        """Whether a text of `seconds` of speech leaves words out, as it does at times with a prompt."""
        return seconds >= _LEAST_SECONDS and len(text) < _LEAST_RATE * self.rate * seconds


@dataclass(frozen=True, slots=True)
class ChunkText:
    """What was read of a chunk."""

    text: str
    """Empty if it is too doubtful to be a prompt."""
    seconds: float
    """Length of the speech in it."""
    logprob: float
    """Mean log-probability of a token."""


class PrecedingText:
    """The texts of a file's chunks, in order."""

    def __init__(self) -> None:
        self._said: list[ChunkText] = []

    def add(self, said: ChunkText) -> None:
        """Add the next chunk."""
        self._said.append(said)

    def of(self, number: int) -> Context | None:
        """What precedes a chunk, by its number from 0; None if nothing does, or all of it was read surely."""
        said = [one for one in self._said[: max(0, number - LAG)] if one.text]
        letters, seconds = sum(len(one.text) for one in said), sum(one.seconds for one in said)
        if not seconds or sum(one.logprob * len(one.text) for one in said) >= _SURE * letters:
            return None
        text = " ".join(one.text for one in said[-_MOST_CHUNKS:])
        return Context(text[-_MOST_LETTERS:], letters / seconds)
