"""Compare Coqui's released voices in Voz with Coqui's own synthesizer, and transcribe their speech.

    python -m scripts.check_coqui

It fetches the weights, or takes folders (`--en`, `--es`). To fetch, the machine must reach the hosts of
Coqui's catalogue. It checks four things; the exit status is 1 if one fails:

1. The models can be fetched and opened.
2. Phonemes are equal to those of Coqui's wrapper. This needs the program `espeak-ng` in the same version.
3. Samples in float32 are equal to those of `TTS.utils.synthesizer.Synthesizer.tts`.
4. Round trip: a server with TTS_ENGINE=coqui speaks sentences, and Whisper transcribes them.
"""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.tts_peers import COQUIS_PAUSE, synthesizer
from src.config import Settings
from src.engines.base import Audio
from src.engines.voices import VoiceRegistry
from src.errors import StartupError
from src.services.text import to_speech
from src.weights.store import CoquiFiles, ModelStore
from src.weights.tts_engine import TtsEngine
from tests.support.sentences import SENTENCES

_LARGEST_DIFFERENCE = 1e-3
"""Largest difference of two samples, as a share of the loudest sample: 60 dB below it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks that the arguments ask for; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--en", default=Settings.model_fields["tts_model_en"].default, help="name or folder")
    parser.add_argument("--es", default=Settings.model_fields["tts_model_es"].default, help="name or folder")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--stt", default="base", help="Whisper model that transcribes the speech")
    parser.add_argument("--sentences", type=int, default=50, help="a language, in each part")
    parser.add_argument("--may-differ", type=float, default=0.1, help="share of sentences that may differ")
    parser.add_argument("--most-errors", type=float, default=0.3, help="word error rate that fails")
    parser.add_argument("--no-round-trip", action="store_true", help="leave out part 4")
    asked = parser.parse_args(arguments)
    store = ModelStore(asked.models_dir)
    try:
        voices = {"en": store.coqui(asked.en), "es": store.coqui(asked.es)}
        texts = {language: _pieces(language, asked.sentences) for language in voices}
        spoken = asyncio.run(_speak(voices, texts))
    except StartupError as error:
        print(error)
        return 1
    wrong = 0
    for language, files in voices.items():
        print(f"{language}: {files.name}")
        wrong += not _same_phonemes(language, texts[language])
        wrong += not _same_sound(files, texts[language], spoken[language], asked.may_differ)
    if not asked.no_round_trip:
        wrong += not _read_back(asked)
    print(f"{wrong} of the checks failed" if wrong else "every check passed")
    return 1 if wrong else 0


def _pieces(language: str, most: int) -> list[str]:
    return [to_speech(sentence.text, language)[0].text for sentence in SENTENCES[language][:most]]


async def _speak(
    voices: dict[str, CoquiFiles], texts: dict[str, list[str]]
) -> dict[str, list[Audio | BaseException]]:
    from src.engines.coqui import CoquiEngine

    models = [replace(files, language=language) for language, files in voices.items()]
    async with CoquiEngine(models, compute_type="float32") as engine:
        registry = VoiceRegistry(engine.voices)
        return {
            language: await asyncio.gather(
                *(engine.synthesize(text, registry.default(language), language) for text in texts[language]),
                return_exceptions=True,
            )
            for language in voices
        }


def _same_phonemes(language: str, texts: list[str]) -> bool:
    from TTS.tts.utils.text.phonemizers import ESpeak

    from src.engines.coqui.phonemes import EspeakPhonemizer

    if shutil.which("espeak-ng") is None:
        print("  phonemes: the program espeak-ng is not here to compare with")
        return True
    ours, theirs = EspeakPhonemizer(language), ESpeak(language)
    different = [text for text in texts if ours.phonemize(text, "") != theirs.phonemize(text, "")]
    versions = f"library {ours.version()}, program {theirs.version()}"
    print(f"  phonemes: {len(different)} of {len(texts)} sentences differ ({versions})")
    # another version pronounces some words differently
    return not different or not ours.version().startswith(theirs.version())


def _same_sound(
    files: CoquiFiles, texts: list[str], spoken: list[Audio | BaseException], may_differ: float
) -> bool:
    peer = synthesizer(files)
    different = 0
    for text, ours in zip(texts, spoken, strict=True):
        problem = _problem(ours, peer, text)
        if problem:
            different += 1
            print(f"  {text}\n    {problem}")
    print(f"  sound: {different} of {len(texts)} sentences differ")
    # Voz repeats a sentence that Coqui breaks off, and keeps the speech after a pause
    return different <= may_differ * len(texts)


def _problem(ours: Audio | BaseException, peer: Any, text: str) -> str:
    if isinstance(ours, BaseException):
        return f"{type(ours).__name__}: {ours}"
    theirs = np.array(peer.tts(text, split_sentences=False)[:-COQUIS_PAUSE], np.float32)
    if len(ours) != len(theirs):
        return f"{len(ours)} samples, Coqui makes {len(theirs)}"
    loudest = float(np.abs(theirs).max(initial=0))
    if loudest == 0:
        return "Coqui makes silence"
    difference = float(np.abs(ours - theirs).max()) / loudest
    return f"differs by {difference:.1e} of the loudest sample" if difference > _LARGEST_DIFFERENCE else ""


def _read_back(asked: argparse.Namespace) -> bool:
    from benchmarks.round_trip import measure
    from src.main import create_app
    from tests.support.server import KEY, serve

    with TemporaryDirectory() as storage:
        settings = Settings(
            _env_file=None,
            api_key=KEY,
            models_dir=asked.models_dir,
            storage="local",
            storage_dir=storage,
            stt_model=asked.stt,
            tts_engine=TtsEngine.COQUI,
            tts_model_en=asked.en,
            tts_model_es=asked.es,
        )
        with serve(create_app(settings)) as server, server.client() as client:
            rates = [measure(client, language, None, asked.sentences) for language in ("en", "es")]
    return bool(max(rates) <= asked.most_errors)


if __name__ == "__main__":
    sys.exit(main())
