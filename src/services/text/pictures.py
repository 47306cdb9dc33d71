"""Emoji are said by their name in the language, a row of the same ones once."""

import re

import emoji

from src.services.text.language import Language

MAX_NAMED = 40
"""More emoji than this in one text are ornament: the rest is dropped (and keeps hostile texts short)."""

_MODIFIERS = re.compile("[\U0001f3fb-\U0001f3ff]")
_RUN = re.compile("[\u00a9\u00ae\u200d\u203c-\u3299\ufe0f\U0001f000-\U0001faff\U000e0020-\U000e007f]+")
"""Where emoji can be, with what joins them; the rest of the text need not be searched."""
_KEYCAP = re.compile("([0-9#*])\ufe0f?\u20e3")
_PLAIN = frozenset("©®™‼⁉〰〽↔↕↩↪ℹ▪▫◻◼◽◾▶◀⤴⤵➡⬅⬆⬇")


def name_emoji(text: str, language: Language, dropped: dict[str, int]) -> str:
    """Skin tones are not said; keycaps are their digit."""
    if not _RUN.search(text):
        return text
    emoji.config.load_language(language.code)
    text = _KEYCAP.sub(r" \1 ", _MODIFIERS.sub("", text))
    named = 0

    def one(found: str, data: dict[str, str]) -> str:
        nonlocal named
        if found[0] in _PLAIN:
            return found[0]
        name = data.get(language.code, data.get("en", ""))
        named += 1
        if named > MAX_NAMED or not name:
            dropped["emoji beyond the first 40"] = dropped.get("emoji beyond the first 40", 0) + 1
            return " "
        return f", \ue000{name.strip(':').replace('_', ' ')}\ue000, "

    text = _RUN.sub(lambda run: emoji.replace_emoji(run[0], one), text)
    # the same name again and again: 😂😂😂
    text = re.sub(r"(, \ue000([^\ue000]{1,100})\ue000,)(?:\s*, \ue000\2\ue000,)+", r"\1", text)
    return text.replace("\ue000", "")
