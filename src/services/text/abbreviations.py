"""Abbreviations (`Dr.`, `EE. UU.`), acronyms (`NASA` is a word, `FBI` is spelled) and words in capitals."""

import re

from src.services.text.language import Language
from src.services.text.reading import Rule, rule, stop

_CAPITAL = "A-ZÁÉÍÓÚÜÑ"
_SMALL = "a-záéíóúüñ"
_CAPITALS = re.compile(rf"(?<![^\W\d_])(?<!')(?P<word>[{_CAPITAL}]{{2,30}})(?P<plural>s?)(?![^\W\d_])")
_CONTRACTION = re.compile(r"(?<![\w'])[A-Z]{1,12}'(?:S|T|LL|RE|VE|D|M)(?!\w)")
_SOUND = re.compile(r"h*m+|s+h*|ps+t|b+r+|p+f+t?|tsk|g+r+|z+|nth|pst|chs+t")
_LONG_SOUND = re.compile(r"h*m{3,}|h+m{2,}|s+h{2,}|z{3,}|b+r{2,}|g+r{2,}")
_WORD = re.compile(rf"(?<![\w.&'@/])(?P<word>[{_CAPITAL}{_SMALL}]{{1,7}})\.(?![\w@])")
_NUMBERED = re.compile(r"\s?(?:\d|[IVX]+\b|[ivx]{2,}\b)")
_GOES_ON = re.compile(r"\s[a-z\d(]|[,;:)]")


def rules(language: Language) -> list[Rule]:
    """The dot of an abbreviation stays where it also ends the sentence, which a title (`Dr.`) never does."""
    table = language.abbreviations
    title_of = re.compile(table.title_before)
    opening = language.opening()

    def ended(match: re.Match[str], said: str) -> str:
        return said if said.endswith(",") else said + stop(match, rf"\s+[¿¡\"']*{opening}")

    def word(match: re.Match[str]) -> str | None:
        written = match["word"]
        after = match.string[match.end() : match.end() + 24]
        small = written.lower()
        if _NUMBERED.match(after) and small in table.numbered:
            return table.numbered[small]
        title = table.titles.get(written.capitalize()) if written.islower() or written.istitle() else None
        if title and title_of.match(after):
            return title
        plain = plain_form(written, small)
        if plain and (small not in language.ambiguous_abbreviations or _GOES_ON.match(after)):
            return ended(match, plain)
        return ended(match, title) if title and small in table.titles_alone else None

    def plain_form(written: str, small: str) -> str | None:
        found = table.plain.get(written)
        if found is None and not written.isupper() and small != "inc":
            found = table.plain.get(small)
        return found

    def unknown(match: re.Match[str]) -> str | None:
        """A short word with a dot in the middle of a sentence: the word stays, the dot goes."""
        written = match["word"]
        after = match.string[match.end() : match.end() + 24]
        if len(written) > 1 and re.match(r"[,;:]", after):
            return written
        if not 1 < len(written) <= 5 or re.match(r"\s(?!\d+:\d)\w+(?:[./:_]\w|://)", after):
            return None
        goes_on = re.match(rf"\s[{_SMALL}]", after) and not after.startswith(" i ")
        counts = re.match(r"\s\d", after) and not re.fullmatch(language.syllables, written.lower())
        return written if goes_on or counts else None

    initial = rf"(?<![\w.'])([{_CAPITAL}])\.(?=\s(?:[{_CAPITAL}][{_SMALL}]|[{_CAPITAL}]\.))(?!\s{opening})"

    forms = sorted(table.special, key=lambda entry: -len(entry[0]))
    ends = [pattern if pattern.endswith(")") else rf"(?:{pattern})(?!\w)" for pattern, _ in forms]

    def special(match: re.Match[str]) -> str:
        pattern, said = forms[int(str(match.lastgroup)[1:])]
        return said if pattern.endswith(")") else ended(match, said)

    either = "|".join(f"(?P<s{i}>{end})" for i, end in enumerate(ends))
    return [
        rule("abbreviation", rf"(?<![\w.&])(?:{either})", special, "special form", near=""),
        Rule("abbreviation", _WORD, word, "known", near=r"[^\W\d_]\."),
        rule("abbreviation", r"(?<![\w.&'])(?P<word>Mrs?|Ms|Dr|St)(?=\s[A-Z])", lambda m: table.titles.get(m["word"]), "title without a dot", near=""),
        rule("abbreviation", initial, lambda m: language.spell(m[1]), "initial", near=r"[^\W\d_]\."),
        rule("abbreviation", rf"(?<![\w.])(?P<letters>(?:[{_CAPITAL}{_SMALL}]\.\s?){{1,8}}[{_CAPITAL}{_SMALL}]\.)(?!\w)", lambda m: ended(m, language.spell(m["letters"])), "letters with dots", near=r"[^\W\d_]\."),
        Rule("abbreviation", _WORD, unknown, "unknown word with a dot", near=r"[^\W\d_]\."),
    ]  # fmt: skip


def acronyms(language: Language) -> list[Rule]:
    """Also small letters that no one can pronounce (`html`), but not sounds people write (`hmm`, `shh`)."""

    def one(match: re.Match[str]) -> str:
        return _acronym(match["word"], match["plural"], language)

    def shout(match: re.Match[str]) -> str | None:
        calm = _calm(_CONTRACTION.sub(lambda m: m[0].lower(), match[0]), language)
        if calm is None:
            return None
        return _CAPITALS.sub(lambda m: _acronym(m["word"], m["plural"], language), calm)

    def consonants(match: re.Match[str]) -> str | None:
        return None if _SOUND.fullmatch(match[0]) else language.spell(match[0])

    return [
        rule("word", rf"(?<![\w])[{_CAPITAL}]{{1,30}}(?:[ ,;:¡¿'\"-]{{1,3}}[{_CAPITAL}]{{1,30}}){{2,400}}(?!\w)", shout, "shouted", near=""),
        Rule("word", _CONTRACTION, lambda m: m[0].lower(), "contraction", near=""),
        Rule("acronym", _CAPITALS, one, "capitals", near=""),
        rule("acronym", r"(?<![^\W\d_])(?<!['-])[b-df-hj-np-tv-xzñ]{2,5}(?![^\W\d_]|['-])", consonants, "no vowel", near=""),
    ]  # fmt: skip


def _acronym(word: str, plural: str, language: Language) -> str:
    if _is_word(word, language):
        return (word.lower() if word.lower() in language.everyday else word.capitalize()) + plural
    return language.spell(word) + plural


def _calm(shout: str, language: Language) -> str | None:
    """A shouted sentence in lower case; None for a row of acronyms."""
    words = re.findall(rf"[{_CAPITAL}]+", shout)
    everyday = sum(word.lower() in language.everyday for word in words)
    if sum(len(word) > 5 for word in words) + everyday < max(1, len(words) // 3):
        return None

    def one(match: re.Match[str]) -> str:
        word = match[0]
        acronym = word in language.said_as_letters or word in language.said_as_words
        return word if acronym or not re.search("[AEIOUYÁÉÍÓÚÜ]", word) else word.lower()

    return re.sub(rf"[{_CAPITAL}]+", one, shout)


def _is_word(word: str, language: Language) -> bool:
    if word in language.said_as_letters:
        return False
    if _LONG_SOUND.fullmatch(word.lower()):
        return True
    if word in language.said_as_words or word.lower() in language.everyday or len(word) > 8:
        return True
    return len(word) >= language.shortest_word and bool(re.fullmatch(language.syllables, word.lower()))
