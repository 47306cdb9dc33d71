"""Sentences, then clauses if a sentence is long, each with the pause that follows it."""

import re
from dataclasses import dataclass

from src.services.text.language import Language
from src.services.text.written import Written

MAX_LETTERS = 220
"""Longer than this is cut: Tacotron's attention loses its way in long sentences."""
MIN_LETTERS = 12
"""Shorter than this joins its neighbour: a model that hears one word alone has nothing to go by."""

PARAGRAPH, QUESTION, SENTENCE, COLON, COMMA, BREATH = 0.7, 0.45, 0.4, 0.25, 0.15, 0.08
"""Seconds of silence after each kind of end."""

_ENDS = re.compile(r"(?<=[.?])\s+|(?<=!)\s+(?![a-záéíóúüñ])")
"""Abbreviations and numbers are words by now, so every dot ends a sentence; a `!` may stand within one."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What a voice says in one breath."""

    text: str
    """Letters, spaces and `.,;:?!¿¡'-` only: no digit, no other sign."""
    pause: float
    """Seconds of silence after it."""
    written: tuple[Written, ...] = ()
    """Words that it is said for, if they were asked for; their places are among the words of `text`."""


def split(text: str, language: Language) -> list[Piece]:
    """Cut plain text (a paragraph a line) into pieces of at most `MAX_LETTERS`; the last has no pause."""
    pieces: list[Piece] = []
    for paragraph in text.split("\n"):
        found = [piece for s in _merge(_sentences(paragraph)) for piece in _cut(_ended(s), language)]
        if found:
            pieces += [*found[:-1], Piece(found[-1].text, PARAGRAPH)]
    if pieces:
        pieces[-1] = Piece(pieces[-1].text, 0.0)
    return pieces


def _sentences(paragraph: str) -> list[str]:
    return [part.strip() for part in _ENDS.split(paragraph) if _letters(part)]


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text))


def _ended(sentence: str) -> str:
    """The sentence with a mark at its end: the models were taught on sentences that have one."""
    sentence = sentence.rstrip(" ,;:-'")
    return sentence if sentence.endswith((".", "?", "!")) else sentence + "."


def _merge(sentences: list[str]) -> list[str]:
    merged: list[str] = []
    for sentence in sentences:
        short = merged and min(len(_letters(merged[-1])), len(_letters(sentence))) < MIN_LETTERS
        if short and len(merged[-1]) + len(sentence) < MAX_LETTERS // 2:
            merged[-1] = f"{_ended(merged[-1])} {sentence}"
        else:
            merged.append(sentence)
    return merged


def _cut(sentence: str, language: Language) -> list[Piece]:
    pieces: list[Piece] = []
    rest = sentence
    while len(rest) > MAX_LETTERS:
        head, rest, pause = _cut_once(rest, language)
        pieces.append(Piece(head, pause))
    return [*pieces, Piece(rest, SENTENCE if rest.endswith(".") else QUESTION)]


def _cut_once(text: str, language: Language) -> tuple[str, str, float]:
    """The longest good beginning: up to `;` or `:`, else a comma, else before a conjunction, else a word."""
    low, window = MAX_LETTERS // 4, text[:MAX_LETTERS]
    for marks, pause in ((".?!", SENTENCE), (";:", COLON), (",", COMMA)):
        ends = [m.end() for m in re.finditer(rf"[{marks}](?=\s)", window) if m.end() >= low]
        if ends:
            return text[: ends[-1]].strip(), text[ends[-1] :].strip(), pause
    words = [
        m.start()
        for m in re.finditer(rf"(?<=\s)(?:{'|'.join(language.conjunctions)})\s", window)
        if m.start() >= low
    ]
    end = words[-1] if words else window.rfind(" ", low)
    if end <= 0:
        end = MAX_LETTERS - 1
    head = text[:end].strip().rstrip("-'")
    return head + ("" if head.endswith((",", ".", "?", "!", ";", ":")) else ","), text[end:].strip(), BREATH
