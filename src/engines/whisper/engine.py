"""The Whisper engine: a thread pool prepares and finishes rows, and the batcher's thread runs the model."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np

from src.engines.base import (
    STT_SAMPLE_RATE,
    Audio,
    EngineInfo,
    LanguageGuess,
    PartialTranscript,
    PartialWord,
    Segment,
    Spoken,
    SttOptions,
    Transcript,
)
from src.engines.batched import BatchedEngine
from src.engines.whisper import quality_check
from src.engines.whisper.copies import find_copies
from src.engines.whisper.ctranslate2_model import CTranslate2Model
from src.engines.whisper.ctranslate2_runner import GPU_BATCHES, MAX_LONG_BATCHES, CTranslate2Runner
from src.engines.whisper.features import Features, live_window_for, window_for
from src.engines.whisper.loop import LoopRunner, Unsupported, is_meant_for, probe
from src.engines.whisper.loop.weights import kind_of
from src.engines.whisper.loops import without_excess
from src.engines.whisper.row import FRAMES_PER_SECOND, FULL_WINDOW, Outcome, WhisperRow
from src.engines.whisper.segments import spans
from src.engines.whisper.sentences import sentences
from src.engines.whisper.stats import Stats
from src.engines.whisper.vocabulary import ALL_LANGUAGES, SAMPLES_PER_TIMESTAMP, Vocabulary
from src.engines.whisper.words import partial_words, timed_words, token_logprobs, words
from src.errors import InvalidInput
from src.scheduling.background import is_background
from src.scheduling.batcher import STALL_SECONDS
from src.scheduling.observer import BatchObserver

log = logging.getLogger(__name__)

T = TypeVar("T")
_BATCH_STALL_SECONDS = 300.0
"""Minimum of the stall limit where a step decodes a whole batch: with `medium` on two slow cores, a first
batch of long rows takes more than a minute, and nothing has been measured yet."""
_ROW_SECONDS = FULL_WINDOW / FRAMES_PER_SECOND
_SHORTEST_COPY = 1.0
"""Seconds of a copy that can be read by itself. Less gives the model little to go by, and it writes each."""
_LONGEST_TIMED = 20.0
"""Seconds of a row up to which the decoder writes timestamps. In a longer row they cost words: it closes the
text before the speech ends, and reads more of it wrong."""
_MOST_WITH_BEFORE = 25.0
"""Seconds of a row together with what was said before it. A longer row says enough by itself."""
_BACKGROUND_SHARE = 3
"""One of this many rows in work may be a background row."""


class WhisperEngine(BatchedEngine[WhisperRow, Outcome]):
    """Whisper on the weights of a CTranslate2 model; rows of many requests share its calls.

    A CPU decodes with the loop in `loop/` if its operations work there, everything else with CTranslate2.
    Only one of them loads the weights.

    Args:
        folder: a CTranslate2 Whisper model with its `tokenizer.json`.
        name: the model's name in `/models`.
        device: `cpu` or `cuda`.
        compute_type: of CTranslate2, e.g. `int8` or `float16`.
        threads: CPU threads for one model call.
        languages: detection chooses among these where a row names none; empty: all.
        max_rows: most rows in one model call.
        observers: of the batcher.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        device: str,
        compute_type: str,
        threads: int,
        languages: Sequence[str] = (),
        max_rows: int | None = None,
        observers: Iterable[BatchObserver] = (),
    ) -> None:
        self._folder = folder
        self._name = name
        self._device = device
        self._compute_type = compute_type
        self._threads = threads
        self._allowed = tuple(languages)
        self._languages: tuple[str, ...] = ALL_LANGUAGES
        self._features: Features | None = None
        self._vocabulary: Vocabulary | None = None
        self._workers = 0
        rows = max_rows or (32 if device == "cuda" else 12)
        self._notices: list[str] = []
        self._runner = self._loop_runner(rows) or self._ctranslate2_runner(rows)
        background = max(1, rows // _BACKGROUND_SHARE)
        whole_batches = isinstance(self._runner, CTranslate2Runner)
        super().__init__(
            self._runner,
            "whisper",
            observers=observers,
            stall_seconds=_BATCH_STALL_SECONDS if whole_batches else STALL_SECONDS,
            max_background=background,
        )
        self._side: ThreadPoolExecutor | None = None

    def _loop_runner(self, rows: int) -> LoopRunner | None:
        """The loop, if it is meant for this device and works on it."""
        if not is_meant_for(self._device, self._compute_type):
            return None
        try:
            capabilities = probe(self._compute_type, self._folder)
        except Unsupported as problem:
            self._notices.append(f"Whisper decodes with CTranslate2, which is slower: {problem}")
            return None
        log.info("Whisper's loop uses %s", capabilities)
        self._workers = 1
        return LoopRunner(
            self._load_vocabulary, self._folder, capabilities, rows, self._threads, self._retried
        )

    def _ctranslate2_runner(self, rows: int) -> CTranslate2Runner:
        if self._device == "cuda":
            self._workers = 2 * GPU_BATCHES
            return CTranslate2Runner(
                self._load_model, rows, GPU_BATCHES, self._retried, short_batches=GPU_BATCHES
            )
        batches = min(MAX_LONG_BATCHES, self._threads)
        self._workers = batches + 1  # the batcher's own thread decodes short rows beside the long batches
        return CTranslate2Runner(self._load_model, rows, batches, self._retried)

    @property
    def info(self) -> EngineInfo:
        return EngineInfo("whisper", self._name, self._device, self._compute_type, self._languages)

    @property
    def notices(self) -> tuple[str, ...]:
        """What an operator should know about this engine."""
        return tuple(self._notices)

    @property
    def stats(self) -> Stats:
        """Counters of rows, model calls and rows that were decoded again."""
        return self._runner.stats

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._side = ThreadPoolExecutor(self._threads, thread_name_prefix="whisper-side")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        if self._side is not None:
            self._side.shutdown(wait=False, cancel_futures=True)

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        """See `SpeechToText.transcribe`."""
        row = await self._on_side(self._prepare, audio, options, False, is_background())
        outcome = await self._batcher.submit(row, request_id)
        return await self._on_side(self._finish, row, outcome)

    async def transcribe_partial(
        self,
        audio: Audio,
        options: SttOptions,
        forced: Sequence[int],
        request_id: str,
        *,
        draft: Sequence[int] = (),
    ) -> PartialTranscript:
        """See `SpeechToText.transcribe_partial`."""
        row = await self._on_side(self._prepare_partial, audio, options, tuple(forced), tuple(draft))
        outcome = await self._batcher.submit(row, request_id)
        return await self._on_side(self._finish_partial, outcome)

    async def detect_language(
        self, audio: Audio, languages: Sequence[str], request_id: str
    ) -> list[LanguageGuess]:
        """See `SpeechToText.detect_language`."""
        row = await self._on_side(
            self._prepare, audio, SttOptions(languages=tuple(languages)), True, is_background()
        )
        outcome = await self._batcher.submit(row, request_id)
        return [LanguageGuess(language, probability) for language, probability in outcome.languages]

    def _load_model(self) -> tuple[CTranslate2Model, Vocabulary]:
        """Runs on the batcher's thread, which owns the model from then on."""
        model = CTranslate2Model(self._folder, self._device, self._compute_type, self._threads, self._workers)
        return model, self._open(model.mels, model.multilingual)

    def _load_vocabulary(self) -> Vocabulary:
        kind = kind_of(self._folder)
        return self._open(kind.mels, kind.multilingual)

    def _open(self, mels: int, multilingual: bool) -> Vocabulary:
        self._vocabulary = Vocabulary(self._folder, multilingual)
        self._features = Features(self._folder, mels)
        self._languages = self._vocabulary.languages
        return self._vocabulary

    async def _on_side(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._side, function, *args)

    def _prepare(
        self, audio: Audio, options: SttOptions, detect_only: bool = False, background: bool = False
    ) -> WhisperRow:
        if self._features is None or self._vocabulary is None:
            raise RuntimeError("the engine is not open")
        for code in (options.language, *options.languages):
            if code is not None and code not in self._languages:
                raise InvalidInput(f"{self._name} does not know the language {code!r}", "language")
        prompt, duration = options.prompt or "", min(len(audio) / STT_SAMPLE_RATE, _ROW_SECONDS)
        before = self._before(options, duration)
        said: tuple[int, ...] = ()
        before_seconds = 0.0
        if before is not None:
            prompt, audio = prompt.removesuffix(before.text), np.concatenate([before.audio, audio])
            before_seconds = len(before.audio) / STT_SAMPLE_RATE
            said = self._vocabulary.said(before.text, before_seconds)
        mel = self._features(audio)
        return WhisperRow(
            mel=mel,
            duration=duration,
            window=window_for(mel.shape[1]),
            language=options.language,
            languages=options.languages or self._allowed,
            task=options.task,
            prompt=self._vocabulary.previous(prompt, len(said)),
            timed=_writes_timestamps(duration, options),
            words=options.word_timestamps,
            logprobs=options.token_logprobs,
            temperature=options.temperature,
            beam=options.beam_size,
            detect_only=detect_only,
            background=background,
            live=options.live,
            draft=options.draft,
            stable=options.stable,
            before=said,
            before_seconds=before_seconds,
        )

    def _before(self, options: SttOptions, duration: float) -> Spoken | None:
        """What was said before a row of `duration` seconds, if it is read with it."""
        before = options.before
        if before is None or not isinstance(self._runner, LoopRunner):
            return None
        if options.word_timestamps or options.token_logprobs:  # the alignment is of the row's words alone
            return None
        samples = len(before.audio) // SAMPLES_PER_TIMESTAMP * SAMPLES_PER_TIMESTAMP
        if not before.text.strip() or samples / STT_SAMPLE_RATE + duration > _MOST_WITH_BEFORE:
            return None
        return replace(before, audio=before.audio[len(before.audio) - samples :])

    def _prepare_partial(
        self, audio: Audio, options: SttOptions, forced: tuple[int, ...], draft: tuple[int, ...]
    ) -> WhisperRow:
        row = self._prepare(audio, options)
        window = live_window_for(row.mel.shape[1])
        return replace(
            row,
            window=window,
            forced=forced,
            draft=draft,
            timed=False,
            words=False,
            logprobs=False,
            temperature=0.0,
        )

    def _finish_partial(self, outcome: Outcome) -> PartialTranscript:
        language, probability = outcome.languages[0]
        found: tuple[PartialWord, ...] = ()
        looped = False
        if outcome.decoded is not None and self._vocabulary is not None:
            found = partial_words(outcome.decoded, language, self._vocabulary)
            looped = outcome.decoded.ends_in_loop
        return PartialTranscript(found, language, probability, outcome.engine_seconds, looped)

    def _finish(self, row: WhisperRow, outcome: Outcome) -> Transcript:
        language, probability = outcome.languages[0]
        decoded = outcome.decoded
        if decoded is None or self._vocabulary is None or quality_check.is_silence(decoded):
            return Transcript((), language, probability, engine_seconds=outcome.engine_seconds)
        tokens, alignment = decoded.tokens, outcome.alignment
        if outcome.looped:
            tokens, alignment = without_excess(
                tokens, alignment, row.duration, self._vocabulary.first_timestamp, self._vocabulary.text
            )
        text, aligned = self._vocabulary.words_of(tokens), []
        if row.has_words:
            aligned = timed_words(text, alignment, language, row.task, self._vocabulary)
        if row.timed:
            cut = spans(tokens, row.duration, self._vocabulary)
        else:
            cut = sentences(text, aligned, row.duration)
        said = words(cut, aligned, row.duration) if row.has_words else [None] * len(cut)
        likely = token_logprobs(cut, alignment, self._vocabulary) if row.logprobs else [None] * len(cut)
        packed = quality_check.compression_ratio(self._vocabulary.text(tokens))
        segments = tuple(
            Segment(
                start=found[0].start if found else span.start,
                end=found[-1].end if found and row.timed else span.end,
                text=written,
                avg_logprob=decoded.avg_logprob,
                no_speech_prob=decoded.no_speech_prob,
                words=found,
                tokens=span.tokens,
                temperature=decoded.temperature,
                compression_ratio=packed,
                logprobs=likelihoods,
            )
            for span, found, likelihoods in zip(cut, said, likely, strict=True)
            if (written := self._vocabulary.text(span.tokens)).strip()
        )
        return Transcript(
            segments,
            language,
            probability,
            outcome.looped,
            _unsaid_copies(row, decoded.text),
            outcome.engine_seconds,
        )


def _writes_timestamps(duration: float, options: SttOptions) -> bool:
    """Whether a row of `duration` seconds is decoded with timestamps.

    A translation always is, because its words have no places in the audio; so is live speech, which is read
    with the audio before it.
    """
    return duration <= _LONGEST_TIMED or options.task != "transcribe" or options.live


def _unsaid_copies(row: WhisperRow, text: str) -> tuple[float, ...]:
    """Seconds at which copies of one sound begin, if the row has them and the text does not say each."""
    found = find_copies(row.own_mel)
    if found is None or found.apart < _SHORTEST_COPY or quality_check.says_each(text, found.count):
        return ()
    return found.starts
