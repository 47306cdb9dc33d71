"""Settings: the one place that reads the environment and `.env`."""

import os
import re
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from limits import RateLimitItem
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from src.access.key_file import read_key_file
from src.access.rate_limits import parse_limits
from src.certificates import certificate_variables
from src.errors import ConfigurationError
from src.processes.cores import usable_cores
from src.weights.tts_engine import TtsEngine

MIN_KEY_LENGTH = 8
"""Minimum length of an API key. Shorter keys can be guessed. And keys are removed from logs wherever they
occur, so that a key of one or two letters would make every line unreadable."""


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class ComputeType(StrEnum):
    AUTO = "auto"
    INT8 = "int8"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    FLOAT32 = "float32"


class StorageKind(StrEnum):
    AUTO = "auto"
    S3 = "s3"
    LOCAL = "local"


class TruncatedAudio(StrEnum):
    READ = "read"
    REFUSE = "refuse"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


def _split(value: Any) -> Any:
    """`"en, es"` -> `["en", "es"]`; lists pass through."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(BaseSettings):
    """Every setting, from the environment first and `.env` second. An empty value means the default."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    api_key: Annotated[list[SecretStr], NoDecode] = []
    """API keys, comma-separated. To rotate keys, list the new one with the old one for a while."""
    api_keys_file: Path | None = None
    """A file with `name:sha256` lines, read again when it changes; used with or instead of API_KEY."""

    stt_model: str = "base"
    """A Whisper size (`tiny`, `base`, `medium`, `large-v3`, ...), a Hugging Face repository or a folder."""
    stt_languages: Annotated[list[str], NoDecode] = []
    """Languages that detection may choose from (ISO 639-1, comma-separated); empty: all of Whisper's."""
    tts_engine: TtsEngine = TtsEngine.AUTO
    """`auto`: Coqui where its weights can be had, else Kokoro, and the log says so. `both`: the voices of
    both, Coqui's first."""
    tts_model_en: str = "tts_models/en/ljspeech/tacotron2-DDC"
    """A name of Coqui's catalogue, or a folder with a Coqui model; several, comma-separated, are as many
    voices, the first of which is the default."""
    tts_model_es: str = "tts_models/es/mai/tacotron2-DDC"
    """The same for Spanish."""
    tts_lexicon: Path | None = None
    """A JSON file that says how single words are spoken (docs/voices.md)."""
    tts_dollar_es: Literal["dollars", "pesos"] = "dollars"
    """What `$` is in Spanish where neither the language's region nor the text says it."""
    tts_early_sound: bool = True
    """Whether a stream of speech may begin before its first sentence is whole (docs/voices.md)."""
    device: Device = Device.AUTO
    """`auto`: CUDA if there is a usable GPU, else the CPU."""
    compute_type: ComputeType = ComputeType.AUTO
    """Compute type of both engines; `auto`: the best measured one for the device (docs/architecture.md)."""
    stt_compute_type: ComputeType | None = None
    """Compute type of Whisper; empty: COMPUTE_TYPE."""
    tts_compute_type: ComputeType | None = None
    """Compute type of Coqui; empty: COMPUTE_TYPE. Kokoro uses that of its file."""
    models_dir: Path = Path("models")
    """Where weights are kept; filled once, then never fetched again."""

    ssl_cert_file: Path | None = None
    """Certificates to trust (PEM), behind a proxy that opens TLS: for pip, npm, the hub, S3, traces, jobs."""

    storage: StorageKind = StorageKind.AUTO
    """`auto`: S3 as soon as S3_BUCKET_NAME is set, else the local folder."""
    storage_dir: Path = Path("storage")
    """Folder of the local storage."""
    aws_access_key_id: SecretStr | None = None
    """Access key id; empty: the instance role, or another source that boto knows."""
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    """Session token of temporary credentials (SSO, an assumed role)."""
    aws_region: str = "us-east-1"
    s3_bucket_name: str = ""
    s3_prefix: str = ""
    """Prefix of every key, e.g. `dev/`."""
    s3_endpoint_url: str = ""
    """Address of an S3-compatible store (MinIO, Ceph, R2); empty: AWS."""
    tts_cache: bool = True
    """Answer a text that has been spoken before with the audio in storage."""
    presigned_url_expires: int = Field(default=3600, ge=1, le=604_800)
    """Lifetime of a URL in seconds; S3 allows a week at most."""

    max_upload_mb: int = Field(default=100, ge=1)
    upload_timeout: float = Field(default=30, gt=0)
    """Seconds in which a request must arrive; each KiB of its body adds one."""
    stream_pause_timeout: float = Field(default=600, gt=0)
    """Seconds for which a caller may stop reading a response, as a paused player does."""
    upload_space_mb: Annotated[int | None, NoDecode] = Field(default=None, ge=1)
    """Disk space for temporary files that all uploads of a worker may take; `auto`: three quarters of what
    is free at the start, shared out among the workers."""
    max_audio_seconds: float = Field(default=7200, gt=0)
    truncated_audio: TruncatedAudio = TruncatedAudio.READ
    """A recording that broke off: `read` as far as it goes, with a warning in the answer, or `refuse` it."""
    max_text_chars: int = Field(default=5000, ge=1)
    max_queue: Annotated[int | None, NoDecode] = Field(default=None, ge=1)
    """Maximum number of requests in flight per engine and worker process; `auto`: from device and cores."""
    request_timeout: float = Field(default=600, gt=0)
    """Maximum number of seconds for the work of a request."""

    live_sessions: Annotated[int | None, NoDecode] = Field(default=None, ge=0)
    """Live sessions at once per worker process; `auto`: as many as fit by what they cost; 0: none."""
    live_sessions_per_key: int = Field(default=0, ge=0)
    """Live sessions at once of one key and worker process; 0: as many as there are."""
    live_idle_timeout: float = Field(default=60, gt=0)
    """Seconds for which the client of a live session may send nothing."""
    live_max_seconds: float = Field(default=7200, gt=0)
    """Longest live session."""
    live_resume_seconds: float = Field(default=30, ge=0, le=600)
    """Seconds for which a live session whose connection broke waits for its client; 0: it ends."""

    wyoming_port: int = Field(default=0, ge=0, le=65535)
    """TCP port of the Wyoming protocol, which has no authentication; 0: closed."""
    wyoming_host: str = "127.0.0.1"
    """Address that it listens on."""

    rate_limit_storage: SecretStr | None = None
    """`redis://host:6379/0`: where RATE_LIMIT counts, for several machines; empty: on each machine."""
    rate_limit: str = ""
    """Limits of each key on requests and seconds of audio, e.g. `60/minute,600s/minute`; empty: no limit."""

    failed_key_limit: str = "30/minute"
    """Maximum number of wrong API keys from one address; `off`: any number."""

    model_aliases: Annotated[dict[str, str], NoDecode] = {}
    """Further names of models on the OpenAI routes, `name=ours`, comma-separated."""
    openai_markup: bool = False
    """Whether `[pause:1s]` and `[word](/phonemes/)` are marks in texts of the OpenAI routes."""
    cors_allow_origins: Annotated[list[str], NoDecode] = []
    """Web pages that may call the API from a browser, by origin (`https://app.example.com`), comma-separated;
    `*`: all of them."""

    data_dir: Path = Path("data")
    """Folder of the server's own data: the database of jobs."""
    jobs_database_url: SecretStr | None = None
    """`postgresql://user:password@host/name`, or `sqlite:///file`; empty: SQLite in DATA_DIR."""
    jobs_concurrency: int = Field(default=4, ge=0, le=64)
    """Jobs that a worker process does at once; 0: none, it only takes them."""
    jobs_max_queued: int = Field(default=1000, ge=1, le=1_000_000)
    """Jobs of one key that may wait."""
    jobs_keep_hours: float = Field(default=72, gt=0, le=8760)
    """Hours for which an ended job and its result are kept."""
    jobs_lease: float = Field(default=15, ge=2, le=600)
    """Seconds without a sign of life after which another worker takes a job over."""
    jobs_fetch_timeout: float = Field(default=600, gt=0, le=86_400)
    """Seconds that fetching one recording from its address may take."""
    jobs_allowed_networks: Annotated[list[str], NoDecode] = []
    """Networks that jobs and callbacks may reach although they are not public, and without TLS."""
    jobs_callback_secret: SecretStr | None = Field(default=None, min_length=24)
    """Secret that those of the keys are derived from; empty: one in the database."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    root_path: str = ""
    """Path prefix under which a proxy serves Voz, e.g. `/voz`; empty: none."""
    public_url: str = ""
    """Public address of the server, for links to local files; empty: that of the request."""
    web_concurrency: int = Field(default=1, ge=1)
    """Worker processes; CPU threads are shared out among them."""
    cpu_threads: int | None = Field(default=None, ge=1)
    """CPU threads of one process's engines; empty: the cores, shared out among the workers."""
    shutdown_timeout: float = Field(default=30, ge=0)
    """Seconds in which requests in flight may end when the server stops."""
    metrics_public: bool = False
    """Whether /metrics is open to everybody; else it needs a key."""
    log_level: str = "INFO"
    log_format: LogFormat = LogFormat.TEXT
    otel_exporter_otlp_endpoint: str = ""
    """Address of the OpenTelemetry collector (OTLP over HTTP); empty: no traces."""
    otel_exporter_otlp_headers: SecretStr | None = None
    """Headers of the exports to the collector: `name=value` pairs, comma-separated."""

    cluster_open: bool = False
    """Whether to start on Ray without token authentication: whoever reaches its ports runs any code."""
    cluster_shared_folders: bool = False
    """Whether all machines of a Ray cluster share the folder STORAGE_DIR."""

    @field_validator("api_key", "stt_languages", "jobs_allowed_networks", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        return _split(value)

    @field_validator("model_aliases", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [[side.strip() for side in pair.split("=", 1)] for pair in _split(value)]
        if not all(len(pair) == 2 and all(pair) for pair in pairs):
            raise ValueError("must be like name=ours,other=ours")
        return dict(pairs)

    @field_validator("cors_allow_origins", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> Any:
        origins = _split(value)
        if not all(
            origin == "*" or re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s*]+", origin) for origin in origins
        ):
            raise ValueError(
                "must be origins like https://app.example.com (no path, no slash at the end), or *"
            )
        return origins

    @field_validator("max_queue", "upload_space_mb", "live_sessions", mode="before")
    @classmethod
    def _auto_is_none(cls, value: Any) -> Any:
        return None if isinstance(value, str) and value.strip().lower() == "auto" else value

    @field_validator("api_keys_file")
    @classmethod
    def _readable_keys(cls, value: Path | None) -> Path | None:
        try:
            if value is not None:
                read_key_file(value)
        except OSError as error:
            raise ValueError(f"{value}: {error.strerror}") from None
        return value

    @field_validator("jobs_allowed_networks")
    @classmethod
    def _readable_networks(cls, value: list[str]) -> list[str]:
        try:
            for network in value:
                ip_network(network, strict=False)
        except ValueError:
            raise ValueError("must be networks like 10.0.0.0/8,192.168.1.5, comma-separated") from None
        return value

    @field_validator("rate_limit")
    @classmethod
    def _readable_limit(cls, value: str) -> str:
        parse_limits(value)
        return value

    @field_validator("rate_limit_storage")
    @classmethod
    def _known_storage(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and urlsplit(value.get_secret_value()).scheme not in ("redis", "rediss"):
            raise ValueError("must be an address like redis://host:6379/0")
        return value

    @field_validator("failed_key_limit")
    @classmethod
    def _readable_failed_limit(cls, value: str) -> str:
        if value.strip().lower() != "off" and (limits := parse_limits(value)) and limits.audio:
            raise ValueError("must be like 30/minute, or off")
        return value

    @field_validator("root_path")
    @classmethod
    def _path_prefix(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        if value and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
            raise ValueError("must be a path like /voz")
        return value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
            raise ValueError("must be DEBUG, INFO, WARNING, ERROR or CRITICAL")
        return value.upper()

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (parts.scheme in ("http", "https") and parts.hostname):
            raise ValueError("must be an address like http://collector:4318")
        return value

    @field_validator("ssl_cert_file")
    @classmethod
    def _certificates_are_there(cls, value: Path | None) -> Path | None:
        if value and not value.is_file():
            raise ValueError("there is no such file")
        return value

    @field_validator("s3_prefix")
    @classmethod
    def _prefix_is_a_folder(cls, value: str) -> str:
        value = value.strip().lstrip("/")
        if value and not re.fullmatch(r"[A-Za-z0-9._/-]+", value):
            raise ValueError("may hold letters, digits and . _ - / only")
        return value if not value or value.endswith("/") else value + "/"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.api_key and not (self.api_keys_file and read_key_file(self.api_keys_file)):
            raise ValueError(
                "API_KEY is not set: every route is behind a key. Put API_KEY=<a long random string> into "
                ".env (`make run` does it for you)"
            )
        for key in self.api_key:
            if not key.get_secret_value().isascii():
                raise ValueError(
                    "API_KEY may hold ASCII characters only: an HTTP header carries nothing else"
                )
            if len(key.get_secret_value()) < MIN_KEY_LENGTH:
                raise ValueError(
                    f"API_KEY holds a key of less than {MIN_KEY_LENGTH} characters: it could be guessed. "
                    "`openssl rand -hex 24` makes a good one"
                )
        if self.storage is StorageKind.S3 and not self.s3_bucket_name:
            raise ValueError("STORAGE=s3 needs S3_BUCKET_NAME")
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise ValueError(
                "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither (instance role)"
            )
        return self

    @property
    def failed_keys(self) -> RateLimitItem | None:
        """The parsed FAILED_KEY_LIMIT; None: no limit."""
        off = self.failed_key_limit.strip().lower() == "off"
        return None if off else parse_limits(self.failed_key_limit).requests

    @property
    def jobs_address(self) -> str:
        """The address of the database of jobs."""
        if self.jobs_database_url is not None:
            return self.jobs_database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'jobs.db'}"

    @property
    def uses_s3(self) -> bool:
        return self.storage is StorageKind.S3 or (
            self.storage is StorageKind.AUTO and bool(self.s3_bucket_name)
        )

    @property
    def secrets(self) -> list[str]:
        """All secrets, which must never be in a log."""
        aws = (self.aws_access_key_id, self.aws_secret_access_key, self.aws_session_token)
        given = (*self.api_key, *aws, self.jobs_callback_secret)
        own = [secret.get_secret_value() for secret in given if secret]
        for url in (self.jobs_database_url, self.rate_limit_storage):
            password = urlsplit(url.get_secret_value()).password if url else None
            own += [password] if password else []
        # a collector's header may also be a mere word, and striking that out would spoil other lines
        return own + [value for value in self.otel_headers.values() if len(value) >= MIN_KEY_LENGTH]

    @property
    def otel_headers(self) -> dict[str, str]:
        """The parsed OTEL_EXPORTER_OTLP_HEADERS; values may be percent-encoded."""
        given = self.otel_exporter_otlp_headers
        pairs = [pair.partition("=") for pair in _split(given.get_secret_value())] if given else []
        return {name.strip().lower(): unquote(value).strip() for name, _, value in pairs}

    @property
    def threads(self) -> int:
        """CPU threads for one worker process: CPU_THREADS, or its share of the cores, at least one.

        The limits of cores stand in files, so what asks often keeps the answer.
        """
        return self.cpu_threads or max(1, usable_cores() // self.web_concurrency)


def load_settings(**fixed: Any) -> Settings:
    """Settings from the environment. SSL_CERT_FILE it sets there, too, under the names that libraries read.

    Args:
        fixed: settings that do not come from there.

    Raises:
        ConfigurationError: with one line a problem, naming the variable; values are never repeated,
            since one of them may be a key.
    """
    try:
        settings = Settings(**fixed)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        raise ConfigurationError("\n".join(map(_one_line, problems))) from None
    trust(settings.ssl_cert_file)
    return settings


def trust(certificates: Path | None) -> None:
    """Let every library and every process started from here trust them."""
    if not os.environ.get("SSL_CERT_FILE"):
        os.environ.pop("SSL_CERT_FILE", None)  # OpenSSL takes an empty name for a file without certificates
    os.environ.update(certificate_variables(certificates, os.environ))


def _one_line(problem: ErrorDetails) -> str:
    where = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}"


def unknown_keys(env_file: Path = Path(".env")) -> list[str]:
    """Keys of `.env` that no setting reads: most likely a misspelling, worth a warning."""
    if not env_file.is_file():
        return []
    known = {name.upper() for name in Settings.model_fields}
    return sorted(key for key in dotenv_values(env_file) if key.upper() not in known)
