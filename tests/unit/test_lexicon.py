"""Words that are said otherwise: which entries are right, and where they stand in a text."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src.composition import check_lexicon, read_lexicon
from src.config import Settings
from src.engines.base import Voice
from src.errors import ConfigurationError, InvalidInput, TooLarge
from src.services.text import Piece, Pronunciation, to_pieces
from src.services.text.lexicon import EMPTY, MAX_ENTRIES, Lexicon, from_file, from_request, parse

KNOWN = frozenset("abdefhijklmnopstuvwzæðŋɑɔəɛɚɜɡɪɹʃʊʌʒˈˌː")


def said(text: str, *lexicons: dict[str, Any], tag: str = "en", known: frozenset[str] = KNOWN) -> str:
    """What is spoken; the first lexicon comes first."""
    tables = tuple(parse(each).table(tag, known) for each in lexicons)
    pieces = to_pieces(text, tag, "dollars", Pronunciation(entries=tables, known=known))
    return " ".join(piece.text for piece in pieces if isinstance(piece, Piece))


@pytest.mark.parametrize(
    ("text", "lexicon", "spoken"),
    [
        ("Use SQL.", {"SQL": "sequel"}, "Use sequel."),
        ("Use sql or MySQL or SQLite.", {"SQL": "sequel"}, None),
        ("Nginx, NGINX and nginx.", {"nginx": "engine ex"}, "engine ex, engine ex and engine ex."),
        ("A polish Polish.", {"Polish": "pole ish", "polish": "pah lish"}, "A pah lish pole ish."),
        ("The SQL's fault; SQL-based.", {"SQL": "sequel"}, "The sequel's fault; sequel-based."),
        ("I don't, don.", {"don": "dawn"}, "I don't, dawn."),
        ("I don’t.", {"don't": "doughnt"}, "I doughnt."),
        ("From New York to New  Yorkers.", {"new york": "noo yawk"}, "From noo yawk to New Yorkers."),
        ("NewYork, New-York", {"new york": "noo yawk"}, "NewYork, New-York."),
        ("New\nYork is big", {"New York": "noo yawk", "New": "knew"}, "noo yawk is big."),
        ("C++, C++11, C.", {"C++": "see plus", "C": "sea"}, "see plus, sea plus plus eleven, sea."),
        ("Café, cafe\u0301, cafe.", {"café": "caffay"}, "caffay, caffay, caffay."),
        ("Dr. Who, Mr. Dr.", {"Dr.": "doc"}, "doc Who, Mister doc."),
        ("Read 2024 now.", {"2024": "twenty twenty four"}, "Read twenty twenty four now."),
        ("**SQL** `SQL` [SQL](http://x.y)", {"SQL": "sequel"}, "sequel sequel sequel."),
        ("Say SQL.", {"SQL": "/ɬa/"}, None),
        ("Say SQL.", {"SQL": "/ˈsiːəl/"}, "Say /ˈsiːəl/."),
        ("In New York.", {"New York": "/nuː jɔːk/"}, "In /nuː/ /jɔːk/."),
        ("one two", {"one": "two", "two": "one"}, "two one."),
        ("a b c", {"a b": "x", "b c": "y"}, "x c."),
    ],
)  # fmt: skip
def test_whole_words_are_said_as_the_entry_has_them(
    text: str, lexicon: dict[str, Any], spoken: str | None
) -> None:
    """An entry whose phonemes the voice does not have leaves the word as the rules have it."""
    assert said(text, lexicon) == (said(text) if spoken is None else spoken)


def test_languages_and_regions() -> None:
    lexicon = {
        "Voz": "boss",
        "en": {"Voz": "vos", "lead": "led"},
        "en-GB": {"lead": "leed"},
        "es": {"Voz": "bos"},
    }
    assert said("Voz lead", lexicon, tag="en-US") == "vos led."
    assert said("Voz lead", lexicon, tag="en-GB") == "vos leed."
    assert said("Voz lead", lexicon, tag="es-MX") == "bos lead."
    assert parse(lexicon).tag("en-gb") == "en-gb"
    assert parse(lexicon).tag("en-AU") == "en"


def test_the_first_lexicon_wins_but_a_longer_phrase_wins_over_it() -> None:
    server = {"SQL Server": "sequel server", "SQL": "squirrel"}
    assert said("SQL and SQL Server.", {"SQL": "ess cue ell"}, server) == "ess cue ell and sequel server."


def test_what_is_said_is_not_read_again() -> None:
    assert said("X in St. Mary.", {"X": "Dr Mr St"}) == "Dr Mr St in Saint Mary."


def test_a_lexicon_cannot_make_a_text_endless() -> None:
    with pytest.raises(TooLarge, match="many times longer"):
        said("a " * 200, {"a": "b" * 100})


@pytest.mark.parametrize(
    ("lexicon", "why"),
    [
        ({"SQL": 5}, "'SQL': what is said must be a string"),
        ({"SQL": None}, "must be a string"),
        ({"SQL": ["sequel"]}, "must be a string"),
        ({"en": {"SQL": {"a": "b"}}}, "en: 'SQL': what is said must be a string"),
        ({"fr": {"SQL": "a"}}, "fr: 'SQL': no language 'fr'; there are en, es"),
        ({"english": {"SQL": "a"}}, "no language 'english'"),
        ({"": "a"}, "a word or phrase of 1 to 60"),
        ({"  ": "a"}, "a word or phrase"),
        ({"...": "a"}, "a word or phrase"),
        ({"a" * 61: "a"}, "a word or phrase"),
        ({"SQL": ""}, "'' is no respelling"),
        ({"SQL": "se.quel"}, "'se.quel' is no respelling"),
        ({"SQL": "4"}, "no respelling"),
        ({"SQL": "日本"}, "no respelling"),
        ({"SQL": "a" * 121}, "at most 120"),
        ({"SQL": "//"}, "IPA of 1 to 100"),
        ({"SQL": "/a/b/"}, "IPA of 1 to 100"),
        ({"SQL": f"/{'a' * 101}/"}, "IPA of 1 to 100"),
        ({"en": {"SQL": "a", " SQL ": "b"}}, "it is there twice"),
    ],
)
def test_wrong_entries_are_named(lexicon: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        from_request({"good": "fine", **lexicon})
    assert why in str(refused.value)
    assert "good" not in str(refused.value)
    assert refused.value.field == "lexicon"
    file = tmp_path / "lexicon.json"
    file.write_text(json.dumps(lexicon))
    with pytest.raises(ConfigurationError) as failed:
        from_file(file)
    assert why in str(failed.value)
    assert str(file) in str(failed.value)


def test_all_wrong_entries_are_named_up_to_ten() -> None:
    with pytest.raises(InvalidInput, match=r"'w0'.*'w9'.*; and 15 more") as refused:
        from_request({f"w{number}": 1 for number in range(25)})
    assert "w10" not in str(refused.value)


def test_a_request_has_a_bound_on_entries() -> None:
    entries = {f"word{'x' * number}": "a" for number in range(MAX_ENTRIES // 2)}
    assert len(parse(entries).entries) == MAX_ENTRIES // 2
    with pytest.raises(InvalidInput, match="more than 100 entries"):
        from_request({"en": {f"a{n}": "a" for n in range(60)}, "es": {f"a{n}": "a" for n in range(60)}})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "Expecting"),
        (b"[]", "must be an object"),
        (b"\xff{}", "utf-8"),
        (b'{"a": "b", "a": "c"}', "'a': it is there twice"),
        (b'{"en": {"a": "b", "a": "c"}}', "'a': it is there twice"),
        (None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, why: str, tmp_path: Path) -> None:
    file = tmp_path / "lexicon.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=why) as failed:
        from_file(file)
    assert str(failed.value).startswith(f"TTS_LEXICON: {file}: ")


def test_a_file_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "lexicon.json"
    file.write_text(json.dumps({"año": "anio"}, ensure_ascii=False), "utf-8-sig")
    assert from_file(file).fingerprint == parse({"año": "anio"}).fingerprint


def test_a_fingerprint_is_of_the_content() -> None:
    one = parse({"a": "b", "en": {"c": "/a/"}})
    assert one.fingerprint == parse({"en": {"c": "/a/"}, "a": "b"}).fingerprint
    others: list[Lexicon] = [parse({"a": "b"}), parse({"a": "b", "en": {"c": "a"}}), parse({"A": "b"}), EMPTY]
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 5
    assert EMPTY.fingerprint == ""


def test_entries_that_no_voice_can_say_are_found() -> None:
    lexicon = parse({"en": {"SQL": "/ɬa/", "fine": "/a/"}, "es": {"SQL": "/a/"}, "both": "/a/"})
    letters: frozenset[str] = frozenset()
    assert lexicon.unsayable([("en", KNOWN), ("es", letters), ("es", KNOWN)]) == (
        "'SQL': /ɬa/: the voice has no phoneme 'ɬ'"
    )
    only_letters = lexicon.unsayable([("en", letters)])
    assert only_letters.count("takes no phonemes") == 3
    assert lexicon.problems("es", KNOWN) == []
    assert lexicon.problems("en-GB", KNOWN) == ["'SQL': /ɬa/: the voice has no phoneme 'ɬ'"]


def test_a_server_does_not_start_with_entries_that_none_of_its_voices_can_say(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    file = tmp_path / "lexicon.json"
    file.write_text(json.dumps({"en": {"SQL": "/ɬa/", "Voz": "/a/"}}), "utf-8")
    lexicon = read_lexicon(make_settings(tts_lexicon=str(file)))
    speaker = Voice("v", "en", "en-US", "e", "m", 24_000, phonemes="".join(KNOWN))
    with pytest.raises(ConfigurationError, match="TTS_LEXICON: 'SQL': /ɬa/: the voice has no phoneme 'ɬ'"):
        check_lexicon(lexicon, [speaker])
    check_lexicon(lexicon, [speaker, replace(speaker, phonemes="ɬa")])
    assert read_lexicon(make_settings()) is EMPTY
    with pytest.raises(ConfigurationError, match="No such file"):
        read_lexicon(make_settings(tts_lexicon=tmp_path / "none.json"))
