"""Kokoro's model on the batcher's thread: one row at a time, since side by side brought nothing on a CPU.

So rows may each have a voice of their own at no cost. Phonemes, batches and trimming are those of the
`kokoro-onnx` package, whose own class wants its voices in one file and makes a session with every core.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from src.engines.base import Audio, Voice
from src.engines.kokoro.phonemes import Phonemizer
from src.engines.kokoro.styles import SAMPLE_RATE, Styles
from src.errors import EngineFailed, ModelUnavailable

MAX_PHONEMES = 510
"""That the model takes in one call."""

_WARM_UP = {"en": "Ready.", "es": "Listo."}
_SENTENCE_PAUSE, _CLAUSE_PAUSE = 0.25, 0.1
"""Seconds between the parts of a row that is too long for one call, as `kokoro-onnx` has them."""


@dataclass(frozen=True, slots=True)
class KokoroRow:
    text: str
    voice: Voice


@dataclass(slots=True)
class _Work:
    job_id: int
    voice: Voice
    parts: list[str]
    """Phonemes that are yet to be spoken, at most 510 a part."""
    made: list[Audio] = field(default_factory=list)


class Runner:
    """The model as a `BatchModel`: one row in work, one part of it a step.

    Args:
        files: styles by voice name.
        voices: the same voices, described.
    """

    compute_type = "int8"

    def __init__(
        self, model: Path, files: Mapping[str, Path], voices: Sequence[Voice], threads: int, device: str
    ) -> None:
        self._model = model
        self._files = dict(files)
        self._described = voices
        self._threads = threads
        self._wanted_device = device
        self.device = "cpu"
        self._work: _Work | None = None
        self._session: Any = None
        self._styles = Styles({})
        self._phonemizers: dict[str, Phonemizer] = {}
        """By locale."""

    def open(self) -> None:
        try:
            self._open_session()
        except Exception as error:
            raise ModelUnavailable(f"{self._model} cannot be opened as an ONNX model: {error}") from error
        self._styles = Styles(self._files)
        firsts = {voice.locale: voice for voice in reversed(self._described)}
        try:
            self._phonemizers = {locale: Phonemizer(locale) for locale in firsts}
        except RuntimeError as error:
            raise ModelUnavailable(f"Kokoro cannot speak: {error}") from error
        for voice in firsts.values():
            self.add(-1, KokoroRow(_WARM_UP[voice.language], voice))
            self.step()

    def _open_session(self) -> None:
        import onnxruntime
        from kokoro_onnx.config import DEFAULT_VOCAB
        from kokoro_onnx.session import embedded_vocab, input_dtypes

        providers = ["CPUExecutionProvider"]
        if self._wanted_device == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            providers.insert(0, "CUDAExecutionProvider")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(self._model), options, providers=providers)
        # where the GPU's libraries do not load, ONNX Runtime goes on without a word
        self.device = "cuda" if "CUDAExecutionProvider" in self._session.get_providers() else "cpu"
        self._types = input_dtypes(self._session)
        # older exports name the phonemes "tokens", newer ones "input_ids"
        self._tokens = "input_ids" if "input_ids" in self._types else "tokens"
        self._vocabulary: dict[str, int] = embedded_vocab(self._session) or DEFAULT_VOCAB

    def admit(self, waiting: Sequence[KokoroRow]) -> Sequence[int]:
        return () if self._work else (0,)

    def add(self, job_id: int, row: KokoroRow) -> None:
        from kokoro_onnx.chunker import split_phonemes

        phonemes = self._phonemizers[row.voice.locale].phonemes(row.text, self._vocabulary)
        parts = split_phonemes(phonemes, MAX_PHONEMES)
        if not parts:
            raise EngineFailed(f"nothing in a sentence of {len(row.text)} characters can be spoken")
        self._work = _Work(job_id, row.voice, parts)

    def step(self) -> list[tuple[int, Audio | Exception]]:
        from kokoro_onnx.chunker import pause_after

        work = self._work
        if work is None:
            return []
        part = work.parts.pop(0)
        work.made.append(self._speak(part, work.voice))
        if work.parts:
            pause = pause_after(part, _SENTENCE_PAUSE, _CLAUSE_PAUSE)
            work.made.append(np.zeros(round(pause * SAMPLE_RATE), np.float32))
            return []
        self._work = None
        return [(work.job_id, np.concatenate(work.made))]

    def remove(self, job_id: int) -> None:
        self._work = None

    def clear(self) -> None:
        self._work = None

    def close(self) -> None:
        self._work = None
        self._session = None
        self._styles = Styles({})
        self._phonemizers.clear()

    def _speak(self, phonemes: str, voice: Voice) -> Audio:
        from kokoro_onnx.trim import trim

        tokens = [self._vocabulary[sound] for sound in phonemes]
        inputs = {
            self._tokens: np.array([[0, *tokens, 0]], self._types[self._tokens]),
            "style": self._styles.style(voice, len(tokens)).astype(self._types["style"]),
            "speed": np.ones(1, self._types["speed"]),
        }
        audio = np.asarray(self._session.run(None, inputs)[0], np.float32).ravel()
        # the model puts silence around what it says; a cut at 60 dB under the loudest moment, a window of
        # 2048 samples early and late, leaves the first sound and the last word whole
        trimmed, _ = trim(audio)
        return np.clip(np.asarray(trimmed, np.float32), -1.0, 1.0)
