"""Phonemes from the library against what Coqui's wrapper makes with the program."""

import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from TTS.tts.configs.tacotron2_config import Tacotron2Config
from TTS.tts.utils.text.phonemizers import ESpeak, get_default_phonemizer, get_phonemizer_by_name

from src.engines.coqui import phonemes
from src.engines.coqui.espeak import Espeak
from src.engines.coqui.phonemes import EspeakPhonemizer
from src.errors import ModelUnavailable
from tests.support.phonemes import answers, program, recorded, texts

REPOSITORY = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def voices() -> dict[str, EspeakPhonemizer]:
    return {language: EspeakPhonemizer(language) for language in ("en", "es")}


@pytest.mark.parametrize("language", ["en", "es"])
def test_phonemes_are_those_of_coquis_own_wrapper(voices: dict[str, EspeakPhonemizer], language: str) -> None:
    expected = recorded()[language]
    assert len(expected) > 100

    wrong = {text: answers(voices[language], text) for text in expected}

    assert wrong == expected


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="the program espeak-ng is not installed")
def test_what_is_recorded_is_what_the_program_says() -> None:
    with program():
        french, sentence = ESpeak("fr-fr"), "Bonjour, tout le monde."  # it has no voice of that very name
        assert answers(EspeakPhonemizer("fr-fr"), sentence) == answers(french, sentence)
        theirs = ESpeak("es")
        assert theirs.version() == Espeak().version
        assert theirs.supported_languages().keys() == EspeakPhonemizer.supported_languages().keys()
        ours = EspeakPhonemizer("es")
        for text in texts("es")[::4]:
            assert answers(theirs, text) == answers(ours, text)
        for text, said in list(recorded()["es"].items())[::8]:
            assert answers(theirs, text) == said


def test_foreign_words_are_spoken_without_the_marks_around_them(voices: dict[str, EspeakPhonemizer]) -> None:
    text = "日本語 y привет"
    assert "(en)" in voices["es"]._espeak.phonemes(text)

    assert "(" not in voices["es"].phonemize(text, separator="")


def test_the_program_is_not_needed() -> None:
    """In a process that cannot find it, as in the image."""
    code = """
import shutil
from TTS.tts.configs.tacotron2_config import Tacotron2Config
from TTS.tts.utils.text.tokenizer import TTSTokenizer
from src.engines.coqui import phonemes
assert shutil.which("espeak-ng") is None and shutil.which("espeak") is None
for named in ("espeak", None):
    config = Tacotron2Config(use_phonemes=True, phoneme_language="es", phonemizer=named)
    phonemes.prepare(config, "test")
    tokenizer, _ = TTSTokenizer.init_from_config(config)
    print(tokenizer.phonemizer.phonemize("¿Qué tal, chico?", separator=""))
"""
    environment = {
        **os.environ,
        "PATH": "/nowhere",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=False, capture_output=True, encoding="utf-8"
    )

    assert done.stdout.splitlines() == ["¿kˈe tˈal, tʃˈiko?"] * 2, done.stderr


def test_voices_and_kokoro_do_not_disturb_each_other(voices: dict[str, EspeakPhonemizer]) -> None:
    """The library keeps its state in global variables: each has a copy for itself."""
    from src.engines.kokoro.phonemes import Phonemizer

    samples = {
        language: {text: said for text, said in recorded()[language].items() if len(text) < 200}
        for language in voices
    }
    kokoro = Phonemizer("en-US")
    text, letters = "Hello there, how are you?", {chr(code): code for code in range(1, 1000)}
    alone = kokoro.phonemes(text, letters)
    stop = threading.Event()

    def interfere() -> bool:
        while not stop.is_set():
            if kokoro.phonemes(text, letters) != alone:
                return False
        return True

    def say(language: str) -> bool:
        return all(answers(voices[language], text) == said for text, said in samples[language].items())

    with ThreadPoolExecutor(5) as pool:
        other = pool.submit(interfere)
        try:
            assert all(pool.map(say, ["en", "es", "en", "es"]))
        finally:
            stop.set()
        assert other.result()


def test_every_phonemizer_that_coqui_would_run_the_program_for_is_ours() -> None:
    phonemes.register()

    assert isinstance(get_phonemizer_by_name("espeak", language="fr-fr"), EspeakPhonemizer)
    for language in ("en", "en-us", "es", "de", "fr-fr", "pt-br"):
        assert get_default_phonemizer(language) == "espeak"
    assert get_default_phonemizer("be") == "be_phonemizer"  # Belarusian has its own


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(RuntimeError, match='language "xx" is not supported'):
        EspeakPhonemizer("xx")


@pytest.mark.skipif(importlib.util.find_spec("gruut") is not None, reason="gruut is installed")
def test_a_model_of_another_phonemizer_says_which_package_it_needs() -> None:
    config = Tacotron2Config(use_phonemes=True, phoneme_language="en-us", phonemizer="gruut")

    with pytest.raises(
        ModelUnavailable, match=r"tts_models/x was trained on phonemes of `gruut`.* Install gruut"
    ):
        phonemes.prepare(config, "tts_models/x")


def test_a_folder_that_nothing_may_be_loaded_from_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise OSError(f"{path}: failed to map segment from shared object")

    monkeypatch.setattr("src.engines.coqui.espeak.ctypes.CDLL", refuse)

    with pytest.raises(RuntimeError, match="mounted `noexec`"):
        Espeak()


@pytest.mark.parametrize(
    "call",
    [
        "from src.engines.coqui.espeak import Espeak; Espeak()",
        "from src.engines.kokoro.phonemes import Phonemizer; Phonemizer('es-ES')",
    ],
    ids=["coqui", "kokoro"],
)
def test_on_a_folder_mounted_noexec_every_phonemizer_names_the_cause(tmp_path: Path, call: str) -> None:
    mount = 'mount -t tmpfs -o noexec none "$TMPDIR"'
    alone = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--mount", "sh", "-c"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    if (
        shutil.which("unshare") is None
        or subprocess.run([*alone, mount], env=environment, check=False, capture_output=True).returncode
    ):
        pytest.skip("this machine lets nobody mount a folder")

    done = subprocess.run(
        [*alone, f'{mount} && exec "$0" -c "$1"', sys.executable, call],
        env=environment,
        check=False,
        capture_output=True,
        encoding="utf-8",
    )

    assert f"RuntimeError: espeak-ng's library cannot be loaded from {tmp_path}" in done.stderr
    assert "mounted `noexec`" in done.stderr


def test_the_container_may_load_libraries_from_its_temporary_folder() -> None:
    """Docker mounts it `noexec` unless told otherwise."""
    compose = YAML(typ="safe").load(REPOSITORY / "docker-compose.yml")

    (mount,) = [each for each in compose["x-voz"]["tmpfs"] if each.startswith("/tmp:")]
    assert "exec" in mount.partition(":")[2].split(",")
