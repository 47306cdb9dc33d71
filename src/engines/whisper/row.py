"""Data classes that pass between the parts of the engine."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mel = NDArray[np.float32]
"""Log-mel spectrogram, shape (mels, frames), 10 ms a frame."""

Guess = tuple[str, float]
"""A language and its probability."""

Guesses = tuple[Guess, ...]
"""Languages and their probabilities, likeliest first."""

FRAMES_PER_SECOND = 100
LONGEST_SHORT = 1200
"""The longest window of a short row. Short rows take a fraction of a second and go before long ones."""
FULL_WINDOW = 3000
"""Frames of 30 s, the length that Whisper was trained on."""
MAX_TOKENS = 448
"""Positions in Whisper's decoder: prompt and answer together."""
_FREE_TOKENS = 64
_TOKENS_PER_SECOND = 20
"""More than anyone says in any script: 30 s of Whisper's training data hold at most 224 tokens. A decoder
that writes more repeats itself, and a bound by the length of the row finds that early."""
_FREE_PARTIAL_TOKENS = 6
_PARTIAL_TOKENS_PER_SECOND = 8
BEAM = 5
"""Hypotheses of a beam search; faster-whisper's default."""
BEST_OF = 5
"""Texts that are sampled at a temperature above 0; the likeliest is kept. faster-whisper's default."""
MAX_INITIAL_TIMESTAMP = 50
"""Latest start of the text, in timestamps of 20 ms."""


@dataclass(frozen=True, slots=True, eq=False)
class WhisperRow:
    """A span of speech, ready for the model."""

    mel: Mel
    duration: float
    """Seconds of audio in `mel`."""
    window: int
    """Frames that the encoder is given at first: those of `mel` and a margin, rounded up."""
    language: str | None
    """ISO 639-1 code; None: detect it."""
    languages: tuple[str, ...] = ()
    """Detection chooses among these; empty: all."""
    task: str = "transcribe"
    prompt: tuple[int, ...] = ()
    """Tokens of previous text, if any."""
    words: bool = False
    """Align words with the audio."""
    logprobs: bool = False
    """Find the log-probability of each token."""
    timed: bool = True
    """Whether the decoder writes timestamps. Without them, the segments' times come from the alignment."""
    temperature: float = 0.0
    """0: rising temperatures where the text is doubtful; above: this one alone."""
    beam: int | None = None
    """Hypotheses of the beam search. None: one, and `BEAM` from the first doubtful token on."""
    detect_only: bool = False
    forced: tuple[int, ...] | None = None
    """Tokens of text that the decoder must write first, for audio that is still growing. The row is then
    decoded once, greedily and without timestamps, and its result says where the decoder looked. None: no such
    row."""
    draft: tuple[int, ...] = ()
    """Tokens of text that probably follow the `forced` ones, or that the whole text has. One decoder step
    checks many of them, and those up to the first wrong one need no step of their own (`loop/draft.py`)."""
    stable: int = 0
    """How many tokens of `draft` somebody has been told already. A whole text that begins otherwise is
    compared with one that begins so, and must be clearly likelier to be the result (`loop/beginning.py`)."""
    before: tuple[int, ...] = ()
    """Tokens, with timestamps, of what is said at the start of `mel`, before the text. The last one is the
    time at which the text begins."""
    before_seconds: float = 0.0
    """Seconds of `mel` in which that is said; `duration` does not count them."""
    background: bool = False
    """Whether nobody waits for it."""
    live: bool = False
    """Whether it is the speech of somebody who waits for the text."""

    @property
    def own_mel(self) -> Mel:
        """`mel` without what is said before the text."""
        return self.mel[:, round(self.before_seconds * FRAMES_PER_SECOND) :]

    @property
    def is_urgent(self) -> bool:
        """Whether it goes before the rows of long files: it is short, or live."""
        return self.is_urgent_in(self.window)

    def is_urgent_in(self, window: int) -> bool:
        """The same for a window of so many frames, which may be wider than its first one."""
        return (window <= LONGEST_SHORT or self.live) and not self.background

    @property
    def has_words(self) -> bool:
        """Whether words get times: the caller wants them, or those of segments come from them."""
        return self.words or (not self.timed and self.forced is None)

    @property
    def aligned(self) -> bool:
        """Whether the text is aligned with the audio, which gives the times and the probabilities."""
        return self.has_words or self.logprobs

    @property
    def most_tokens(self) -> int:
        """Tokens of text at which decoding ends."""
        if self.forced is not None:  # not much more than anyone says: a short beginning is easily repeated
            spoken = _FREE_PARTIAL_TOKENS + int(_PARTIAL_TOKENS_PER_SECOND * self.duration)
            return min(MAX_TOKENS // 2, max(spoken, len(self.forced) + _FREE_PARTIAL_TOKENS))
        return min(MAX_TOKENS // 2, _FREE_TOKENS + int(_TOKENS_PER_SECOND * self.duration))


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoding of a row."""

    tokens: tuple[int, ...]
    """Text and timestamp tokens, without the prompt and the end mark."""
    text: str
    last_timestamp: float
    """Seconds from the start of the row; 0 if there is none."""
    avg_logprob: float
    no_speech_prob: float
    temperature: float = 0.0
    positions: tuple[int, ...] = ()
    """Encoder position (20 ms) of each token, if the row has `forced` tokens; `tokens` is without these."""
    logprobs: tuple[float, ...] = ()
    """Log-probability of each token, likewise."""
    greedy: bool = False
    """Whether no second hypothesis was tried, though the row allows it."""
    ends_in_loop: bool = False
    """Whether the decoder repeated itself behind these tokens, and was stopped: words may be missing."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """When each text token is said."""

    pairs: tuple[tuple[int, int], ...]
    """(index of a text token, encoder position of 20 ms): the path of dynamic time warping."""
    probabilities: tuple[float, ...]
    """Probability of each text token; empty if a back end leaves out what nobody wants."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row's result."""

    decoded: Decoded | None
    """None if the row was for detection only."""
    languages: Guesses
    """The text's language first, then the others that detection chose among; the caller's language has 1."""
    alignment: Alignment | None = None
    looped: bool = False
    """Every decoding was doubtful, and one of them went round in a loop."""
    engine_seconds: float = 0.0
    """See `Transcript.engine_seconds`."""
