"""The words of one utterance while it is spoken: which of them are stable, and what is read next.

The policy is AlignAtt ("AlignAtt: Using Attention-based Audio-Translation Alignments as a Guide for
Simultaneous Speech Translation", Papi et al., 2023): a word is stable if the decoder, when it wrote the word,
looked at audio that lies some time behind the newest, or if silence follows the speech. How long that is
depends on the word's probability, and on whether the update before read the same word (as in local agreement,
"Turning Whisper into Real-Time Transcription System", Macháček et al., 2023). Stable words are forced on the
next update, so they never change. Pure: no model, no task, no clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import numpy as np

from src.engines.base import (
    STT_SAMPLE_RATE,
    Audio,
    PartialTranscript,
    PartialWord,
    Word,
    plain_word,
)
from src.services.live.quietest import quietest
from src.services.live.tail import PAUSE, Extent, SaidWord, Tail, tail_of

GUARD = 0.4
"""Seconds behind the newest audio at which a word of which Whisper is sure is stable."""
_DOUBT = 3.0
"""Seconds more that a word of the probability 0 waits; one of 0.9 waits a tenth. See `docs/live.md`."""
_FIRST_DOUBT = 3.0
_FIRST_SURE = 0.85
"""Likewise for an utterance's first word, which is wanted sooner; one of this probability does not wait."""
_FIRST_SURE_BEHIND_TAIL = 0.65
"""As `_FIRST_SURE`, if the word is read behind the tail of the utterance before. Of 212 first words in
English, 7 were others than in the final text with each bound from 0.6 to 0.85."""
_MOST_DOUBT = 1.6
"""Seconds more that any word waits."""
_UNSEEN = 0.3
"""Seconds more that a word waits which the update before did not have in this place."""
_STEP = 0.4
"""Seconds of new audio in an update for which these figures were chosen."""
_ALONE = 0.3
"""Seconds more that a word waits which no other word follows: it may be the first half of a longer one."""
_SURE_AT_PAUSE, _SEEN_AT_PAUSE = 0.9, 0.75
"""If silence follows, words of this probability are stable; the second is for words that were seen before."""
_AFTER_SPEECH = 0.1
"""Seconds after the end of speech beyond which what is read was not said."""
_SURE_FINAL = 0.6
"""If all words are stable and this probable, the utterance is not read once more: of 46 such utterances in
English the final text had other words in none, with 0.5 in one of 52. See `docs/live.md`."""
_LEFT_OUT = 1.2
"""Seconds of speech behind the last word in which there may be words that were not read: the decoder may end
its text too early, whatever it read before. Of 21 English utterances that were read to their end, one had
1.0 s (its last word was long) and the others 0.6 s at most."""
_BACKWARDS = 1.0
"""Seconds that attention may jump back from one word to the next. Beyond, the decoder repeats itself."""
_BACKWARDS_AT_PAUSE = 0.2
"""As `_BACKWARDS`, if silence follows: what was said already is often read again then."""
_LONGEST_PHRASE = 8
"""Words of the longest phrase whose repetition is looked for."""
_LETTER = 0.04
"""Seconds that a letter takes at least. What comes twice in less time was said once: in the first second of
an utterance the decoder goes round in a loop as a rule."""
_STALLED = 1.5
"""Seconds of speech without a word after which the decoder is taken to have ended its text too early: it may
end with the sentence that is forced, though another follows. Then audio behind stable words is read alone.
"""
_QUIET_SECONDS = 0.8
"""Where that audio begins: the quietest place so soon after the last stable word."""
_MAX_WINDOW = 8.0
"""Seconds of an utterance that one update reads. Most of its cost is the encoder's, and grows with it."""
_KEPT = 4.0
"""Seconds of audio that are left when the window is cut."""
MAX_PROMPT = 200
"""Characters of what was said before the window that the decoder is given. They take a sixth of an update's
time."""


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
    draft: tuple[int, ...] = ()
    """Tokens that the update before read after the stable words."""
    step: float = 0.0
    """Seconds of audio since the update before; 0 if there was none."""
    spoken: int | None = None
    """Samples of the utterance up to the end of its speech, if silence follows; else None."""
    said: str = ""
    """What is said in `audio` before the utterance, which then begins behind 0: `offset` is negative."""

    @property
    def end(self) -> float:
        """Seconds from the start of the utterance to the end of `audio`."""
        return self.offset + len(self.audio) / STT_SAMPLE_RATE

    @property
    def speech_end(self) -> float:
        """Seconds from the start of the utterance to the end of the speech in `audio`."""
        return self.end if self.spoken is None else self.spoken / STT_SAMPLE_RATE


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
        self.words: list[SaidWord] = []
        """Stable words."""
        self.language: str | None = None
        """Given or detected; None: not yet."""
        self.language_probability = 1.0
        """When it was detected; 1 if it was given."""
        self.last_language = ("", 0.0)
        """The language that the last update was read in, and its probability."""
        self.is_completed = False
        """Whether its final text has been told, or that there is none: nothing more is told of it."""
        self._languages: set[str] = set()
        """The languages in which stable words were read."""
        self.updated = 0
        """Samples that the last update read up to."""
        self._blocks: list[Audio] = []
        self._samples = 0
        self._window = 0.0
        """Seconds from the start of the utterance to the window."""
        self._first = 0
        """Index of the first word in the window."""
        self._seen: list[str] = []
        """What the last update read after the stable words, a plain word each."""
        self._rest: tuple[PartialWord, ...] = ()
        """Likewise, as it was read."""
        self._rest_offset = 0.0
        """Seconds from the start of the utterance to the audio in which that was read."""
        self.spoken: int | None = None
        """Samples up to the end of its speech, once it has ended with silence."""
        self._read_spoken: int | None = None
        """Samples up to the end of the speech that the last update knew of, if silence followed."""
        self._skips_audio = False
        """Whether audio was left behind in which no word was read."""
        self._ends_in_loop = False
        """Whether the decoder repeated itself in the last update: words may be missing behind those read."""
        self._stalled = False
        """Whether the last update read nothing although somebody spoke."""
        self._is_read_alone = False
        """Whether it is read without the tail of the one before, which may be why nothing was read."""

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

    @property
    def audio_with_pause(self) -> Audio:
        """The audio up to its last speech and a little of the pause."""
        return self.audio[: None if self.spoken is None else self.spoken + PAUSE]

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

    def next_update(self, spoken: int | None = None, tail: Tail | None = None) -> Update:
        """What the next update reads. At most 8 s and the tail; older audio is cut off behind stable words.

        Args:
            spoken: samples up to the end of the speech, if silence follows. If the audio does not reach so
                far yet, the update does not know of it.
            tail: of the utterance before. It is read, too, while this one is short.
        """
        if spoken is not None and spoken > self._samples:
            spoken = None
        if self._stalled:
            self._begin_behind_words()
            self._is_read_alone = True
        if self.seconds - self._window > _MAX_WINDOW:
            self._cut()
        step = self.unread if self.updated else 0.0
        self.updated = self._samples
        update = Update(
            audio=self._since(round(self._window * STT_SAMPLE_RATE)),
            forced=tuple(token for word in self.words[self._first :] for token in word.tokens),
            prompt="".join(word.text for word in self.words[: self._first])[-MAX_PROMPT:].strip(),
            offset=self._window,
            draft=self._draft,
            step=step,
            spoken=spoken,
        )
        if tail is None or self._is_read_alone or self._window or self.seconds > tail.until:
            return update
        return replace(
            update,
            audio=np.concatenate([tail.audio, update.audio]),
            forced=tail.tokens + update.forced,
            offset=-len(tail.audio) / STT_SAMPLE_RATE,
            said=tail.text,
        )

    def take(self, update: Update, partial: PartialTranscript) -> Progress:
        """Take the result of an update: find the words that are stable now."""
        self.last_language = partial.language, partial.language_probability
        read = self._said_once(update, partial.words)
        found = self._before_loop(update, read)
        self._ends_in_loop = partial.ends_in_loop or len(found) < len(read)
        before, seen = len(self.words), self._seen
        places = [index for index, word in enumerate(found) if plain_word(word.text)]
        self._seen = [plain_word(found[index].text) for index in places]
        until, said = 0, 0
        for number, index in enumerate(places):
            word = found[index]
            was_seen = seen[number : number + 1] == self._seen[number : number + 1]
            is_last = number + 1 == len(places) and not self._ends_in_loop
            if not self._is_stable(update, word, is_last, was_seen):
                break
            for one in found[until : index + 1]:  # marks are stable with the word that follows them
                self.words.append(self._placed(one, update.offset))
            until, said = index + 1, number + 1
        if until:
            self._languages.add(partial.language)
        self._seen = self._seen[said:]
        self._rest, self._rest_offset = tuple(found[until:]), update.offset
        self._read_spoken = update.spoken
        self._stalled = not places and update.speech_end - self.stable_until > _STALLED
        text = "".join(word.text for word in self.words[before:])
        return Progress(text if before else text.lstrip(), _joined(found[until:]))

    @property
    def _draft(self) -> tuple[int, ...]:
        """Tokens that the last update read after the stable words."""
        return tuple(token for word in self._rest for token in word.tokens)

    @property
    def whole_draft(self) -> tuple[int, ...]:
        """Tokens of all that updates read, as a draft of the final text. Words may be missing."""
        return tuple(token for word in self.words for token in word.tokens) + self._draft

    @property
    def stable_tokens(self) -> int:
        """How many tokens of `whole_draft` are those of stable words; 0 if words are missing among them."""
        return 0 if self._skips_audio else sum(len(word.tokens) for word in self.words)

    @property
    def is_read(self) -> bool:
        """Whether it has ended with silence, and an update has read all of its speech."""
        return self.spoken is not None and self._read_spoken == self.spoken

    @property
    def is_covered(self) -> bool:
        """Whether it `is_read`, no audio was left behind, and there are words up to the end of its speech."""
        if self.spoken is None or not self.is_read or self._skips_audio:
            return False
        # a mark at the end attends to the end of the audio, wherever the words end
        rest = [word.end + self._rest_offset for word in self._rest if plain_word(word.text)]
        return self.spoken / STT_SAMPLE_RATE - max([self.stable_until, *rest]) <= _LEFT_OUT

    @property
    def is_sure(self) -> bool:
        """Whether it `is_covered`, all words are stable, and another reading would find no other ones."""
        return (
            self.is_covered
            and not self._ends_in_loop
            and not any(plain_word(word.text) for word in self._rest)
            and min((word.probability for word in self.words), default=0.0) >= _SURE_FINAL
        )

    def is_in(self, language: str | None) -> bool:
        """Whether all of its words were read in this language."""
        return self._languages | {self.last_language[0]} == {language}

    @property
    def all_words(self) -> tuple[Word, ...]:
        """The stable words and those that the last update read after them, with seconds of the utterance."""
        found = [Word(word.time, word.time, word.text, word.probability) for word in self.words]
        for word in self._rest:
            start, end = max(0.0, word.start + self._rest_offset), word.end + self._rest_offset
            found.append(Word(start, max(start, end), word.text, word.probability))
        return tuple(found)

    def tail(self, text: str, extent: Extent) -> Tail | None:
        """Its last seconds, if it has ended with this text."""
        words = [*self.words, *(self._placed(word, self._rest_offset) for word in self._rest)]
        if self.spoken is None:  # it was cut: updates may have read on
            words = [word for word in words if word.time <= self.seconds]
        return tail_of(self.audio_with_pause, words, text, self.item_id, self.start + self._samples, extent)

    def _placed(self, word: PartialWord, offset: float) -> SaidWord:
        """A word that was read in audio `offset` seconds behind the start, not before the stable ones."""
        return SaidWord(word.text, word.tokens, max(self.stable_until, word.end + offset), word.probability)

    def _said_once(self, update: Update, words: Sequence[PartialWord]) -> Sequence[PartialWord]:
        """The words up to where the decoder repeats itself: the first one of audio that was read before."""
        last = self.stable_until
        backwards = _BACKWARDS if update.spoken is None else _BACKWARDS_AT_PAUSE
        if update.said and not self.words:  # what was said before the pause is the tail
            backwards = min(backwards, PAUSE / STT_SAMPLE_RATE)
        for index, word in enumerate(words):
            if word.start + update.offset < last - backwards:
                return words[:index]
            last = max(last, word.end + update.offset)
        return words

    def _before_loop(self, update: Update, words: Sequence[PartialWord]) -> Sequence[PartialWord]:
        """The words up to where a phrase comes again sooner than anyone says it."""
        said = [(plain_word(word.text), word.time, 0) for word in self.words[-2 * _LONGEST_PHRASE :]]
        said = [one for one in said if one[0]]
        for index, word in enumerate(words):
            if plain := plain_word(word.text):
                said.append((plain, word.end + update.offset, index))
                if size := _repeated([(text, time) for text, time, _ in said[-2 * _LONGEST_PHRASE :]]):
                    return words[: said[-size][2]]
        return words

    def _is_stable(self, update: Update, word: PartialWord, is_last: bool, was_seen: bool) -> bool:
        end = word.end + update.offset
        sure = _SEEN_AT_PAUSE if was_seen else _SURE_AT_PAUSE
        if (
            update.spoken is not None
            and word.probability >= sure
            and end <= min(update.end, update.speech_end + _AFTER_SPEECH)
        ):
            return True  # no more of it can come
        if self.words:
            doubt = _DOUBT * (1 - word.probability)
        else:
            first_sure = _FIRST_SURE_BEHIND_TAIL if update.said else _FIRST_SURE
            doubt = _FIRST_DOUBT * max(0.0, first_sure - word.probability)
        doubt = min(_MOST_DOUBT, doubt) + (0.0 if was_seen else _UNSEEN)
        # where updates are rare, a word that does not become stable now waits for long
        doubt = max(0.0, doubt - max(0.0, update.step - _STEP) / 2)
        return end <= update.end - self._guard - doubt - (_ALONE if is_last else 0.0)

    def _cut(self) -> None:
        """Move the window's start to a stable word that is said some seconds before the end."""
        latest = self.seconds - _KEPT
        words = [index for index, word in enumerate(self.words) if word.time <= latest]
        if words and self.words[words[-1]].time > self._window:
            self._first = words[-1]
            self._window = max(self._window, self.words[self._first].time - 0.2)
        if self.seconds - self._window > _MAX_WINDOW:  # nothing was understood for so long
            self._window, self._first = latest, len(self.words)
            self._skips_audio = True

    def _begin_behind_words(self) -> None:
        """Move the window's start behind the stable words."""
        start = round(self.stable_until * STT_SAMPLE_RATE)
        audio = self._since(start)[: round(_QUIET_SECONDS * STT_SAMPLE_RATE)]
        if (at := quietest(audio)) is not None:
            self._window = max(self._window, (start + at) / STT_SAMPLE_RATE)
            self._first = len(self.words)


def _repeated(said: Sequence[tuple[str, float]]) -> int:
    """How many of the last words are those before them once more, sooner than they can be said; 0 if none.

    Args:
        said: plain words, and the second at which each is said.
    """
    for size in range(1, len(said) // 2 + 1):
        phrase = [word for word, _ in said[-size:]]
        if phrase == [word for word, _ in said[-2 * size : -size]]:
            took = said[-1][1] - said[-1 - size][1]
            if took < _LETTER * sum(map(len, phrase)):
                return size
    return 0


def _joined(words: Sequence[PartialWord]) -> str:
    return "".join(word.text for word in words)


def rest_of(final: str, stable: str) -> str:
    """What a final text has after the last word that it shares with the stable text.

    A client that joins all texts of an utterance then has its end, too.
    """
    if final.startswith(stable):
        return final[len(stable) :]
    words, before = final.split(), stable.split()
    pair = [plain_word(word) for word in before], [plain_word(word) for word in words]
    blocks = SequenceMatcher(None, *pair, autojunk=False).get_matching_blocks()
    last = max((block for block in blocks if block.size), key=lambda block: block.a, default=None)
    if last is None:
        return ""
    # words of the stable text behind the last common one stand for as many of the final text
    after = last.b + last.size + (len(before) - last.a - last.size)
    return "".join(f" {word}" for word in words[after:])
