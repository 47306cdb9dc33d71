"""Addresses and names from the net: URLs, e-mail, @mentions, #hashtags, file names, IP and MAC addresses."""

import re

from src.services.text.language import Language, words
from src.services.text.numbers import digits, integer, one_by_one
from src.services.text.reading import Rule, any_case, rule

_TLDS = (
    r"com|org|net|edu|gov|mil|int|info|biz|io|ai|dev|app|es|mx|uk|us|ar|cl|co|pe|eu|de|fr|it|pt"
    r"|br|ca|jp|cn|in|me|tv|ly|xyz|online|cat|eus|gal"
)
_FILES = words(
    """
    py js ts jsx tsx java c h cpp rs go rb php sh md txt pdf doc docx xls xlsx ppt pptx csv tsv json
    yaml yml toml xml html htm css sql zip gz tar png jpg jpeg gif svg webp mp3 mp4 wav ogg opus
    flac avi mov mkv exe dll so ini cfg conf log env lock bin iso dmg apk
    """
)
_TRAILING = ".,;:!?)]}>*_'\""
_VOWELS = re.compile(r"[aeiouyáéíóúü]", re.IGNORECASE)


def rules(language: Language) -> list[Rule]:
    """`https://` is not said, nor is a slash at the very end."""
    said = language.words

    def url(match: re.Match[str]) -> str | None:
        address = match[0].rstrip(_TRAILING)
        rest = match[0][len(address) :]
        body = re.sub(r"^(?:https?|ftp)://", "", address, flags=re.IGNORECASE).rstrip("/")
        return f" {_address(body, language, paused=True)}{rest}" if body else None

    def email(match: re.Match[str]) -> str:
        host = match[2].rstrip(".-")
        rest = match[2][len(host) :]
        return f" {_address(f'{match[1]}@{host}', language, paused=True)}{rest}"

    def file(match: re.Match[str]) -> str | None:
        if match[2].lower() not in _FILES:
            return None
        shouted = match[1].isupper() and _VOWELS.search(match[1])
        name = match[1].capitalize() if shouted else _address(match[1], language)
        ending = " ".join(_part(part, language) for part in re.findall(r"\d+|\D+", match[2]))
        return f"{name} {said['dot']} {ending}"

    def bare(match: re.Match[str]) -> str | None:
        last = match[0].rpartition(".")[2]
        typed = last in language.starters or last in language.everyday  # no space behind a full stop
        return None if typed else _address(match[0], language)

    def ip(match: re.Match[str]) -> str | None:
        octets = match[1].split(".")
        if any(int(part) > 255 or (len(part) > 1 and part[0] == "0") for part in octets):
            return None
        parts = f" {said['dot']} ".join(digits(part, language) for part in octets)
        port = f", {said['port']} {_port(match[2], language)}" if match[2] else ""
        return parts + port + (f" {said['slash']} {integer(match[3], language)}" if match[3] else "")

    def mac(match: re.Match[str]) -> str:
        return ", ".join(one_by_one(part, language) for part in re.split("[:-]", match[0]))

    return [
        any_case("electronic", r"(?<![\w@])(?:(?:https?|ftp|sftp|file|ssh|git)://|www\.)[^\s<>\"']{1,2000}", url, "URL", near=r"://|[wW]{3}\."),
        rule("electronic", r"(?:(?<![\w.%+-])|(?<=\s\.))(?:mailto:)?((?!\.)(?:[\w.%+-]|&(?=\S{0,60}@)){1,64})@([\w-]{1,63}(?:\.[\w-]{1,63}){1,6}(?:/[\w./-]{0,100}\w)?)", email, "e-mail", near=r"@"),
        rule("electronic", r"(?<![\w:.-])[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![\w:-])", mac, "MAC address", near=r"\w[:-]\w\w[:-]"),
        rule("electronic", r"(?<![\w.,])(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5}))?(?:/(\d{1,2}))?(?![\w:]|\.\d)", ip, "IP address", near=r"\d\.\d"),
        rule("electronic", r"(?<![\w.])(localhost):(\d{2,5})(?!\w)", lambda m: f"{m[1]}, {said['port']} {_port(m[2], language)}", "port", near=r"localhost"),
        any_case("electronic", rf"(?<![\w@.])(?:[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.){{1,4}}(?:{_TLDS})(?:\.[a-z]{{2}})?(?:[/:][^\s<>\"'()]{{0,500}})?(?!\w)", url, "domain", near=r"\.\w"),
        rule("electronic", r"(?<![\w./:<])(?:~|\.{1,2})?(?:/[\w.-]{0,100}\w){2,20}/?(?![\w/>])", lambda m: f" {_address(m[0], language)} ", "path", near=r"/"),
        rule("electronic", r"(?<![\w@])@([\w.-]{0,63}\w)", lambda m: f" {said['at']} {integer(m[1], language) if m[1].isdecimal() else _address(m[1], language)}", "mention", near=r"@"),
        rule("electronic", r"(?<![\w#&])#(?=\w*[^\W\d])(\w{1,100})(?![\w#])", lambda m: f" {said['hashtag']} {_camel(m[1], language)}", "hashtag", near=r"#"),
        rule("electronic", r"(?<![\w.])([\w-]{2,80})\.(?=[A-Za-z])([A-Za-z]{1,4}\d?)(?!\w)", file, "file name", near=r"\.[A-Za-z]"),
        # small letters on both sides of a dot and no space: a host or a file that no list knows
        rule("electronic", r"(?<![\w.@/-])[a-z]{2,}(?:\.[a-z]{2,}){1,3}(?![\w.@]|/\w)", bare, "name with a dot", near=r"[a-z]\.[a-z]"),
    ]  # fmt: skip


def _port(port: str, language: Language) -> str:
    """`8080` digit by digit or as a number, as the language has it; `3000` as a number."""
    whole = language.codes_as_numbers or port.endswith("00")
    return integer(port, language) if whole else digits(port, language)


def _address(address: str, language: Language, *, paused: bool = False) -> str:
    """The parts of an address and the signs between them by name.

    With `paused`, `@` and `/` come after a short pause: `support, at example dot com`. Without it they run into
    the name before them, and hearers take the two for one word.
    """
    said = language.words
    names = {
        ".": said["dot"], "/": said["slash"], "-": said["dash"], "_": said["underscore"],
        "@": said["at"], ":": said["colon"], "?": said["question mark"], "=": said["equals"],
        "&": said["ampersand"], "%": said["percent"], "#": said["hashtag"],
        "~": said["tilde"], "+": said["plus"], "|": said["bar"], "^": said["caret"],
    }  # fmt: skip
    parts = re.findall(r"[^\W\d_]+|\d+|[^\w\s]|_", address)
    country = len(parts) - 1 if "/" not in address else parts.index("/") - 1
    return " ".join(
        (names.get(part) or _part(part, language, i == country and i > 0 and parts[i - 1] == "."))
        + ("," if paused and parts[i + 1 : i + 2] in (["@"], ["/"]) else "")
        for i, part in enumerate(parts)
    )


def _part(part: str, language: Language, country: bool = True) -> str:
    """One run of letters, spelled if it cannot be a word, or digits."""
    if part.isdecimal():
        return integer(part, language) if len(part) == 1 or part.endswith("00") else digits(part, language)
    if part.lower() == "jpg" and "JPEG" in language.said_as_words:
        return "jpeg"
    known = part.lower() in ("com", "org", "net")
    if part.isalpha() and not known and (len(part) == 1 or _is_code(part, language, country)):
        return language.spell(part) or part
    return part.lower() if part.isupper() else part


def _is_code(part: str, language: Language, country: bool) -> bool:
    """Letters without a vowel, or a country's two; a word of two letters elsewhere is one (`my-site`)."""
    if not _VOWELS.search(part):
        return len(part) <= 5
    if len(part) != 2:
        return False
    small = part.lower()
    return small not in language.host_words and (country or small not in language.everyday)


def _camel(name: str, language: Language) -> str:
    """`HolaMundo2026` -> `Hola Mundo 2026`."""
    name = name.replace("_", " ")
    name = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-ZÁÉÍÓÚÑ])", " ", name)
    parts = re.findall(r"\d+|[^\W\d]+", name)
    return " ".join(_number(part, language) if part.isdecimal() else part for part in parts)


def _number(part: str, language: Language) -> str:
    return language.year(int(part)) if len(part) == 4 and part[0] in "12" else integer(part, language)
