"""Addresses and names from the net: URLs, e-mail, @mentions, #hashtags, file names, identifiers."""

import re

from src.services.text.language import Count, Language, words

_URL = re.compile(r"(?<![\w@])(?:https?://|ftp://|www\.)[^\s<>\"'«»“”]{1,2000}", re.IGNORECASE)
_TLDS = (
    r"com|org|net|edu|gov|mil|int|info|biz|io|ai|dev|app|es|mx|uk|us|ar|cl|co|pe|eu|de|fr|it|pt"
    r"|br|ca|jp|cn|in|me|tv|ly|xyz|online|cat|eus|gal"
)
_DOMAIN = re.compile(
    rf"(?<![\w@.])(?:[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.){{1,4}}(?:{_TLDS})(?:\.[a-z]{{2}})?(?:[/:][^\s<>\"'«»“”()]{{0,500}})?(?!\w)",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"(?<![\w.%+-])(?:mailto:)?([\w.%+-]{1,64})@([\w-]{1,63}(?:\.[\w-]{1,63}){1,6})")
_MENTION = re.compile(r"(?<![\w@])@([\w.-]{0,63}\w)")
_HASHTAG = re.compile(r"(?<![\w#&])#(?=\w*[^\W\d])(\w{1,100})")
_FILE = re.compile(
    r"(?<![\w.])([\w-]{2,80})\.(?=[A-Za-z])([A-Za-z]{1,4}\d?|json|yaml|toml|html|docx|xlsx|pptx)(?![\w])"
)
_KNOWN_FILES = words(
    """
    py js ts jsx tsx java c h cpp rs go rb php sh md txt pdf doc docx xls xlsx ppt pptx csv tsv json
    yaml yml toml xml html htm css sql zip gz tar png jpg jpeg gif svg webp mp3 mp4 wav ogg opus
    flac avi mov mkv exe dll so ini cfg conf log env lock bin iso dmg apk
    """
)
_PATH = re.compile(r"(?<![\w./:])(?:~|\.{1,2})?(?:/[\w.-]{1,100}){2,20}/?(?![\w/])")
_TRAILING = ".,;:!?)]}>*_'\"…"
_VOWELS = re.compile(r"[aeiouyáéíóúü]", re.IGNORECASE)


def expand_web(text: str, language: Language) -> str:
    """Say addresses. The scheme is not said (`https://`), nor is a slash at the very end."""

    def url(match: re.Match[str]) -> str:
        address = match[0].rstrip(_TRAILING)
        rest = match[0][len(address) :]
        body = re.sub(r"^(?:https?|ftp)://", "", address, flags=re.IGNORECASE).rstrip("/")
        return f" {_address(body, language)}{rest}" if body else match[0]

    def email(match: re.Match[str]) -> str:
        host = match[2].rstrip(".-")
        return (
            f" {_address(match[1], language)} {language.at} {_address(host, language)}{match[2][len(host) :]}"
        )

    def file(match: re.Match[str]) -> str:
        if match[2].lower() not in _KNOWN_FILES:
            return match[0]
        return f"{match[1]} {language.dot} {_part(match[2], language)}"

    text = _EMAIL.sub(email, text)
    text = _URL.sub(url, text)
    text = _DOMAIN.sub(url, text)
    text = _PATH.sub(lambda m: f" {_address(m[0], language)} ", text)
    text = _MENTION.sub(lambda m: f" {language.at} {_address(m[1], language)}", text)
    text = _HASHTAG.sub(lambda m: f" {language.hashtag} {_camel(m[1])}", text)
    return _FILE.sub(file, text)


def _address(address: str, language: Language) -> str:
    names = {
        ".": language.dot, "/": language.slash, "-": language.dash, "_": language.underscore,
        "@": language.at, ":": language.colon, "?": language.question_mark, "=": language.equals,
        "&": language.ampersand, "%": language.percent_sign, "#": language.hashtag,
        "~": language.tilde, "+": language.plus,
    }  # fmt: skip
    parts = re.findall(r"[^\W\d_]+|\d+|[^\w\s]|_", address)
    return " ".join(names.get(part) or _part(part, language) for part in parts)


def _part(part: str, language: Language) -> str:
    """One run of letters, spelled if it cannot be a word; digits stay for the number rules."""
    if part.isdigit():
        return (
            " ".join(language.cardinal(int(c), Count()) for c in part)
            if len(part) > 4 or part[0] == "0"
            else part
        )
    known = part.lower() in ("com", "org", "net")
    if (
        part.isalpha()
        and not known
        and (len(part) == 1 or (len(part) <= 5 and not _VOWELS.search(part)) or _is_code(part, language))
    ):
        return language.spell(part) or part
    return part.lower() if part.isupper() else part


def _is_code(part: str, language: Language) -> bool:
    """Two letters are a country's code, spelled unless the language has a word like it."""
    return len(part) == 2 and part.lower() not in language.host_words


def _camel(name: str) -> str:
    """`HolaMundo2026` -> `Hola Mundo 2026`."""
    name = name.replace("_", " ")
    name = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-ZÁÉÍÓÚÑ])", " ", name)
    return re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", name)
