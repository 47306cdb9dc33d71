"""Tacotron2 for many sentences at once: they are admitted, decoded together, monitored, and rendered."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from src.engines.base import Audio, EarlySound, OnEarlySound, Utterance, WordSpan
from src.engines.coqui.attention import Attention, attention_of
from src.engines.coqui.decoder import Decoder
from src.engines.coqui.decoder_state import DecoderState
from src.engines.coqui.encoder import encode
from src.engines.coqui.failure_detection import AttentionMonitor, DurationLimits, SynthesisFailure
from src.engines.coqui.loading import Networks
from src.engines.coqui.streaming_vocoder import ChunkedVocoder, StreamingSynthesis
from src.engines.coqui.text import split_text, to_ids
from src.engines.coqui.word_times import word_times
from src.engines.worker_pool import WorkerPool
from src.errors import EngineFailed

log = logging.getLogger(__name__)

MAX_BATCH_SIZE = 16
"""Largest number of rows decoded together.

A step of 16 rows takes half as long again as one of 8. Beyond 16, its time grows with the number of rows.
"""
_DROPOUT_SEED = 0
"""Seed of every row's dropout, if the model has any: the same sentence sounds the same each time."""
_USUAL_LEVEL_DB = -20.0
"""Level of speech before the voice has spoken."""
_MAX_SPLITS = 4
"""How often a fragment of a sentence may be split in two."""
_PAUSE_SECONDS = 0.1
"""Pause between fragments that were spoken separately, in seconds."""


@dataclass(slots=True, eq=False)
class _Sentence:
    job_id: int
    text: str
    timed: bool
    """Whether it is to be told when each word is said."""
    fragments: list["_Fragment"] = field(default_factory=list)
    failed: bool = False
    """Whether an error was returned for it. All that is still in work for it is dropped."""
    early: OnEarlySound | None = None
    """Is called with sound of the sentence while it is decoded."""
    given: list[Audio] = field(default_factory=list)
    """What it was called with."""


@dataclass(slots=True, eq=False)
class _Fragment:
    """A whole sentence, or a part of one that failed as a whole."""

    sentence: _Sentence
    text: str
    ids: list[int]
    monitor: AttentionMonitor
    synthesis: StreamingSynthesis
    splits: int = 0
    """How often the sentence was split to get this fragment."""
    positions: list[int] = field(default_factory=list)
    """The most attended symbol of each step."""
    audio: Audio | None = None


Outcome = tuple[int, Utterance | Exception]
"""A job id, and its sound or what went wrong."""


class Tacotron:
    """One voice.

    Args:
        networks: a `Tacotron2` and its vocoder.
        attention: see `attention_for`.
        compute_type: see `linear_layer`.
        pool: renders the sound.
        on_retry: is called when a fragment failed and is spoken again in two.
    """

    def __init__(
        self,
        networks: Networks,
        attention: Attention,
        compute_type: str,
        pool: WorkerPool,
        on_retry: Callable[[], None],
    ) -> None:
        self._on_retry = on_retry
        self._networks = networks
        self._model = networks.model
        self._decoder = Decoder(self._model.decoder, attention, compute_type)
        audio = self._model.ap
        self._limits = DurationLimits(
            self._decoder.r * audio.hop_length / audio.sample_rate, int(self._model.decoder.max_decoder_steps)
        )
        self._vocoder = ChunkedVocoder(networks, self._decoder.r, self._decoder.mels, pool)
        # `Decoder` has copies of all its weights that are needed
        self._model.decoder = None
        self._joining: list[_Fragment] = []
        """Fragments that the next step adds to the batch."""
        self._batch: list[_Fragment] = []
        """Fragments that are being decoded, in the order of the rows of `_state`."""
        self._state: DecoderState | None = None
        self._rendering: list[_Fragment] = []
        """Fragments that are decoded, and whose sound is not complete."""
        self.sample_rate = networks.sample_rate
        self.phonemes = networks.phonemes
        self.level_db, self.peak = _USUAL_LEVEL_DB, 1.0
        """Level and largest sample that are expected of a row."""

    @staticmethod
    def attention_for(networks: Networks) -> Attention | None:
        """The attention with which this class can run a model; None if it needs `UnbatchedModel`."""
        from TTS.tts.models.tacotron2 import Tacotron2

        model = networks.model
        plain = isinstance(model, Tacotron2) and not (
            model.use_gst or model.use_capacitron_vae or model.num_speakers > 1 or networks.vocoder is None
        )
        return attention_of(model.decoder.attention) if plain else None

    @property
    def free_slots(self) -> int:
        """Number of rows that may be added now."""
        return MAX_BATCH_SIZE - len(self._joining) - len(self._batch) - len(self._rendering)

    @property
    def decoding(self) -> bool:
        """Whether the next step has something to decode."""
        return bool(self._joining or self._batch)

    def add(
        self,
        job_id: int,
        text: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
        given: list[Audio] | None = None,
    ) -> None:
        """Add a row; the next step begins to decode it.

        Args:
            job_id: of the row.
            text: to be spoken.
            timed: whether the times of the words are wanted.
            early: is called with sound while the row is decoded, if no other row is decoded when it is added.
            given: what `early` was called with when the row was added before; what it is called with now is
                appended. Nothing is early twice: the row begins with what was given.
        """
        given = [] if given is None else given
        sentence = _Sentence(
            job_id, text, timed, early=None if self.decoding or given else early, given=given
        )
        sentence.fragments = [self._fragment(sentence, text, splits=0)]
        self._joining.extend(sentence.fragments)

    def remove(self, job_id: int) -> None:
        """Forget a row."""
        self._joining = [each for each in self._joining if each.sentence.job_id != job_id]
        for fragment in (*self._batch, *self._rendering):
            if fragment.sentence.job_id == job_id:
                fragment.synthesis.drop()
        self._rendering = [each for each in self._rendering if each.sentence.job_id != job_id]
        self._keep([at for at, each in enumerate(self._batch) if each.sentence.job_id != job_id])

    def clear(self) -> None:
        """Forget all rows."""
        for fragment in (*self._batch, *self._rendering):
            fragment.synthesis.drop()
        self._joining.clear()
        self._batch.clear()
        self._rendering.clear()
        self._state = None

    @torch.inference_mode()
    def step(self) -> list[Outcome]:
        """Run one decoder step of the batch; return the outcome of each row that is complete by now."""
        self._join()
        return self._decode() + self._collect()

    def _fragment(self, sentence: _Sentence, text: str, splits: int) -> _Fragment:
        ids = to_ids(self._model, text)
        monitor = AttentionMonitor(self._limits, len(ids))
        synthesis = StreamingSynthesis(self._vocoder, soon=sentence.early is not None)
        return _Fragment(sentence, text, ids, monitor, synthesis, splits)

    def _join(self) -> None:
        joining = [fragment for fragment in self._joining if not fragment.sentence.failed]
        self._joining = []
        if not joining:
            return
        ids = [fragment.ids for fragment in joining]
        state = self._decoder.start(encode(self._model, ids), [len(each) for each in ids], _DROPOUT_SEED)
        if self._state is None:
            self._state = state
        else:
            self._state.append(state)
        self._batch += joining

    def _keep(self, rows: list[int]) -> None:
        """Remove all rows from the batch but these."""
        if len(rows) == len(self._batch):
            return
        self._batch = [self._batch[row] for row in rows]
        if not self._batch:
            self._state = None
        elif self._state is not None:
            self._state.select(rows, max(len(fragment.ids) for fragment in self._batch))

    def _decode(self) -> list[Outcome]:
        if self._state is None:
            return []
        output = self._decoder.step(self._state)
        outcomes: list[Outcome] = []
        remaining = []
        stops, positions = output.stop.tolist(), output.position.tolist()
        rows = list(zip(self._batch, output.frames, stops, positions, strict=True))
        for row, (fragment, frames, stop, position) in enumerate(rows):
            synthesis, monitor = fragment.synthesis, fragment.monitor
            synthesis.add(frames, alone=len(rows) == 1)
            fragment.positions.append(position)
            # Coqui never stops at the first step, whatever the stop token is
            stopped = stop > self._decoder.stop_threshold and len(synthesis) > 1
            failure = monitor.stop(position) if stopped else monitor.step(position)
            if fragment.sentence.failed:
                synthesis.drop()
            elif failure is not None:
                outcomes += self._retry(fragment, failure)
            elif stopped:
                synthesis.end()
                self._rendering.append(fragment)
            else:
                remaining.append(row)
        self._keep([row for row in remaining if not self._batch[row].sentence.failed])
        return outcomes

    def _retry(self, fragment: _Fragment, failure: SynthesisFailure) -> list[Outcome]:
        """Speak a fragment that failed in two. If it cannot be split, cut its sound or fail its sentence."""
        self._on_retry()
        sentence = fragment.sentence
        sentence.early = None  # what is spoken again cannot be early
        halves = split_text(fragment.text) if fragment.splits < _MAX_SPLITS else None
        try:
            fragments = [self._fragment(sentence, half, fragment.splits + 1) for half in halves or ()]
        except EngineFailed as error:
            return self._fail(sentence, error)
        if fragments:
            log.warning("%d characters went wrong (%s); speaking them in two", len(fragment.text), failure)
            at = sentence.fragments.index(fragment)
            sentence.fragments[at : at + 1] = fragments
            fragment.synthesis.drop()
            self._joining += fragments
            return []
        if failure is SynthesisFailure.RUNAWAY and fragment.monitor.end is not None:
            log.warning(
                "%d characters did not end by themselves; cut where their text ends", len(fragment.text)
            )
            fragment.synthesis.end(fragment.monitor.end)
            self._rendering.append(fragment)
            return []
        unspeakable = EngineFailed(f"the voice cannot speak {len(fragment.text)} characters: {failure}")
        return self._fail(sentence, unspeakable)

    def _fail(self, sentence: _Sentence, error: Exception) -> list[Outcome]:
        sentence.failed = True
        for fragment in sentence.fragments:
            fragment.synthesis.drop()
        return [(sentence.job_id, error)]

    def _collect(self) -> list[Outcome]:
        """The outcomes of sentences whose sound is complete, or could not be rendered."""
        outcomes: list[Outcome] = []
        incomplete = []
        for fragment in (*self._batch, *self._rendering):
            self._give_early(fragment)
        for fragment in self._rendering:
            if fragment.sentence.failed:
                continue
            try:
                fragment.audio = fragment.synthesis.result()
            except Exception as error:
                outcomes += self._fail(fragment.sentence, error)
                continue
            if fragment.audio is None:
                incomplete.append(fragment)
            else:
                outcomes += self._finish(fragment.sentence)
        self._rendering = incomplete
        return outcomes

    def _give_early(self, fragment: _Fragment) -> None:
        early = fragment.sentence.early
        if early is not None and len(sound := fragment.synthesis.new_sound()):
            fragment.sentence.given.append(sound)
            early(EarlySound(sound, self.level_db, self.peak))

    def _finish(self, sentence: _Sentence) -> list[Outcome]:
        """The sentence's outcome, if the sound of all its fragments is complete."""
        audios = [fragment.audio for fragment in sentence.fragments]
        if any(audio is None for audio in audios):
            return []
        pause = np.zeros(round(_PAUSE_SECONDS * self.sample_rate), np.float32)
        parts = [part for audio in audios if audio is not None for part in (audio, pause)]
        words = self._words(sentence) if sentence.timed else None
        audio = np.concatenate(parts[:-1])
        if sentence.given:
            # of a sentence that was spoken again, or is cut in a pause at its end, something else was given
            given = np.concatenate(sentence.given)
            audio = np.concatenate([given, audio[len(given) :]])
        return [(sentence.job_id, Utterance(audio, words))]

    def _words(self, sentence: _Sentence) -> tuple[WordSpan, ...]:
        found: list[WordSpan] = []
        begin = 0.0
        for fragment in sentence.fragments:
            audio = fragment.audio if fragment.audio is not None else np.zeros(0, np.float32)
            times = word_times(
                self._model,
                fragment.text,
                fragment.positions,
                self._limits.step_seconds,
                audio,
                self.sample_rate,
            )
            found += [(begin + start, begin + end) for start, end in times]
            begin += len(audio) / self.sample_rate + _PAUSE_SECONDS
        return tuple(found)
