"""Kokoro-82M on onnxruntime: English and Spanish where Coqui's weights cannot be had.

One row at a time: side by side brought nothing on a CPU. Phonemes, batches and trimming are those of the
`kokoro-onnx` package, whose own class wants its voices in one file and makes a session with every core.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from src.core.errors import EngineFailed, ModelUnavailable
from src.engines.base import Audio, EngineInfo
from src.engines.batched import BatchedEngine
from src.scheduling.observer import BatchObserver

if TYPE_CHECKING:
    from phonemizer.backend import EspeakBackend

_SAMPLE_RATE = 24_000
_MODEL = "kokoro-82m"
_ESPEAK = {"en": "en-us", "es": "es"}
"""espeak's name of each language."""
_WARM_UP = {"en": "Ready.", "es": "Listo."}
_MOST_PHONEMES = 510
"""That the model takes in one call."""
_SENTENCE_PAUSE, _CLAUSE_PAUSE = 0.25, 0.1
"""Seconds between the parts of a row that is too long for one call, as `kokoro-onnx` has them."""


class KokoroEngine(BatchedEngine["_Row", Audio]):
    """Speaks the languages of `voices`, one sentence at a time.

    Args:
        model: the ONNX file.
        voices: by language, raw float32 of shape (510, 1, 256): a style for each number of phonemes.
        threads: of one model call.
        device: `cuda` is taken if this onnxruntime has it.
        max_waiting: rows that may wait.
        observers: of the batcher.
    """

    def __init__(
        self,
        model: Path,
        voices: Mapping[str, Path],
        threads: int,
        device: str = "cpu",
        max_waiting: int = 1024,
        observers: Iterable[BatchObserver] = (),
    ) -> None:
        unknown = sorted(voices.keys() - _ESPEAK.keys())
        if unknown:
            raise ModelUnavailable(
                f"Kokoro cannot speak {', '.join(unknown)} here, only {', '.join(_ESPEAK)}"
            )
        self._voices = dict(voices)
        self._kokoro = _Kokoro(model, self._voices, threads, device)
        super().__init__(self._kokoro, "kokoro", max_waiting, observers)

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(
            "kokoro", _MODEL, self._kokoro.device, self._kokoro.compute_type, tuple(self._voices)
        )

    def sample_rate(self, language: str) -> int:
        """Hz: the same for every voice."""
        return _SAMPLE_RATE

    def model(self, language: str) -> str:
        """`kokoro-82m/af_heart`: the model and the voice that speaks `language`."""
        return f"{_MODEL}/{self._voices[language].stem}"

    async def synthesize(self, text: str, language: str, request_id: str) -> Audio:
        """Speak one row; see `TextToSpeech`. Cancelling stops it before its next 510 phonemes."""
        return await self._batcher.submit(_Row(text, language), request_id)


@dataclass(frozen=True, slots=True)
class _Row:
    text: str
    language: str


@dataclass(slots=True)
class _Work:
    job_id: int
    language: str
    parts: list[str]
    """Phonemes that are yet to be spoken, at most 510 a part."""
    made: list[Audio] = field(default_factory=list)


class _Kokoro:
    """The model as a `BatchModel`: one row in work, one part of it a step."""

    compute_type = "int8"

    def __init__(self, model: Path, voices: Mapping[str, Path], threads: int, device: str) -> None:
        self._model = model
        self._voice_files = voices
        self._threads = threads
        self._wanted_device = device
        self.device = "cpu"
        self._work: _Work | None = None
        self._session: Any = None
        self._voices: dict[str, Audio] = {}
        self._phonemizers: dict[str, EspeakBackend] = {}

    def open(self) -> None:
        try:
            self._open_session()
        except Exception as error:
            raise ModelUnavailable(f"{self._model} cannot be opened as an ONNX model: {error}") from error
        for language, file in self._voice_files.items():
            self._voices[language] = _read_voice(file)
        self._phonemizers = {language: _phonemizer(language) for language in self._voice_files}
        for language in self._voice_files:
            self.add(-1, _Row(_WARM_UP[language], language))
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

    def admit(self, waiting: Sequence[_Row]) -> Sequence[int]:
        return () if self._work else (0,)

    def add(self, job_id: int, row: _Row) -> None:
        from kokoro_onnx.chunker import split_phonemes

        parts = split_phonemes(self._phonemes(row.text, row.language), _MOST_PHONEMES)
        if not parts:
            raise EngineFailed(f"nothing in a sentence of {len(row.text)} characters can be spoken")
        self._work = _Work(job_id, row.language, parts)

    def step(self) -> list[tuple[int, Audio | Exception]]:
        from kokoro_onnx.chunker import pause_after

        work = self._work
        if work is None:
            return []
        part = work.parts.pop(0)
        work.made.append(self._speak(part, work.language))
        if work.parts:
            pause = pause_after(part, _SENTENCE_PAUSE, _CLAUSE_PAUSE)
            work.made.append(np.zeros(round(pause * _SAMPLE_RATE), np.float32))
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
        self._voices.clear()
        self._phonemizers.clear()

    def _phonemes(self, text: str, language: str) -> str:
        """What `kokoro_onnx.tokenizer.Tokenizer.phonemize` makes of it, less espeak's language flags."""
        lines = [line for line in (line.strip() for line in text.splitlines()) if line]
        spoken = " ".join(self._phonemizers[language].phonemize(lines))
        return " ".join("".join(sound for sound in spoken if sound in self._vocabulary).split())

    def _speak(self, phonemes: str, language: str) -> Audio:
        from kokoro_onnx.trim import trim

        tokens = [self._vocabulary[sound] for sound in phonemes]
        voice = self._voices[language]
        inputs = {
            self._tokens: np.array([[0, *tokens, 0]], self._types[self._tokens]),
            "style": voice[min(len(tokens), len(voice)) - 1].astype(self._types["style"]),
            "speed": np.ones(1, self._types["speed"]),
        }
        audio = np.asarray(self._session.run(None, inputs)[0], np.float32).ravel()
        # the model puts silence around what it says; a cut at 60 dB under the loudest moment, a window of
        # 2048 samples early and late, leaves the first sound and the last word whole
        trimmed, _ = trim(audio)
        return np.clip(np.asarray(trimmed, np.float32), -1.0, 1.0)


def _read_voice(file: Path) -> Audio:
    styles = np.fromfile(file, np.float32)
    if styles.size == 0 or styles.size % 256:
        raise ModelUnavailable(f"{file} is no Kokoro voice: raw float32 of shape (510, 1, 256) is wanted")
    return styles.reshape(-1, 1, 256)


def _phonemizer(language: str) -> "EspeakBackend":
    """espeak with one language loaded. It is not thread-safe: it stays on the batcher's thread."""
    import espeakng_loader
    from phonemizer.backend import EspeakBackend
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    # it warns of foreign words in a sentence, which are nothing to warn of
    logger = logging.getLogger("phonemizer")
    logger.setLevel(logging.ERROR)
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    backend = EspeakBackend(
        _ESPEAK[language],
        preserve_punctuation=True,
        with_stress=True,
        # "(en)" before a foreign word would be spoken: its letters are phonemes, too
        language_switch="remove-flags",
        logger=logger,
    )
    return cast("EspeakBackend", backend)
