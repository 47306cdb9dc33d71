"""The plain data that passes between the steps of a row's way through Whisper."""

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
FULL_WINDOW = 3000
"""Frames that Whisper was trained on: 30 s."""
MAX_TOKENS = 448
"""Positions in Whisper's decoder: prompt and answer together."""
_FREE_TOKENS = 64
_TOKENS_PER_SECOND = 20
"""More than anyone says in any script (30 s of Whisper's own training hold at most 224): a decoder that
writes more repeats itself, which is seen so much the sooner in a short row."""
BEAM = 5
"""Texts that are written side by side; faster-whisper's default."""
BEST_OF = 5
"""Texts that are drawn when the temperature is above 0; the likeliest is kept."""
MAX_INITIAL_TIMESTAMP = 50
"""The first words start within this many timestamps of 20 ms."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A stretch of speech, ready for the model."""

    mel: Mel
    duration: float
    """Seconds of audio in `mel`."""
    window: int
    """Frames that the encoder is given: those of `mel` and a margin, rounded up to a bucket."""
    language: str | None
    """None: detect it."""
    languages: tuple[str, ...] = ()
    """Detection chooses among these; empty: all."""
    task: str = "transcribe"
    prompt: tuple[int, ...] = ()
    """Tokens of the text that came before, if any."""
    words: bool = False
    """Align words with the audio."""
    detect_only: bool = False

    @property
    def most_tokens(self) -> int:
        """Tokens of text at which decoding ends."""
        return min(MAX_TOKENS // 2, _FREE_TOKENS + int(_TOKENS_PER_SECOND * self.duration))


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the decoder made of one row."""

    tokens: tuple[int, ...]
    """Text and timestamp tokens, without prompt and end mark."""
    text: str
    last_timestamp: float
    """Seconds from the start of the row; 0 if there is none."""
    avg_logprob: float
    no_speech_prob: float
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Alignment:
    """Which encoder position each text token is said at."""

    pairs: tuple[tuple[int, int], ...]
    """(index of a text token, encoder position of 20 ms), a path from the first to the last of both."""
    probabilities: tuple[float, ...]
    """Of each text token."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row, done."""

    decoded: Decoded | None
    """None if the row was for detection only."""
    languages: Guesses
    """All that detection chose among; the one that the caller gave, with 1."""
    alignment: Alignment | None = None
