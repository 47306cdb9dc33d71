"""Languages as clients write them: codes, tags with a region, names, in any case."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache

from babel import Locale
from babel.core import get_global

from src.errors import InvalidInput

_AUTOMATIC = frozenset({"", "auto", "automatic", "detect"})
_ALIASES = {
    "castilian": "es", "valencian": "ca", "flemish": "nl", "mandarin": "zh", "haitian": "ht",
    "moldavian": "ro", "moldovan": "ro", "pushto": "ps", "panjabi": "pa", "sinhalese": "si",
    "letzeburgesch": "lb", "burmese": "my", "javanese": "jw", "jv": "jw", "tagalog": "tl", "fil": "tl",
    "filipino": "tl", "norwegian": "no", "nb": "no", "iw": "he", "in": "id",
}  # fmt: skip
"""Names that Whisper's own tool takes, and codes that it writes in another way."""
_OWN_NAMES = {
    "français": "fr", "deutsch": "de", "italiano": "it", "português": "pt", "català": "ca", "galego": "gl",
    "euskara": "eu", "nederlands": "nl", "polski": "pl", "русский": "ru", "українська": "uk", "türkçe": "tr",
    "中文": "zh", "日本語": "ja", "한국어": "ko", "العربية": "ar", "हिन्दी": "hi",
}  # fmt: skip
_SHOWN = 40
_REGION = re.compile(r"[A-Za-z]{2}|[0-9]{3}")


def language_code(text: str, known: Sequence[str], field: str = "language") -> str | None:
    """The code of a language as the engine writes it; None if it is to be detected.

    Args:
        text: `es`, `es-MX`, `en_US`, `spa`, `Spanish`, `auto`; white space around it does not count.
        known: the codes that the engine has.
        field: of the request, for the error.

    Raises:
        InvalidInput: there is no such language.
    """
    wanted = _normalised(text)
    if wanted in _AUTOMATIC:
        return None
    if code := _find(wanted, known):
        return code
    names = _names(tuple(known))
    close = get_close_matches(wanted[:_SHOWN], names, 1, 0.75)
    hint = f"did you mean {names[close[0]]} ({close[0].title()})?" if close else "GET /models lists the codes"
    raise InvalidInput(
        f"unknown language {text.strip()[:_SHOWN]!r}; use an ISO 639-1 code such as en, es or fr: {hint}",
        field,
    )


def language_tag(text: str | None, known: Sequence[str]) -> str | None:
    """A BCP 47 tag such as `es` or `es-MX`; None where no language is named.

    An unknown language comes back in lower case: whoever looks for a voice refuses it by name.

    Args:
        text: as for `language_code`.
        known: the codes of the languages that can be spoken.
    """
    written = (text or "").strip()
    wanted = _normalised(written)
    if wanted in _AUTOMATIC:
        return None
    code = _find(wanted, known)
    if code is None:
        return written.lower()
    language, _, region = written.replace("_", "-").rpartition("-")
    return f"{code}-{region.upper()}" if language and _REGION.fullmatch(region) else code


def _normalised(text: str) -> str:
    return " ".join(text.lower().replace("_", "-").split())


def _find(wanted: str, known: Sequence[str]) -> str | None:
    """The code of a language by its code, tag, ISO 639-2 code or name; None if there is no such language."""
    names = _names(tuple(known))
    tag = wanted.partition("-")[0]
    aliases = get_global("language_aliases")
    for candidate in (wanted, tag, str(aliases.get(tag, ""))):
        if candidate in known:
            return candidate
        if candidate in names:
            return names[candidate]
    return None


@lru_cache(maxsize=4)
def _names(known: tuple[str, ...]) -> dict[str, str]:
    """Names in English, in Spanish and of the most spoken languages in themselves -> code.

    CLDR has a file for each language, which takes tens of milliseconds to load: a request must not wait for a
    hundred of them.
    """
    names = {name: code for name, code in _ALIASES.items() if code in known}
    for locale in ("en", "es"):
        for code, name in Locale(locale).languages.items():
            if code in known:
                names.setdefault(name.lower(), code)
    for name, code in _OWN_NAMES.items():
        if code in known:
            names.setdefault(name, code)
    return names
