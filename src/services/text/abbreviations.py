"""Abbreviations (`Dr.`, `EE. UU.`), acronyms (`NASA` is a word, `FBI` is spelled) and words in capitals."""

import re
from functools import lru_cache

from src.services.text.language import Language

_CAPITAL = "A-ZÁÉÍÓÚÜÑ"
_CAPITALS = re.compile(rf"(?<![\w'])([{_CAPITAL}]{{2,30}})(s?)(?!\w)")
_SHOUTED = re.compile(
    rf"(?<![\w])[{_CAPITAL}]{{1,30}}(?:[ ,;:¡¿'\"-]{{1,3}}[{_CAPITAL}]{{1,30}}){{2,400}}(?!\w)"
)
_CONTRACTION = re.compile(r"(?<![\w'])[A-Z]{1,12}'(?:S|T|LL|RE|VE|D|M)(?!\w)")
_DOTTED = re.compile(rf"(?<![\w.])((?:[{_CAPITAL}a-zñ]\.\s?){{1,8}}[{_CAPITAL}a-zñ]\.)(?!\w)")
_INITIAL = re.compile(rf"(?<![\w.'])([{_CAPITAL}])\.(?=\s(?:[{_CAPITAL}][a-záéíóúüñ]|[{_CAPITAL}]\.))")
_CONSONANTS = re.compile(r"(?<![\w'-])[b-df-hj-np-tv-xzñ]{2,5}(?![\w'-])")
_SOUND = re.compile(r"h*m+|s+h*|ps+t|b+r+|p+f+t?|tsk|g+r+|z+|nth|pst|chs+t")


@lru_cache
def _compiled(language: Language) -> list[tuple[re.Pattern[str], str]]:
    # the longest first, so that `S. A. de C. V.` is not taken for `S. A.`
    table = sorted(language.abbreviations, key=lambda entry: -len(entry[0]))
    return [(re.compile(rf"(?<![\w.&])(?:{pattern})(?!\w)"), said) for pattern, said in table]


def expand_abbreviations(text: str, language: Language) -> str:
    """The dot of an abbreviation stays where it also ends the sentence, which a title (`Dr.`) never does."""
    for pattern, said in _compiled(language):
        if "(?=" in pattern.pattern:  # it needs what follows
            text = pattern.sub(said, text)
            continue
        text = pattern.sub(lambda m, said=said: said + _stop(m, language, said), text)  # type: ignore[misc]
    text = _INITIAL.sub(lambda m: m[0] if _starts(m, language) else language.spell(m[1]), text)
    return _DOTTED.sub(lambda m: language.spell(m[1]) + _stop(m, language, ""), text)


def _stop(match: re.Match[str], language: Language, said: str) -> str:
    if not match[0].endswith(".") or said.endswith(","):
        return ""
    rest = match.string[match.end() : match.end() + 40]
    return "." if not rest.strip(" \"')") or rest.startswith("\n") or _starts(match, language) else ""


def _starts(match: re.Match[str], language: Language) -> bool:
    """Whether a sentence begins behind `match`."""
    found = re.match(
        rf"[\"')]*\s+[¿¡\"']*([{_CAPITAL}][a-záéíóúüñ']*)", match.string[match.end() : match.end() + 40]
    )
    return bool(found and found[1].lower() in language.starters)


def expand_acronyms(text: str, language: Language) -> str:
    """Also small letters that no one can pronounce (`html`), but not sounds people write (`hmm`, `shh`)."""
    text = _CONTRACTION.sub(lambda m: m[0].lower(), text)
    text = _SHOUTED.sub(lambda m: _calm(m[0], language), text)

    def one(match: re.Match[str]) -> str:
        word, plural = match[1], match[2]
        if _is_word(word, language):
            return (word.lower() if word.lower() in language.everyday else word.capitalize()) + plural
        return language.spell(word) + plural

    text = _CAPITALS.sub(one, text)
    return _CONSONANTS.sub(lambda m: m[0] if _SOUND.fullmatch(m[0]) else language.spell(m[0]), text)


def _calm(shout: str, language: Language) -> str:
    """A shouted sentence in lower case; a row of acronyms stays as it is."""
    words = re.findall(rf"[{_CAPITAL}]+", shout)
    everyday = sum(word.lower() in language.everyday for word in words)
    if sum(len(word) > 5 for word in words) + everyday < max(1, len(words) // 3):
        return shout

    def one(match: re.Match[str]) -> str:
        word = match[0]
        acronym = word in language.said_as_letters or word in language.said_as_words
        return word if acronym or not re.search("[AEIOUYÁÉÍÓÚÜ]", word) else word.lower()

    return re.sub(rf"[{_CAPITAL}]+", one, shout)


def _is_word(word: str, language: Language) -> bool:
    if word in language.said_as_letters:
        return False
    if word in language.said_as_words or word.lower() in language.everyday or len(word) > 8:
        return True
    return len(word) >= language.shortest_word and bool(re.fullmatch(language.syllables, word.lower()))
