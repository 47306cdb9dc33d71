"""Settings: what is read, what is refused, and how it is said."""

from pathlib import Path

import pytest

from src.config import Settings, load_settings, unknown_keys
from src.errors import ConfigurationError

REPOSITORY = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_starts_with_a_key_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "first-key, second-key ,")
    settings = load_settings()
    assert [key.get_secret_value() for key in settings.api_key] == ["first-key", "second-key"]
    assert (settings.host, settings.port, settings.max_queue) == ("127.0.0.1", 8000, None)
    assert not settings.uses_s3


@pytest.mark.parametrize("value", [None, "", " , "], ids=["unset", "empty", "commas"])
def test_refuses_to_start_without_a_key(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("API_KEY", value)
    with pytest.raises(ConfigurationError, match="API_KEY is not set"):
        load_settings()


def test_a_problem_names_the_variable_and_never_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "secret-key")
    monkeypatch.setenv("PORT", "secret-port")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "PORT: " in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_key_that_is_too_short_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "long-enough,sesame7")
    with pytest.raises(ConfigurationError, match="less than 8 characters") as caught:
        load_settings()
    assert "sesame" not in str(caught.value)
    monkeypatch.setenv("API_KEY", "long-enough,sesame78")
    assert len(load_settings().api_key) == 2


def test_a_collector_must_have_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "some-key")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")
    with pytest.raises(ConfigurationError, match="OTEL_EXPORTER_OTLP_ENDPOINT: must be an address"):
        load_settings()


def test_a_key_that_no_header_can_carry_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "contraseña")
    with pytest.raises(ConfigurationError, match="ASCII"):
        load_settings()


@pytest.mark.parametrize(
    ("environment", "uses_s3"),
    [
        ({}, False),
        ({"S3_BUCKET_NAME": "b"}, True),
        ({"S3_BUCKET_NAME": "b", "STORAGE": "local"}, False),
        ({"S3_BUCKET_NAME": "b", "STORAGE": "s3"}, True),
    ],
)
def test_storage_auto_is_s3_as_soon_as_there_is_a_bucket(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], uses_s3: bool
) -> None:
    monkeypatch.setenv("API_KEY", "some-key")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load_settings().uses_s3 is uses_s3


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"STORAGE": "s3"}, "needs S3_BUCKET_NAME"),
        ({"AWS_ACCESS_KEY_ID": "a"}, "or neither"),
        ({"S3_PREFIX": "dev/ü"}, "S3_PREFIX"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"MAX_QUEUE": "0"}, "MAX_QUEUE"),
    ],
)
def test_what_cannot_work_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str
) -> None:
    monkeypatch.setenv("API_KEY", "some-key")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=message):
        load_settings()


def test_threads_are_shared_out_among_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.config.usable_cores", lambda: 8)
    monkeypatch.setenv("API_KEY", "some-key")
    shares = []
    for workers in (1, 3, 16):
        monkeypatch.setenv("WEB_CONCURRENCY", str(workers))
        shares.append(load_settings().threads)
    assert shares == [8, 2, 1]


def test_the_example_lists_every_setting_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    example = REPOSITORY / ".env.example"
    names = {
        line.split("=")[0] for line in example.read_text().splitlines() if line and not line.startswith("#")
    }
    assert names == {name.upper() for name in Settings.model_fields}
    assert unknown_keys(example) == []
    monkeypatch.setenv("API_KEY", "some-key")
    assert Settings(_env_file=example) == Settings(_env_file=None)


def test_a_misspelt_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("API_KEY=k\nSTT_MODLE=base\n")
    assert unknown_keys(tmp_path / ".env") == ["STT_MODLE"]


def test_a_file_of_keys_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("web:" + "0" * 64)
    monkeypatch.setenv("API_KEYS_FILE", "keys")
    settings = load_settings()
    assert (settings.api_key, settings.api_keys_file) == ([], Path("keys"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "API_KEYS_FILE: keys: No such file"),
        ("# none yet", "API_KEY is not set"),
        ("secret", "line 1 of keys"),
    ],
)
def test_a_file_without_keys_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "keys").write_text(content)
    monkeypatch.setenv("API_KEYS_FILE", "keys")
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_settings()
    assert "secret" not in str(caught.value)


def test_a_rate_limit_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "some-key")
    monkeypatch.setenv("RATE_LIMIT", "lots")
    with pytest.raises(ConfigurationError, match="RATE_LIMIT: must be like 60/minute"):
        load_settings()
