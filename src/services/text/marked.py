"""A text with markup and lexicons to what a voice can say, and the silences between."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from src.errors import InvalidInput
from src.services.text.lexicon import Table
from src.services.text.markup import Pause, Phonemes, Plain, Span, spans_of
from src.services.text.phonemes import MAX_IPA, UnknownPhonemes, disguise, fitted, without_disguises
from src.services.text.sentences import Piece
from src.services.text.speech import check_spoken, pieces_with_ipa, table_of, to_speech


@dataclass(frozen=True, slots=True)
class Silence:
    """A pause that the text asks for."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """How words are said otherwise than the rules of the language have it."""

    markup: bool = False
    """Whether the text has marks (`markup.py`); else brackets are text."""
    entries: Sequence[Table] = ()
    """Tables of the lexicons; the first that has a word says it."""
    known: frozenset[str] = frozenset()
    """Phonemes that the voice takes; none if it reads letters."""


def to_pieces(
    text: str, language: str, dollar: str, pronunciation: Pronunciation, *, timed: bool = False
) -> list[Piece | Silence]:
    """As `to_speech`, with words said as the lexicons or the text itself have them.

    Raises:
        InvalidInput: as `to_speech`; or a mark is wrong, or has phonemes that the voice does not take.
        TooLarge: the lexicons make the text many times longer.
    """
    if not pronunciation.markup and not any(pronunciation.entries):
        return [*to_speech(text, language, dollar, timed=timed)]
    spans = spans_of(text) if pronunciation.markup else [Plain(text)]
    plain = "".join(_written(span) for span in spans)
    table = table_of(plain, language, dollar)
    dropped: Counter[str] = Counter()
    found: list[Piece | Silence] = []
    for section in _sections(spans):
        if isinstance(section, Pause):
            found.append(Silence(section.seconds))
            continue
        read = "".join(_read(span, pronunciation.known, dropped) for span in section)
        written = "".join(map(_written, section))
        found += pieces_with_ipa(read, written, table, dropped, pronunciation.entries, timed=timed)
    check_spoken(plain, [each for each in found if isinstance(each, Piece)], dropped)
    return found


def _sections(spans: Sequence[Span]) -> Iterator[Sequence[Plain | Phonemes] | Pause]:
    """What is said between two pauses, and the pauses."""
    section: list[Plain | Phonemes] = []
    for span in spans:
        if isinstance(span, Pause):
            yield section
            yield span
            section = []
        else:
            section.append(span)
    yield section


def _written(span: Span) -> str:
    match span:
        case Plain(text):
            return text
        case Phonemes(word):
            return word
        case Pause():
            return " "


def _read(span: Plain | Phonemes, known: frozenset[str], dropped: Counter[str]) -> str:
    if isinstance(span, Plain):
        return without_disguises(span.text, dropped)
    try:
        ipa = fitted(span.ipa, known)
    except UnknownPhonemes as error:
        raise InvalidInput(f"{span.place}: {error} (GET /voices has those of each voice)", "text") from None
    if len(ipa) > MAX_IPA:
        raise InvalidInput(f"{span.place}: more than {MAX_IPA} phonemes", "text")
    return disguise(ipa)
