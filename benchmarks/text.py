"""Accuracy and speed of text normalisation: written forms by kind, ordinary prose, and NVIDIA's test suite.

    python -m benchmarks.text                          # forms, prose, time
    python -m benchmarks.text --wrong                  # and lists the errors
    python -m benchmarks.text --nemo FOLDER            # FOLDER: a clone of NVIDIA/NeMo-text-processing

A form is right if it is said in the words of one of its right readings; case, punctuation, hyphens, and
letters that are spelled together or apart do not count. In NVIDIA's suite, which writes `and` and `con` in
some amounts and not in others, these two do not count either, and words that espeak-ng pronounces alike are
alike.
Prints, asserts nothing.
"""

import argparse
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from src.engines.coqui.espeak import Espeak
from src.errors import InvalidInput
from src.services.text import to_speech
from src.services.text.tables import LANGUAGES
from tests.support.sentences import SENTENCES, plain

_TESTS = Path(__file__).parents[1] / "tests"
_SUITE = "tests/nemo_text_processing/{}/data_text_normalization"
_VOICES = {"en": "en-us", "es": "es"}
_LETTERS = 5000


@dataclass(frozen=True, slots=True)
class Form:
    kind: str
    language: str
    written: str
    spoken: tuple[str, ...]
    """Each a right reading."""


def say(text: str, language: str) -> str:
    try:
        return " ".join(piece.text for piece in to_speech(text, language))
    except InvalidInput:
        return ""


def words(spoken: str, language: str) -> str:
    found = plain(spoken.replace("-", " "), language)
    if language == "es":  # NVIDIA's suite has letters where a voice is given their names
        found = found.replace("uve doble", "w").replace("i griega", "y")
        letters = {name: letter for letter, name in LANGUAGES["es"].letters.items() if letter.isascii()}
        found = " ".join(letters.get(word, word) for word in found.split())
    return found.replace(" ", "")


def given() -> Iterator[Form]:
    for line in (_TESTS / "support/written_forms.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            kind, language, written, spoken = line.split("\t")
            yield Form(kind, language, written, tuple(spoken.split(" | ")))


def is_right(form: Form) -> bool:
    found = words(say(form.written, form.language), form.language)
    return any(
        found in (words(way, form.language), words(say(way, form.language), form.language))
        for way in form.spoken
    )


def suite(folder: Path, language: str) -> Iterator[Form]:
    """Cases as NVIDIA writes them: `written~spoken~spoken`; those with audio have a reading a line."""
    for file in sorted((folder / _SUITE.format(language)).glob("test_cases_*.txt")):
        kind = file.stem.removeprefix("test_cases_")
        lines = file.read_text(encoding="utf-8").splitlines()
        if kind == "normalize_with_audio":
            for case in re.split(r"(?m)^~", "\n".join(lines))[1:]:
                written, *spoken = filter(str.strip, case.split("\n"))
                yield Form(kind, language, written, tuple(spoken))
            continue
        for line in lines:
            written, *spoken = line.split("~")
            if spoken and written.strip():
                yield Form(kind, language, written, tuple(spoken))


def is_right_or_sounds_so(form: Form) -> bool:
    if is_right(form):
        return True
    said, language = say(form.written, form.language), form.language
    joint = {"en": " and ", "es": " con "}[language]
    bare = [
        words(f" {way.lower()} ".replace(joint, " "), language)
        for way in (said, *form.spoken, *(say(way, language) for way in form.spoken))
    ]
    return bare[0] in bare[1:] or any(_sound(way, language) == _sound(said, language) for way in form.spoken)


@cache
def _voice(language: str) -> Espeak:
    voice = Espeak()
    voice.choose(_VOICES[language])
    return voice


def _sound(text: str, language: str) -> str:
    return re.sub(r"[\sˈˌ_]", "", _voice(language).phonemes(text.replace("-", " ")))


def report(title: str, forms: Iterable[Form], judge: Callable[[Form], bool], *, wrong: bool) -> None:
    rows: dict[str, list[bool]] = defaultdict(list)
    for form in forms:
        rows[form.kind].append(right := judge(form))
        if wrong and not right:
            print(f"    {form.kind}: {form.written!r}: {say(form.written, form.language)!r}")
            print(f"        for {' | '.join(form.spoken)}")
    for kind, row in rows.items():
        print(f"  {kind:32} {sum(row):4} of {len(row):4}")
    every = [right for row in rows.values() for right in row]
    print(
        f"{title:34} {sum(every):4} of {len(every):4}  {100 * sum(every) / len(every):5.1f} %\n", flush=True
    )


def prose(language: str) -> None:
    letters = re.compile(r"[^\W\d_]+")
    sentences = (_TESTS / f"data/prose/{language}.txt").read_text(encoding="utf-8").splitlines()
    changed = [
        sentence
        for sentence in sentences
        if letters.findall(say(sentence, language).lower()) != letters.findall(sentence.lower())
    ]
    print(f"prose, {language}: {len(changed)} of {len(sentences)} sentences changed")
    for sentence in changed:
        print(f"    {sentence} -> {say(sentence, language)}")


def duration(language: str) -> None:
    text = (" ".join(sentence.text for sentence in SENTENCES[language]) * 3)[:_LETTERS]
    to_speech(text, language)
    times = []
    for _ in range(10):
        began = time.process_time()
        to_speech(text, language)
        times.append(time.process_time() - began)
    print(f"{_LETTERS} characters, {language}: {1000 * min(times):.0f} ms of CPU time (best of 10)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wrong", action="store_true", help="show what is read wrongly")
    parser.add_argument("--nemo", type=Path, help="a clone of NVIDIA/NeMo-text-processing")
    options = parser.parse_args()
    for language in _VOICES:
        forms = [form for form in given() if form.language == language]
        report(f"given forms, {language}", forms, is_right, wrong=options.wrong)
        if options.nemo:
            forms = list(suite(options.nemo, language))
            report(f"NVIDIA's suite, {language}", forms, is_right_or_sounds_so, wrong=options.wrong)
    for language in _VOICES:
        prose(language)
        duration(language)


if __name__ == "__main__":
    main()
