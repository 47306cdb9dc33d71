"""API keys."""

from pydantic import SecretStr

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
