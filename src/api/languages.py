"""Languages as clients write them: codes, tags with a region, names, in any case."""

from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache

from babel import Locale, UnknownLocaleError
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
_SHOWN = 40


def language_code(text: str, known: Sequence[str], field: str = "language") -> str | None:
    """The code of a language as the engine writes it; None if it is to be detected.

    Args:
        text: `es`, `es-MX`, `en_US`, `spa`, `Spanish`, `auto`; white space around it does not count.
        known: the codes that the engine has.
        field: of the request, for the error.

    Raises:
        InvalidInput: there is no such language.
    """
    wanted = " ".join(text.lower().replace("_", "-").split())
    if wanted in _AUTOMATIC:
        return None
    names = _names(tuple(known))
    tag = wanted.partition("-")[0]
    aliases = get_global("language_aliases")
    for candidate in (wanted, tag, str(aliases.get(tag, ""))):
        if candidate in known:
            return candidate
        if candidate in names:
            return names[candidate]
    close = get_close_matches(wanted[:_SHOWN], names, 1, 0.75)
    hint = f"did you mean {names[close[0]]} ({close[0].title()})?" if close else "GET /models lists the codes"
    raise InvalidInput(
        f"unknown language {text.strip()[:_SHOWN]!r}; use an ISO 639-1 code such as en, es or fr: {hint}",
        field,
    )


@lru_cache(maxsize=4)
def _names(known: tuple[str, ...]) -> dict[str, str]:
    """Names in English and in the language itself -> code."""
    english = Locale("en").languages
    names = {name: code for name, code in _ALIASES.items() if code in known}
    for code in known:
        if name := english.get(code):
            names.setdefault(name.lower(), code)
        try:
            own = Locale(code).languages.get(code)
        except (UnknownLocaleError, ValueError):
            continue
        if own:
            names.setdefault(own.lower(), code)
    return names
