"""The composition root: builds storage and services from `Settings`.

Only this module, `main.py` and `core/loader.py` know both the settings and the parts. All other modules take
plain arguments, so that each can be read, tested and reused alone.
"""

from collections.abc import Sequence

from pydantic import SecretStr

from src.config import Settings, TruncatedAudio
from src.core.s3_handler import S3Storage
from src.engines.base import SpeechToText, TextToSpeech, Voice
from src.errors import ConfigurationError
from src.jobs.service import JobsConfig
from src.services.decoding.pool import Decoders
from src.services.stt import SttService
from src.services.text.lexicon import EMPTY, Lexicon, from_file
from src.services.tts import TtsConfig, TtsService
from src.storage.base import Storage
from src.storage.local import LocalStorage
from src.storage.s3_errors import S3Bucket


def open_storage(settings: Settings) -> Storage:
    """S3 or the local folder, as the settings say. Nothing is opened until it is entered."""
    return S3Storage(s3_bucket(settings)) if settings.uses_s3 else LocalStorage(settings.storage_dir)


def stt_service(engine: SpeechToText, decoders: Decoders, settings: Settings) -> SttService:
    return SttService(
        engine,
        decoders,
        max_audio_seconds=settings.max_audio_seconds,
        whole_only=settings.truncated_audio is TruncatedAudio.REFUSE,
    )


def tts_service(
    engine: TextToSpeech, storage: Storage, settings: Settings, lexicon: Lexicon = EMPTY
) -> TtsService:
    config = TtsConfig(
        cache=settings.tts_cache,
        max_text_chars=settings.max_text_chars,
        url_expires=settings.presigned_url_expires,
        dollar=settings.tts_dollar_es,
        lexicon=lexicon,
    )
    return TtsService(engine, storage, config)


def read_lexicon(settings: Settings) -> Lexicon:
    """The lexicon that the settings name; an empty one if they name none.

    Raises:
        ConfigurationError: it cannot be read, or entries are wrong; the message names them.
    """
    return from_file(settings.tts_lexicon) if settings.tts_lexicon else EMPTY


def check_lexicon(found: Lexicon, voices: Sequence[Voice]) -> None:
    """Check that each entry can be said by a voice.

    Raises:
        ConfigurationError: the IPA of some has phonemes that no voice of its language takes.
    """
    wrong = found.unsayable([(voice.language, frozenset(voice.phonemes)) for voice in voices])
    if wrong:
        raise ConfigurationError(f"TTS_LEXICON: {wrong}")


def jobs_config(settings: Settings) -> JobsConfig:
    secret = settings.jobs_callback_secret
    return JobsConfig(
        database_url=settings.jobs_address,
        concurrency=settings.jobs_concurrency,
        max_queued=settings.jobs_max_queued,
        keep_seconds=settings.jobs_keep_hours * 3600,
        lease_seconds=settings.jobs_lease,
        fetch_seconds=settings.jobs_fetch_timeout,
        callback_secret=secret.get_secret_value() if secret else "",
        max_bytes=settings.max_upload_mb * 2**20,
    )


def s3_bucket(settings: Settings) -> S3Bucket:
    """The configured bucket, with its credentials."""
    return S3Bucket(
        name=settings.s3_bucket_name,
        region=settings.aws_region,
        prefix=settings.s3_prefix,
        endpoint_url=settings.s3_endpoint_url,
        access_key_id=_revealed(settings.aws_access_key_id),
        secret_access_key=_revealed(settings.aws_secret_access_key),
        session_token=_revealed(settings.aws_session_token),
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
