"""The peers of `benchmarks/tts.py`, each in a process of its own.

In one process, thread counts and memory could not be separated: PyTorch has one thread count for all.
"""

import json
import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

import numpy as np

from src.engines.base import Audio
from src.engines.coqui.local_files import localise
from src.weights.store import CoquiFiles

if TYPE_CHECKING:
    from TTS.utils.synthesizer import Synthesizer

Speak = Callable[[str], Audio]

COQUIS_PAUSE = 10_000
"""Number of zeros that Coqui adds after every sentence."""


@dataclass(frozen=True)
class Spoken:
    audio: list[Audio]
    seconds: float
    cpu: float
    """CPU seconds of all threads."""
    memory: float
    """Peak memory of the process in MB."""


class Peer:
    """Synthesises sentences one after the other, as its users would.

    Args:
        prepare: makes the function that speaks; called in the new process, with `arguments`.
    """

    def __init__(self, prepare: Callable[..., Speak], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, prepare, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pipe.close()
        self._process.join()

    def speak(self, texts: Sequence[str]) -> Spoken:
        self._pipe.send(list(texts))
        spoken: Spoken = self._pipe.recv()
        return spoken


def _serve(pipe: Connection, prepare: Callable[..., Speak], arguments: tuple[object, ...]) -> None:
    speak = prepare(*arguments)
    speak("Ready.")
    pipe.send(None)
    while True:
        try:
            texts = pipe.recv()
        except EOFError:
            return
        begun, cpu = time.perf_counter(), time.process_time()
        audio = [speak(text) for text in texts]
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        pipe.send(Spoken(audio, seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def coqui(files: CoquiFiles, threads: int) -> Speak:
    """`Synthesizer.tts`, a sentence a call; without the 10,000 zeros that it puts after each."""
    import torch

    torch.set_num_threads(threads)
    peer = synthesizer(files)
    return lambda text: np.array(peer.tts(text, split_sentences=False)[:-COQUIS_PAUSE], np.float32)


def synthesizer(files: CoquiFiles) -> "Synthesizer":
    """Coqui's own synthesizer of a voice. It does not need the program espeak-ng.

    It refuses a phoneme model whose config names no phonemizer. So espeak is named, its tokenizer's default.
    """
    from TTS.config import read_json_with_comments
    from TTS.utils.synthesizer import Synthesizer

    from src.engines.coqui import phonemes

    phonemes.register()
    settings = read_json_with_comments(files.config)
    localise(settings, files.config.parent)
    vocoder = None if files.vocoder_config is None else read_json_with_comments(files.vocoder_config)
    if vocoder is not None and files.vocoder_config is not None:
        localise(vocoder, files.vocoder_config.parent)
    if settings.get("use_phonemes") and not settings.get("phonemizer"):
        settings["phonemizer"] = "espeak"
    with TemporaryDirectory() as scratch:
        config = Path(scratch) / "config.json"
        config.write_text(json.dumps(settings))
        vocoder_config = Path(scratch) / "vocoder.json"
        vocoder_config.write_text(json.dumps(vocoder))
        return Synthesizer(
            tts_checkpoint=files.checkpoint,
            tts_config_path=config,
            vocoder_checkpoint=files.vocoder_checkpoint,
            vocoder_config=vocoder_config if vocoder else None,
        )


def write_voices(file: Path, voices: Mapping[str, Path]) -> None:
    """Write Kokoro's voices into one archive of NumPy's, as kokoro-onnx and fastkokoro read them."""
    styles = {name: np.fromfile(path, np.float32).reshape(-1, 1, 256) for name, path in voices.items()}
    np.savez(file, allow_pickle=False, **styles)


def kokoro(model: Path, voice: Path, language: str, threads: int) -> Speak:
    """`kokoro_onnx.Kokoro.create`, a sentence a call."""
    import onnxruntime
    from kokoro_onnx import Kokoro

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model), settings, providers=["CPUExecutionProvider"])
    with TemporaryDirectory() as scratch:
        voices = Path(scratch) / "voices.npz"
        write_voices(voices, {"voice": voice})
        theirs = Kokoro.from_session(session, str(voices))
    espeak = {"en": "en-us", "es": "es"}[language]
    return lambda text: theirs.create(text, "voice", lang=espeak)[0]
