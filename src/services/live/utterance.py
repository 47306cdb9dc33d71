"""The words of one utterance while it is spoken: which of them are stable, and what is read next.

The policy is AlignAtt ("AlignAtt: Using Attention-based Audio-Translation Alignments as a Guide for
Simultaneous Speech Translation", Papi et al., 2023): a word is stable if the decoder, when it wrote the word,
looked at audio that lies some time behind the newest, or if silence follows the speech. Stable words are
forced on the next update, so they never change. Pure: no model, no task, no clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from src.engines.base import STT_SAMPLE_RATE, Audio, PartialTranscript, PartialWord, Word

GUARD = 0.4
"""Seconds behind the newest audio at which a word is stable."""
_DOUBTFUL = 0.6
"""Words of a lower probability wait twice as long."""
_AFTER_SPEECH = 0.1
"""Seconds after the end of speech beyond which what is read was not said."""
_BACKWARDS_AT_PAUSE = 0.2
"""As `_BACKWARDS`, if silence follows: what was said already is often read again then."""
_ALONE = 0.3
"""Seconds more that a word waits which no other word follows: it may be the first half of a longer one."""
_BACKWARDS = 1.0
"""Seconds that attention may jump back from one word to the next. Beyond, the decoder repeats itself."""
_MAX_WINDOW = 8.0
"""Seconds of audio that one update reads. Most of an update's cost is the encoder's, and grows with it."""
_KEPT = 4.0
"""Seconds of audio that are left when the window is cut."""
_MAX_PROMPT = 200
"""Characters of stable text before the window that the decoder is given."""


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """What the engine is given next."""

    audio: Audio
    forced: tuple[int, ...]
    """Tokens of the stable words in this audio."""
    prompt: str
    """Stable text before this audio."""
    offset: float
    """Seconds from the start of the utterance to the start of `audio`."""
    spoken: float | None = None
    """Seconds from the start of the utterance to the end of its speech, if silence follows; else None."""

    @property
    def end(self) -> float:
        """Seconds from the start of the utterance to the end of `audio`."""
        return self.offset + len(self.audio) / STT_SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class StableWord:
    """A word that will not change."""

    text: str
    tokens: tuple[int, ...]
    time: float
    """Seconds from the start of the utterance."""
    probability: float


@dataclass(frozen=True, slots=True)
class Progress:
    """What an update brought."""

    stable: str
    """Text that is stable now and was not before, to be joined as it is."""
    tentative: str
    """Text after it, which may change."""


class Utterance:
    """One utterance.

    Args:
        item_id: its id in the protocols.
        start: the sample of the session at which it begins.
        guard: seconds behind the newest audio at which a word is stable.
    """

    def __init__(self, item_id: str, start: int, guard: float = GUARD) -> None:
        self.item_id = item_id
        self.start = start
        self._guard = guard
        self.words: list[StableWord] = []
        self.updated = 0
        """Samples that the last update read up to."""
        self._blocks: list[Audio] = []
        self._samples = 0
        self._window = 0.0
        """Seconds from the start of the utterance to the window."""
        self._first = 0
        """Index of the first word in the window."""

    def append(self, audio: Audio) -> None:
        self._blocks.append(audio)
        self._samples += len(audio)

    @property
    def samples(self) -> int:
        """Number of samples so far."""
        return self._samples

    @property
    def seconds(self) -> float:
        return self._samples / STT_SAMPLE_RATE

    @property
    def unread(self) -> float:
        """Seconds of audio that no update has read."""
        return (self._samples - self.updated) / STT_SAMPLE_RATE

    @property
    def audio(self) -> Audio:
        """All of it."""
        if len(self._blocks) != 1:
            self._blocks = [np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)]
        return self._blocks[0]

    def _since(self, sample: int) -> Audio:
        """The audio from a sample on. What was before is not copied: that may be ten minutes."""
        blocks: list[Audio] = []
        first = self._samples
        for block in reversed(self._blocks):
            if first <= sample:
                break
            first -= len(block)
            blocks.append(block)
        return np.concatenate(blocks[::-1])[sample - first :] if blocks else np.zeros(0, np.float32)

    @property
    def text(self) -> str:
        """The stable text, without the space before the first word."""
        return "".join(word.text for word in self.words).lstrip()

    @property
    def stable_until(self) -> float:
        """Seconds from the start at which the last stable word is said."""
        return self.words[-1].time if self.words else 0.0

    def split(self, sample: int) -> Audio:
        """End the utterance `sample` samples after its start; what follows is returned."""
        audio = self.audio
        self._blocks, self._samples = [audio[:sample]], sample
        return audio[sample:]

    def next_update(self, spoken: int | None = None) -> Update:
        """What the next update reads. At most 8 s; older audio is cut off behind stable words.

        Args:
            spoken: samples up to the end of the speech, if silence follows.
        """
        if self.seconds - self._window > _MAX_WINDOW:
            self._cut()
        self.updated = self._samples
        return Update(
            audio=self._since(round(self._window * STT_SAMPLE_RATE)),
            forced=tuple(token for word in self.words[self._first :] for token in word.tokens),
            prompt="".join(word.text for word in self.words[: self._first])[-_MAX_PROMPT:].strip(),
            offset=self._window,
            spoken=None if spoken is None else spoken / STT_SAMPLE_RATE,
        )

    def take(self, update: Update, partial: PartialTranscript) -> Progress:
        """Take the result of an update: find the words that are stable now."""
        before = len(self.words)
        last = self.stable_until
        found = partial.words
        for index, word in enumerate(found):
            start, end = word.start + update.offset, word.end + update.offset
            if start < last - (_BACKWARDS if update.spoken is None else _BACKWARDS_AT_PAUSE):
                found = found[:index]
                break
            is_last = index + 1 == len(found)
            is_mark = not any(character.isalnum() for character in word.text)
            if end > self._latest(update, word, is_last) or (is_mark and is_last):
                break
            last = max(last, end)
            self.words.append(StableWord(word.text, word.tokens, last, word.probability))
        stable = self.words[before:]
        text = "".join(word.text for word in stable)
        return Progress(text if before else text.lstrip(), _joined(found[len(stable) :]))

    def all_words(self, update: Update, partial: PartialTranscript) -> tuple[Word, ...]:
        """The stable words and those that an update read after them, with seconds of the utterance."""
        found = [Word(word.time, word.time, word.text, word.probability) for word in self.words]
        for word in partial.words:
            start, end = word.start + update.offset, word.end + update.offset
            found.append(Word(start, max(start, end), word.text, word.probability))
        return tuple(found)

    def _latest(self, update: Update, word: PartialWord, is_last: bool) -> float:
        """Seconds from the start of the utterance up to which a word is stable."""
        if update.spoken is not None and word.probability >= _DOUBTFUL:  # no more of it can come
            return min(update.end, update.spoken + _AFTER_SPEECH)
        behind = self._guard if word.probability >= _DOUBTFUL else 2 * self._guard
        return update.end - behind - (_ALONE if is_last else 0.0)

    def _cut(self) -> None:
        """Move the window's start to a stable word that is said some seconds before the end."""
        latest = self.seconds - _KEPT
        words = [index for index, word in enumerate(self.words) if word.time <= latest]
        if words and self.words[words[-1]].time > self._window:
            self._first = words[-1]
            self._window = max(self._window, self.words[self._first].time - 0.2)
        if self.seconds - self._window > _MAX_WINDOW:  # nothing was understood for so long
            self._window, self._first = latest, len(self.words)


def _joined(words: tuple[PartialWord, ...]) -> str:
    return "".join(word.text for word in words)


def rest_of(final: str, stable: str) -> str:
    """What a final text has after the last word that it shares with the stable text.

    A client that joins all texts of an utterance then has its end, too.
    """
    if final.startswith(stable):
        return final[len(stable) :]
    words, before = final.split(), stable.split()
    blocks = SequenceMatcher(None, _plain(before), _plain(words), autojunk=False).get_matching_blocks()
    last = max((block for block in blocks if block.size), key=lambda block: block.a, default=None)
    if last is None:
        return ""
    # words of the stable text behind the last common one stand for as many of the final text
    after = last.b + last.size + (len(before) - last.a - last.size)
    return "".join(f" {word}" for word in words[after:])


def _plain(words: Sequence[str]) -> list[str]:
    return ["".join(one for one in word.lower() if one.isalnum()) for word in words]
