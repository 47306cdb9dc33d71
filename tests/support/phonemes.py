"""Phonemes of many texts by Coqui's own wrapper, with the program `espeak-ng` on the data that Voz uses.

The system's program may differ in version from the library of `espeakng-loader`, and then some phonemes
differ. So the program runs on the loader's library and data. Its output is kept in
`tests/data/phonemes.json`, for machines without the program. To write it anew:

    python -m tests.support.phonemes
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import espeakng_loader

from tests.support.sentences import SENTENCES

RECORDED = Path(__file__).parent.parent / "data" / "phonemes.json"

CORNERS = {
    "en": [
        "",
        "   ",
        "...",
        "¿?",
        "Hello",
        'Judge, chew; "boys" are... joyful: away!',
        "It costs $3.50 and 1,234,567.89 people came at 10:30 on the 21st.",
        "El niño said façade, schadenfreude and déjà vu.",
        "日本語 and привет",
        "[[h@'loU]] world",
        "a line\nand another\n\nand\r\na last",
        "-v es",
        "(in brackets) and [these] {too} <b>not</b> (en)",
        "under_score a_b and 100% & @home #tag",
        "e.g. Dr. Smith vs. Mr. Jones, etc.",
        "😀 fine “quoted” — dashed – ended…",
        "word " * 400,
    ],
    "es": [
        "",
        "...",
        "¿?",
        "El marketing del weekend, un show.",
        "Chico, cine; muchacho, guía: ¿cigüeña? ¡Llueve!",
        "Cuesta 3,50 € y 1.234.567 a las 10:30 del día 21.º",
        "Vamos a hacer un brainstorming con el software de Google y YouTube.",
        "Shakespeare dijo: «To be or not to be».",
        "日本語 y привет",
        "[[o'la]] mundo",
        "una línea\notra\n\ny\r\nla última",
        "Sección 3.ª (de cuatro), EE. UU. y la OTAN",
        "un_guion, 100 % & @casa",
        "palabra " * 300,
    ],
}
"""Numbers, foreign words, punctuation, empty pieces, and other ambiguous text."""


def texts(language: str) -> list[str]:
    return CORNERS[language] + [text for each in SENTENCES[language] for text in (each.text, each.said)]


def answers(phonemizer: Any, text: str) -> list[str]:
    """With punctuation, and each sound by itself."""
    return [phonemizer.phonemize(text, separator=""), phonemizer._phonemize(text.strip(), "|")]


@contextmanager
def program() -> Iterator[None]:
    """Coqui's wrapper finds the program, running on the loader's library and data.

    Raises:
        FileNotFoundError: the program is not installed.
    """
    from TTS.tts.utils.text.phonemizers import espeak_wrapper

    installed = shutil.which("espeak-ng")
    if installed is None:
        raise FileNotFoundError("espeak-ng")
    loader = Path(espeakng_loader.get_library_path()).parent
    with TemporaryDirectory() as folder:
        script = Path(folder) / "espeak-ng"
        variables = f"LD_LIBRARY_PATH={loader} ESPEAK_DATA_PATH={loader}"
        script.write_text(f'#!/bin/sh\nexec env {variables} {installed} "$@"\n')
        script.chmod(0o755)
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        with (
            mock.patch.dict(os.environ, {"PATH": path}),
            mock.patch.object(espeak_wrapper, "_DEF_ESPEAK_LIB", "espeak-ng"),
        ):
            yield


def recorded() -> dict[str, dict[str, list[str]]]:
    """By language and text."""
    found: dict[str, dict[str, list[str]]] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


def main() -> None:
    from TTS.tts.utils.text.phonemizers import ESpeak

    with program():
        said = {
            language: {text: answers(ESpeak(language), text) for text in texts(language)}
            for language in SENTENCES
        }
    RECORDED.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
