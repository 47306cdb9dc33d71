"""The protocols of engines, which are the only interface between services and models.

Arrays in, arrays or text out; no HTTP, no storage. An engine is an async context manager: entering it
loads and warms the model, leaving it gives everything back. Both protocols take one *row* at a time (a
span of speech, a sentence) and are called from many requests at once: putting rows of different
requests into one model call is the engine's business (`scheduling/batcher.py`), cutting work into rows the
service's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
"""Mono samples in [-1, 1], shape (n,)."""

STT_SAMPLE_RATE = 16_000
"""Hz that every speech-to-text engine takes."""

MAX_BEAM_SIZE = 10
"""Hypotheses of a beam search at most: each costs as much as a row."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What runs, for `/health/ready`, `/models` and the log."""

    engine: str
    model: str
    device: str
    compute_type: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """How busy an engine is."""

    waiting: int
    """Rows that no model call has taken yet."""
    active: int
    """Rows in the model now."""
    stalled_for: float
    """Seconds since the model last returned from a step while there was work; 0 when there is none."""
    stall_limit: float = 60.0
    """Seconds of `stalled_for` after which the model is taken to hang."""
    alive: bool = True
    """False once the engine can serve no more rows: its thread has ended, and the process must start anew."""
    replicas: int | None = None
    """Processes that run the engine, if they are others than this one; None: it runs in this process."""
    threads: int | None = None
    """CPU threads of all replicas; None: those of this process."""

    @classmethod
    def together(cls, loads: Sequence[Self]) -> Self:
        """The load of several engines as one: the sum of their rows, and the worst stall."""
        slowest = max(loads, key=lambda load: load.stalled_for / load.stall_limit, default=None)
        return cls(
            sum(load.waiting for load in loads),
            sum(load.active for load in loads),
            slowest.stalled_for if slowest else 0.0,
            slowest.stall_limit if slowest else 60.0,
            alive=all(load.alive for load in loads),
        )

    @property
    def problem(self) -> str | None:
        """Why the engine cannot take work; None if it can."""
        if self.replicas == 0:
            return "no replica of the engine answers"
        if not self.alive:
            return "the engine has stopped; the process must start anew"
        if self.stalled_for > self.stall_limit:
            return f"work waits, but its last step has not returned for {self.stalled_for:.0f} s"
        return None


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it is said: seconds from the start of its row; of the file, after a service."""

    start: float
    end: float
    word: str
    probability: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of the text, and how likely it is after those before it."""

    token: bytes
    """The token's text in UTF-8; a character may be spread over several tokens."""
    logprob: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A phrase and when it is said; times are as those of `Word`."""

    start: float
    end: float
    text: str
    avg_logprob: float
    no_speech_prob: float
    words: tuple[Word, ...] | None = None
    """Those that were asked for. Also there, maybe with a probability of 0, where the segment's times come
    from them."""
    tokens: tuple[int, ...] = ()
    """Tokens of the text without timestamps, as numbers of the model's vocabulary."""
    temperature: float = 0.0
    """Sampling temperature at which the text was decoded."""
    compression_ratio: float = 1.0
    """Bytes of the row's text over bytes of it packed: above 2.4 it repeats itself."""
    logprobs: tuple[TokenLogprob, ...] | None = None
    """Log-probabilities of the text's tokens, if they were asked for."""


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    language: str
    """ISO 639-1 code."""
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """Audio that has been read, and its text."""

    audio: Audio
    """16 kHz mono."""
    text: str


@dataclass(frozen=True, slots=True)
class SttOptions:
    """How one row is to be transcribed."""

    language: str | None = None
    """ISO 639-1; None: detected."""
    languages: tuple[str, ...] = ()
    """Detection chooses among these; empty: all."""
    task: str = "transcribe"
    """`transcribe`, or `translate` to English."""
    word_timestamps: bool = False
    prompt: str | None = None
    """Spelling and context hints."""
    temperature: float = 0.0
    """0: the likeliest text, and higher temperatures where it is doubtful. Above: text drawn at this one."""
    token_logprobs: bool = False
    beam_size: int | None = None
    """Hypotheses of the beam search, at most `MAX_BEAM_SIZE`. None: greedy, then 5 if that is doubtful."""
    live: bool = False
    """Whether somebody who speaks waits for the text: then a long row is not put behind short ones."""
    draft: tuple[int, ...] = ()
    """Tokens of a text, without timestamps, that the audio probably has. A decoder step checks many."""
    stable: int = 0
    """How many tokens of `draft` somebody has been told already. The text begins with their words, unless one
    that begins otherwise is clearly likelier."""
    before: Spoken | None = None
    """What was said just before the audio, and the end of `prompt`. An engine may read the audio with it."""

    def for_part(self, language: str | None) -> Self:
        """The same for a part of the audio, or what follows it, in this language: a draft is of the whole."""
        return replace(self, language=language, draft=(), stable=0, before=None)


@dataclass(frozen=True, slots=True)
class Transcript:
    """One row, read."""

    segments: tuple[Segment, ...]
    language: str
    language_probability: float
    looped: bool = False
    """The model went round in a loop, whatever was tried: phrases may be there more often than said."""
    copies: tuple[float, ...] = ()
    """Seconds in the row at which copies of one sound begin, if the row consists of them and the text does
    not say each: so each can be read by itself."""
    engine_seconds: float = 0.0
    """What the row cost: seconds of one CPU core, or of the GPU. With CTranslate2 it is the row's share of
    the time of its batches, on however many cores they ran."""


@dataclass(frozen=True, slots=True)
class PartialWord:
    """A word that a decoder wrote for audio that is still growing; it may read otherwise with more audio."""

    text: str
    """The word as written, with the space before it: texts joined with nothing between are the whole."""
    tokens: tuple[int, ...]
    """Numbers of the model's vocabulary."""
    start: float
    """Seconds from the start of the row at which the decoder looked for its first token."""
    end: float
    """The latest such time of its tokens."""
    probability: float


def plain_word(text: str) -> str:
    """A word without case and punctuation, as readings of the same audio are compared; empty for a mark."""
    return "".join(one for one in text.lower() if one.isalnum())


@dataclass(frozen=True, slots=True)
class PartialTranscript:
    """What a decoder wrote for audio that is still growing, after the words that it was given."""

    words: tuple[PartialWord, ...]
    language: str
    language_probability: float
    engine_seconds: float = 0.0
    """Seconds of the engine's time; see `Transcript.engine_seconds`."""
    ends_in_loop: bool = False
    """Whether the decoder repeated itself behind these words, and was stopped: words may be missing."""


@dataclass(frozen=True, slots=True)
class Voice:
    """One way to speak: a model (and, where it has several, a speaker of it) with one language."""

    id: str
    """What a request names, e.g. `af_heart`; unique among all engines."""
    language: str
    """ISO 639-1 code."""
    locale: str
    """BCP 47 tag of the accent, e.g. `en-GB`; the language alone where the accent is not known."""
    engine: str
    model: str
    sample_rate: int
    """Hz of what `synthesize` returns."""
    gender: str | None = None
    """`female`, `male`, or None where it is not known."""
    fingerprint: str = ""
    """Hash that changes whenever the files of this voice do (`weights/fingerprint.py`)."""
    blendable: bool = False
    """Whether the engine can mix this voice with others of its own."""
    blend: tuple[tuple[str, float], ...] = ()
    """Ids and weights of the voices that are mixed; weights sum to 1. Empty for a voice of its own."""
    phonemes: str = ""
    """Symbols of the phonetic alphabet that it takes, each a character; empty if it reads letters only."""


WordSpan = tuple[float, float]
"""When a word is said: its start and end, seconds from the start of its row."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One row, spoken."""

    audio: Audio
    words: tuple[WordSpan, ...] | None = None
    """Times of each word of the row (`text.split()`), if the row asked for them and the voice can tell."""


@dataclass(frozen=True, slots=True)
class EarlySound:
    """The sound of a row that is still being made."""

    audio: Audio
    """Samples from the beginning of the row on, or from where the last early sound ended."""
    level_db: float
    """Level of the whole row (`loudness.speech_level`), as far as it is known before the row ends."""
    peak: float
    """Largest sample of the whole row, likewise."""


OnEarlySound = Callable[[EarlySound], None]
"""Is called with the sound of a row while it is made."""


class Engine(Protocol):
    @property
    def info(self) -> EngineInfo: ...

    @property
    def load(self) -> Load: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class NothingToOpen:
    """The context manager of an `Engine` that loads nothing and has nothing to give back."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class SpeechToText(Engine, Protocol):
    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        """Read one row: at most 30 s of 16 kHz audio.

        Rows of one request take turns with those of others. Cancelling the call gives the
        row back.

        Raises:
            EngineFailed: the model raised on this row.
            Overloaded: too many rows wait.
        """

    async def transcribe_partial(
        self,
        audio: Audio,
        options: SttOptions,
        forced: Sequence[int],
        request_id: str,
        *,
        draft: Sequence[int] = (),
    ) -> PartialTranscript:
        """Read a row whose audio is still growing, once and quickly.

        Args:
            audio: at most 30 s at 16 kHz.
            options: language and prompt count.
            forced: tokens of the words that are certain already. The text goes on after them.
            request_id: as for `transcribe`.
            draft: tokens that probably follow those: what was read when there was less audio. The text is the
                same without them, but takes longer.

        Raises:
            EngineFailed: the model raised on this row.
            Overloaded: too many rows wait.
        """

    async def detect_language(
        self, audio: Audio, languages: Sequence[str], request_id: str
    ) -> list[LanguageGuess]:
        """Languages of one row among `languages` (empty: all), likeliest first; probabilities sum to 1."""


class TextToSpeech(Engine, Protocol):
    @property
    def voices(self) -> tuple[Voice, ...]:
        """Every voice; the first of a language is that language's default. Known once the engine is open."""

    async def synthesize(self, text: str, voice: Voice, request_id: str) -> Audio:
        """The sound alone of `utter`, which says more."""
        return (await self.utter(text, voice, request_id)).audio

    async def utter(
        self,
        text: str,
        voice: Voice,
        request_id: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
    ) -> Utterance:
        """Speak one row: a sentence or clause, already normalised (`services/text`).

        A word in slashes (`/wˈʊstɚ/`) is said as these phonemes, which are some of `voice.phonemes`.

        The audio has `voice.sample_rate`, and no pause added before or after it. Rows with the same
        `request_id` take turns with those of other requests. Cancelling the call gives the row back.

        Args:
            voice: one of `voices`, or a blend of several of them.
            timed: tell when each word is said, too.
            early: is called on the event loop with sound of the row before the row ends, if the engine has
                it so soon. What it is given, joined, is the beginning of the row.

        Raises:
            EngineFailed: the model raised, or cannot speak this row.
            Overloaded: too many rows wait.
        """
