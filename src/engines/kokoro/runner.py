"""Kokoro's model on the batcher's thread: one row at a time, since side by side brought nothing on a CPU.

So rows may each have a voice of their own at no cost. Phonemes, batches and trimming are those of the
`kokoro-onnx` package, whose own class wants its voices in one file and makes a session with every core.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from src.engines.base import Audio, EarlySound, OnEarlySound, Utterance, Voice, WordSpan
from src.engines.kokoro.durations import edges, words_with_spaces
from src.engines.kokoro.frames import SAMPLE_RATE
from src.engines.kokoro.onnx_model import OnnxModel
from src.engines.kokoro.phonemes import Phonemizer
from src.engines.kokoro.slices import SlicedSentence
from src.engines.kokoro.speech_model import SpeechModel
from src.engines.kokoro.statistics import VoiceStatistics, learnt_of
from src.engines.kokoro.styles import Styles
from src.engines.kokoro.torch_model import TorchModel
from src.engines.word_spans import spans_of_words, without_pauses
from src.errors import EngineFailed, ModelUnavailable

log = logging.getLogger(__name__)

MAX_PHONEMES = 510
"""Maximum number of phonemes in one model call."""

_SILENT = ' ;:,.!?—…"()“”'
"""Symbols of the vocabulary that are punctuation."""
_WARM_UP = {"en": "Ready.", "es": "Listo."}
_STATISTICS = "statistics"
"""Folder beside the model in which is kept what was learnt of voices."""
_SENTENCE_PAUSE, _CLAUSE_PAUSE = 0.25, 0.1
"""Seconds between the parts of a row that is too long for one call, as `kokoro-onnx` has them."""


@dataclass(frozen=True, slots=True)
class KokoroRow:
    text: str
    voice: Voice
    timed: bool = False
    """Whether it is to be told when each word is said."""
    request_id: str = ""
    early: OnEarlySound | None = None
    """Is called with the sound of each slice but the last, on the batcher's thread."""
    learnt_as: int | None = None
    """Number of the sentence (`statistics.SENTENCES`) from which this row is to learn its voice."""


@dataclass(slots=True)
class _Work:
    job_id: int
    row: KokoroRow
    spoken: str
    """Phonemes of all parts."""
    parts: list[str]
    """Phonemes that are yet to be spoken, at most 510 a part."""
    made: list[Audio] = field(default_factory=list)
    edges: list[float] = field(default_factory=list)
    """Seconds in what was made at which each phoneme begins."""
    sliced: SlicedSentence | None = None
    first: int | None = None
    """Sample at which the sound of the slices begins: silence before it is trimmed."""
    given: int = 0
    """Samples of the slices so far, those before `first` too."""


class Runner:
    """The model as a `BatchModel`: one row in work, one part of it a step.

    Args:
        model: the ONNX file.
        files: styles by voice name.
        voices: the same voices, described.
        threads: of a model call on the CPU.
        device: `cpu` or `cuda`.
        compute_type: see `OnnxModel`.
    """

    def __init__(
        self,
        model: Path,
        files: Mapping[str, Path],
        voices: Sequence[Voice],
        threads: int,
        device: str,
        compute_type: str,
    ) -> None:
        self._file = model
        self._files = dict(files)
        self._described = voices
        self._threads = threads
        self._wanted_device = device
        self._wanted_compute_type = compute_type
        self.device, self.compute_type = "cpu", "int8"
        self._work: _Work | None = None
        self._model: SpeechModel | None = None
        self._styles = Styles({})
        self._phonemizers: dict[str, Phonemizer] = {}
        """Phonemizers by locale."""
        self._vocabulary: Mapping[str, int] = {}
        self._statistics = VoiceStatistics(model.parent / _STATISTICS)
        self._others_wait = False
        self._unlearnt: deque[Voice] = deque()
        self._asked_for: set[str] = set()
        """Voices that are, or have been, in `_unlearnt`."""

    @property
    def symbols(self) -> str:
        """Phonemes of the vocabulary, without punctuation. They are known once the model is open."""
        return "".join(sorted(set(self._vocabulary) - set(_SILENT)))

    def take_unlearnt(self) -> Iterator[Voice]:
        """Voices whose sound could not be early, as they are not learnt: each once. Any thread may ask."""
        with suppress(IndexError):
            while True:
                yield self._unlearnt.popleft()

    def forget_unlearnt(self, voice: Voice) -> None:
        """Let `take_unlearnt` give a voice again: it could not be learnt yet. Any thread may call this."""
        self._asked_for.discard(voice.id)

    def open(self) -> None:
        try:
            self._model = self._open_model()
        except Exception as error:
            raise ModelUnavailable(f"{self._file} cannot be opened as an ONNX model: {error}") from error
        self.device, self.compute_type = self._model.device, self._model.compute_type
        self._vocabulary = self._model.vocabulary
        self._styles = Styles(self._files)
        firsts = {voice.locale: voice for voice in reversed(self._described)}
        try:
            self._phonemizers = {locale: Phonemizer(locale) for locale in firsts}
        except RuntimeError as error:
            raise ModelUnavailable(f"Kokoro cannot speak: {error}") from error
        for voice in firsts.values():  # each locale has rules and a dictionary of its own
            self.add(-1, KokoroRow(_WARM_UP[voice.language], voice))
        self.step()  # the network is the same for all

    def _open_model(self) -> SpeechModel:
        if self._wanted_device == "cuda":
            try:
                return TorchModel(self._file, "cuda")
            except ValueError as problem:
                log.warning("Kokoro runs on the CPU, since the GPU's network cannot be filled: %s", problem)
        return OnnxModel(self._file, self._threads, self._wanted_compute_type)

    def admit(self, waiting: Sequence[KokoroRow]) -> Sequence[int]:
        row = self._work.row if self._work else waiting[0]
        self._others_wait = any(
            each.request_id != row.request_id and each.learnt_as is None for each in waiting
        )
        return () if self._work else (0,)

    def add(self, job_id: int, row: KokoroRow) -> None:
        from kokoro_onnx.chunker import split_phonemes

        phonemes = self._phonemizers[row.voice.locale].phonemes(row.text, self._vocabulary)
        parts = split_phonemes(phonemes, MAX_PHONEMES)
        if not parts:
            raise EngineFailed(f"nothing in a sentence of {len(row.text)} characters can be spoken")
        self._work = _Work(job_id, row, "".join(parts), parts)

    def step(self) -> list[tuple[int, Utterance | Exception]]:
        from kokoro_onnx.chunker import pause_after

        work = self._work
        if work is None:
            return []
        if work.sliced is not None:
            return self._next_slice(work, work.sliced)
        part = work.parts.pop(0)
        if not work.parts and work.row.learnt_as is not None:
            self._learn(part, work.row.voice, work.row.learnt_as)
            self._work = None
            return [(work.job_id, Utterance(np.zeros(0, np.float32)))]
        if not work.parts and not work.made and work.row.early is not None and not self._others_wait:
            work.sliced = self._in_slices(part, work.row.voice)
            if work.sliced is not None:
                return []
        begins = sum(map(len, work.made)) / SAMPLE_RATE
        audio, starts = self._speak(part, work.row.voice)
        work.made.append(audio)
        work.edges += [begins + start for start in starts]
        if work.parts:
            pause = pause_after(part, _SENTENCE_PAUSE, _CLAUSE_PAUSE)
            work.made.append(np.zeros(round(pause * SAMPLE_RATE), np.float32))
            return []
        self._work = None
        audio = np.concatenate(work.made)
        return [(work.job_id, Utterance(audio, self._words(work, audio)))]

    def remove(self, job_id: int) -> None:
        self._work = None

    def clear(self) -> None:
        self._work = None

    def close(self) -> None:
        self._work = None
        if self._model is not None:
            self._model.close()
            self._model = None
        self._styles = Styles({})
        self._phonemizers.clear()

    def _speak(self, phonemes: str, voice: Voice) -> tuple[Audio, list[float]]:
        """Sound of phonemes, and the seconds in it at which each begins; none if the model does not tell."""
        from kokoro_onnx.trim import trim

        if self._model is None:
            raise RuntimeError("the runner is not open")
        tokens = [self._vocabulary[sound] for sound in phonemes]
        audio, durations = self._model.speak(tokens, self._styles.style(voice, len(tokens)))
        # the model puts silence around what it says; a cut at 60 dB under the loudest moment, a window of
        # 2048 samples early and late, leaves the first sound and the last word whole
        trimmed, (first, last) = trim(audio)
        starts: list[float] = []
        if durations is not None:
            length = (last - first) / SAMPLE_RATE
            shifted = (edge - first / SAMPLE_RATE for edge in edges(durations))
            # without the symbols that begin and end every sequence
            starts = [float(min(max(edge, 0.0), length)) for edge in shifted][1:-2]
        return np.clip(np.asarray(trimmed, np.float32), -1.0, 1.0), starts

    def _in_slices(self, phonemes: str, voice: Voice) -> SlicedSentence | None:
        """A sentence to be made in slices; None if the model cannot, or the voice has not been learnt."""
        if not isinstance(self._model, OnnxModel) or not self._model.makes_slices:
            return None
        by_id = {each.id: each for each in self._described}
        voices = [(by_id[name], weight) for name, weight in voice.blend] or [(by_id[voice.id], 1.0)]
        expected = self._statistics.expected(voices, len(phonemes))
        if expected is None:
            for each, _ in voices:
                if not self._statistics.knows(each):
                    self._ask_for(each)
            return None
        tokens = [self._vocabulary[sound] for sound in phonemes]
        decoded = self._model.decode(tokens, self._styles.style(voice, len(tokens)))
        return SlicedSentence(self._model, decoded, expected)

    def _ask_for(self, voice: Voice) -> bool:
        """Put a voice into `_unlearnt`, unless it is or was there."""
        if voice.id in self._asked_for:
            return False
        self._asked_for.add(voice.id)
        self._unlearnt.append(voice)
        return True

    def _next_slice(self, work: _Work, sliced: SlicedSentence) -> list[tuple[int, Utterance | Exception]]:
        from kokoro_onnx.trim import trim

        samples = np.clip(sliced.more(rest=self._others_wait), -1.0, 1.0)
        _, (first, last) = trim(samples)
        if work.first is None:
            work.first = work.given = int(first)
        if sliced.complete:
            self._work = None
            # what was given cannot be trimmed any more
            return [(work.job_id, Utterance(samples[work.first : max(int(last), work.given)]))]
        if work.row.early is not None:
            expected = sliced.expected
            work.row.early(EarlySound(samples[work.given :], expected.level, expected.peak))
        work.given = len(samples)
        return []

    def _learn(self, phonemes: str, voice: Voice, number: int) -> None:
        if not isinstance(self._model, OnnxModel) or not self._model.makes_slices:
            return
        if self._statistics.knows(voice):
            return
        tokens = [self._vocabulary[sound] for sound in phonemes]
        style = self._styles.style(voice, len(tokens))
        audio, statistics = self._model.speak_with_statistics(tokens, style)
        self._statistics.learn(voice, number, learnt_of(len(tokens), audio, SAMPLE_RATE, statistics))

    def _words(self, work: _Work, audio: Audio) -> tuple[WordSpan, ...] | None:
        if not work.row.timed or len(work.edges) != len(work.spoken):
            return None
        phonemizer = self._phonemizers[work.row.voice.locale]
        words = [phonemizer.phonemes(word, self._vocabulary).strip(_SILENT) for word in work.row.text.split()]
        spans = spans_of_words(work.spoken, words, _SILENT)
        edges = [*work.edges, len(audio) / SAMPLE_RATE]
        return without_pauses(words_with_spaces(work.spoken, spans, edges), audio, SAMPLE_RATE)
