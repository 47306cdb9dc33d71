"""What people paste: Unicode made plain, markup and emoticons taken away, newlines kept as paragraphs."""

import html
import re
import unicodedata

_SPACES = re.compile(r"[^\S\n]+")
_GROUP_SPACE = re.compile(r"(?<=\d)[\u00a0\u2009\u202f\u2007](?=\d{3}(?!\d))")
# 12 500, 1 250 300: not where the groups can be those of a telephone number (612 345 678)
_PLAIN_GROUPS = re.compile(
    r"(?<![\d+(:/-] )(?<![\w.,+():/-])"
    r"([1-9]\d{0,2}(?: 000)+|[1-9]\d?(?: \d{3})+|[1-9]\d{2} \d{3}(?=,\d| ?(?:€|\$|£|%|\.?º|\.?ª)| (?!\d)[^\W\d_]{4,}s\b)"
    r"|[1-9]\d{2}(?: \d{3}){2,}(?=,\d| ?(?:€|\$|£|%)| (?:de|d[oó]lares|euros|pesos|people|personas|habitantes|millones)\b)|[1-9]\d{2}(?: \d{3}){3,})"
    r"(?![\d:/-]| \d|\.\d)"
)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_EXPONENT = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]{2,}|[⁰¹⁴⁵⁶⁷⁸⁹]")
_LOGARITHM = re.compile(r"\blog([₀-₉]+)")
# spoken differently from what NFKC makes of them
_KEEP = frozenset("ºª²³…™®℠¨´¸µ″№")
_PLAIN = str.maketrans(
    {
        "\r": "\n", "\x0b": "\n", "\x0c": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n\n",
        "‘": "'", "’": "'", "‚": "'", "‛": "'", "ʼ": "'", "′": "'", "´": "'", "`": "'",
        "“": '"', "”": '"', "„": '"', "‟": '"', "«": '"', "»": '"', "‹": '"', "›": '"',
        "‐": "-", "‑": "-", "‒": "–", "―": "—", "⸺": "—", "…": "...", "·": " ",
        "•": "\n", "◦": "\n", "▪": "\n", "●": "\n", "‣": "\n",
        "™": "", "®": "", "℠": "", "−": "-", "⁄": "/", "∕": "/", "∗": "*", "⋅": "×", "✕": "×", "✖": "×",
        "→": ", ", "⇒": ", ", "←": ", ", "↔": ", ", "➡": ", ", "©": " © ",
    }
)  # fmt: skip
_NOT_PRINTABLE_ASCII = re.compile(r"[^ -~]")
_TAGS = re.compile(
    r"</?(?:b|i|u|s|a|p|em|strong|br|hr|div|span|ul|ol|li|h[1-6]|code|pre|sub|sup|table|thead|tbody|tr|td|th|img|blockquote|font|small|mark|speak|prosody|break|emphasis|say-as)"
    r"(?:\s[^<>\n]{0,300})?/?>",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"<([^\W\d_][^\s<>=]{0,200}|[^\s<>]{1,200}[@.:/][^\s<>]{1,200})>")
"""`<https://...>`, `<a@b.org>`, `<Enter>`."""
_LINK = re.compile(r"!?\[([^\[\]\n]{1,300})\]\((?:[^()\s]{1,1000})(?:\s\"[^\"\n]{0,200}\")?\)")
_STRONG = re.compile(r"(?<![\w*])(\*{1,3})(?=[^\s*])([^*\n]{1,300}?)(?<=[^\s*])\1(?![\w*])")
_UNDER = re.compile(r"(?<![\w_])(_{1,2})(?=[^\s_])([^_\n]{1,300}?)(?<=[^\s_])\1(?![\w_])")
_EMOTICON = re.compile(
    r"(?<![^\s])[:;=][-^o']?[)(DPpOo|/\\3*](?![^\s.,!?])|(?<![^\s])(?:(?<!, )<3(?!\s?[a-z%])|xD|XD|\^\^|\^_\^|:'\()(?![^\s.,!?])"
)


def clean(text: str) -> str:
    """Plain text: composed letters, no control or invisible characters, straight quotes, no markup."""
    text = _GROUP_SPACE.sub("", text).replace("\r\n", "\n")
    text = _PLAIN_GROUPS.sub(lambda m: m[1].replace(" ", ""), text)
    text = _EXPONENT.sub(lambda m: "^" + m[0].translate(_RAISED), text)
    text = _LOGARITHM.sub(lambda m: f"log_{unicodedata.normalize('NFKC', m[1])} ", text)
    text = (
        unicodedata.normalize("NFC", html.unescape(text))
        if "&" in text
        else unicodedata.normalize("NFC", text)
    )
    text = re.sub(r"(?<=\d)\s?·\s?(?=\d)", "×", text)
    text = _NOT_PRINTABLE_ASCII.sub(lambda m: _plain(m[0]), text).translate(_PLAIN)
    text = re.sub(r"μ(?=[A-Za-z]{1,3}\b)", "µ", text)
    text = re.sub(r"(?<=[2-9]\d)º(?=\s?(?:[.,;:)!?]|$))", "°", text)  # `35º` at an end is no ordinal
    text = _unmark(text)
    text = _EMOTICON.sub(" ", text)
    text = re.sub(r"(?<![^\s(]),(?=\d)", "0,", text)
    return _SPACES.sub(" ", text)


def _plain(c: str) -> str:
    """One character without compatibility forms (ﬁ, 𝐀, Ａ, ①, ½) or, if it is invisible, nothing."""
    if c in _KEEP or c in "\t\n\r\x0b\x0c\x85":
        return c
    if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return ""
    numeric = unicodedata.decomposition(c).startswith("<fraction>")
    plain = unicodedata.normalize("NFKC", c)
    return f" {plain}" if numeric else plain


def _unmark(text: str) -> str:
    """Markdown and HTML. The text of a link is said, its address is not."""
    text = _TAGS.sub(" ", text)
    text = _BRACKETED.sub(r" \1 ", text)
    text = _LINK.sub(r"\1", text)
    text = re.sub(r"^[ \t]*(?:'''|~~~)[\w+-]{0,20}[ \t]*$", "", text, flags=re.MULTILINE)  # code fences
    text = re.sub(r"^[ \t]*([-*_=])(?:[ \t]?\1){2,}[ \t]*$", "\n", text, flags=re.MULTILINE)  # rules
    text = re.sub(r"^[ \t|:-]{3,}$", "", text, flags=re.MULTILINE)  # table rulers
    text = re.sub(r"^[ \t]*#{1,6}[ \t]+([^\n]*)", r"\n\1\n", text, flags=re.MULTILINE)
    text = re.sub(r"^[ \t]*(?:>[ \t]?){1,5}(?!\d)", "", text, flags=re.MULTILINE)
    text = re.sub(r"^[ \t]*[-*+][ \t]+(?:\[[ xX]\][ \t]*)?(?=\S)", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"^[ \t]*(\d{1,3})[.)][ \t]+(?=\S)", r"\n\1. ", text, flags=re.MULTILINE)
    text = _STRONG.sub(r"\2", text)
    text = _UNDER.sub(
        lambda m: m[0] if m[1] == "__" and m[2].isidentifier() else m[2], text
    )  # not `__init__`
    return re.sub(r"~~([^~\n]{1,300})~~", r"\1", text)
