"""API keys."""

import asyncio
import hashlib
import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from src.access.key_file import read_key_file
from src.core import security
from src.core.security import ApiKeys


def test_every_key_opens_and_has_a_name_of_its_own() -> None:
    keys = ApiKeys([SecretStr("old"), SecretStr("new")])
    names = {keys.name_of("old"), keys.name_of("new")}
    assert None not in names
    assert len(names) == 2
    assert not any("old" in str(name) or "new" in str(name) for name in names)


def test_nothing_else_opens() -> None:
    keys = ApiKeys([SecretStr("secret")])
    for wrong in (None, "", "secre", "secrets", "SECRET", " secret", "contraseña", "\x00"):
        assert keys.name_of(wrong) is None


def test_no_keys_open_nothing() -> None:
    assert ApiKeys([]).name_of("anything") is None


def line(name: str, key: str) -> str:
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()}\n"


def test_keys_of_a_file_open_by_their_names_beside_the_others(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(
        "# who may\n\n" + line("web", "old") + line("web", "new") + line("batch.1", "third").upper()
    )
    keys = ApiKeys([SecretStr("plain")], file)
    assert [keys.name_of(key) for key in ("old", "new", "third")] == ["web", "web", "BATCH.1"]
    assert str(keys.name_of("plain")).startswith("key-")
    assert keys.name_of(hashlib.sha256(b"old").hexdigest()) is None


@pytest.mark.parametrize("text", ["plain-key", "web:abc", ":" + "0" * 64, "a b:" + "0" * 64, "w:" + "0" * 65])
def test_a_line_that_is_no_hash_is_named_by_its_number_only(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text("# fine\n" + text)
    with pytest.raises(ValueError, match="line 2 of") as caught:
        read_key_file(file)
    assert text not in str(caught.value)


def test_keys_rotate_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys"
    file.write_text(line("web", "old"))
    keys = ApiKeys([], file)
    names: list[tuple[str | None, str | None]] = []

    async def look() -> None:
        await keys.refresh()
        names.append((keys.name_of("old"), keys.name_of("new")))

    async def main() -> None:
        await look()
        file.write_text(line("web", "new") + line("other", "x"))
        await look()  # within the second: not looked at yet
        monkeypatch.setattr("src.core.security._CHECK_SECONDS", 0.0)
        await look()
        file.write_text("half a li")
        await look()
        await look()
        file.unlink()
        await look()
        file.write_text(line("web", "old"))
        await look()

    with caplog.at_level(logging.INFO, "src.core.security"):
        asyncio.run(main())
    old, new = ("web", None), (None, "web")
    assert names == [old, old, new, new, new, new, old]
    said = [record.getMessage() for record in caplog.records]
    assert sum("line 1 of" in message for message in said) == 1
    assert "API_KEYS_FILE was read again: 2 keys" in said


def test_the_command_makes_a_line_that_opens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    security.main(["web"])
    made = capsys.readouterr()
    file = tmp_path / "keys"
    file.write_text(made.out)
    key = made.err.split()[-1]
    assert len(key) >= 40
    assert key not in made.out
    assert ApiKeys([], file).name_of(key) == "web"


def test_the_command_takes_a_key_from_standard_input() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "src.core.security", "web", "--stdin"],
        input="mine\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (line("web", "mine"), "")


@pytest.mark.parametrize(
    ("arguments", "text"), [(["a b"], "k"), (["web", "--stdin"], "\n"), (["w", "--stdin"], "ñ")]
)
def test_the_command_refuses_what_could_never_open(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], text: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    with pytest.raises(SystemExit):
        security.main(arguments)


def test_a_file_that_is_missing_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "keys"
    file.write_text(line("web", "old"))
    keys = ApiKeys([], file)

    async def look() -> None:
        keys._checked -= 2  # as if a second had passed
        await keys.refresh()

    async def main() -> None:
        for _ in range(2):
            file.rename(tmp_path / "away")
            for _ in range(3):
                await look()
            (tmp_path / "away").rename(file)
            await look()

    asyncio.run(main())
    told = [record for record in caplog.records if "API_KEYS_FILE" in record.getMessage()]
    assert len(told) == 2, "once each time that it goes missing"
    assert keys.name_of("old") == "web"
