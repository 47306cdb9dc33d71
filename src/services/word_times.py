"""When each word of a text is said, and the same as subtitles."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from src.engines.base import Segment, Word, WordSpan
from src.services.subtitles import to_srt, to_vtt
from src.services.text import Piece


@dataclass(frozen=True, slots=True)
class WordTime:
    """A word as it is written in the text, with its punctuation, and when it is said."""

    word: str
    start: float
    """Seconds from the start of the audio."""
    end: float


WORD_FILES = ("json", "srt", "vtt")
"""Forms in which word times are kept beside the audio."""

Phrase = tuple[WordTime, ...]
"""The words of one piece of text: a sentence or a part of one."""


def times_of(piece: Piece, spans: Sequence[WordSpan], begin: float, speed: float) -> Phrase:
    """The written words of a piece.

    Args:
        piece: with its written words.
        spans: of its spoken words, at the voice's own speed.
        begin: seconds of audio before the piece.
        speed: how much faster than the voice's own the piece is.
    """

    def at(place: float, *, is_end: bool) -> float:
        number = min(int(place), len(spans) - 1)
        if is_end and place == number and number > 0:
            number -= 1  # the end of the word before, not the start of this one: a pause may lie between
        start, end = spans[number]
        return round(begin + (start + (place - number) * (end - start)) / speed, 3)

    return tuple(
        WordTime(word.text, at(word.start, is_end=False), at(word.end, is_end=True))
        for word in (piece.written if spans else ())
    )


def files(phrases: Sequence[Phrase]) -> Iterator[tuple[str, str, bytes]]:
    """Extension, content type and content of each form in which word times are kept."""
    segments = [_segment(phrase) for phrase in phrases if phrase]
    words = {"words": [asdict(word) for phrase in phrases for word in phrase]}
    yield "json", "application/json", json.dumps(words, ensure_ascii=False).encode()
    yield "srt", "application/x-subrip", to_srt(segments).encode()
    yield "vtt", "text/vtt", to_vtt(segments).encode()


def read(content: bytes) -> Phrase:
    """The words of the JSON of `files`.

    Raises:
        ValueError, TypeError, KeyError: it is not of that form.
    """
    return tuple(WordTime(**word) for word in json.loads(content)["words"])


def _segment(phrase: Phrase) -> Segment:
    words: Iterable[Word] = (Word(word.start, word.end, word.word, 1.0) for word in phrase)
    text = " ".join(word.word for word in phrase)
    return Segment(phrase[0].start, phrase[-1].end, text, 0.0, 0.0, tuple(words))
