"""The composition root: builds storage, services and limits from `Settings`.

Only this module, `main.py` and `core/loader.py` know both the settings and the parts. All other modules take
plain arguments, so that each can be read, tested and reused alone.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from pydantic import SecretStr

from src.access.client_secrets import ClientSecrets
from src.access.kept_sessions import KeptSessions
from src.access.rate_limits import RateLimiter
from src.access.sessions import SessionsPerKey
from src.api.dependencies import LiveLimits, Services
from src.api.errors import explained
from src.api.graceful_shutdown import GracefulShutdown
from src.api.transcripts import written
from src.config import Settings, TruncatedAudio
from src.engines.base import Engine, SpeechToText, TextToSpeech, Voice
from src.engines.models import Models
from src.errors import ConfigurationError
from src.jobs.addresses import AddressGuard, parse_networks
from src.jobs.service import JobsConfig, open_jobs
from src.scheduling.admission import AdmissionController, UploadSpace, default_limit
from src.scheduling.live_admission import LiveAdmission
from src.scheduling.live_load import Cost, LiveLoad
from src.services.decoding.pool import Decoders
from src.services.live.cost import update_seconds
from src.services.model_names import Catalogue
from src.services.stt import SttService
from src.services.text.lexicon import EMPTY, Lexicon, from_file
from src.services.tts import TtsConfig, TtsService
from src.storage.base import Storage
from src.storage.local import LocalStorage
from src.storage.measured import MeasuredStorage

if TYPE_CHECKING:
    from src.storage.s3_errors import S3Bucket

OpenEngines = Callable[[Settings], AbstractAsyncContextManager[Models]]

_UPLOAD_SHARE = 0.75
"""Share of the free disk space for temporary files that uploads may take."""
_MAX_JOB_REQUESTS = 256
"""Jobs that are being submitted, and readers of events, in a worker process."""
_SPARE_DECODERS = 2
"""Number of idle decoder processes besides one per core. Forking one takes milliseconds."""


@asynccontextmanager
async def open_services(
    settings: Settings,
    open_engines: OpenEngines,
    *,
    shutdown: GracefulShutdown,
    limiter: RateLimiter,
    secrets: ClientSecrets,
    space: UploadSpace,
) -> AsyncIterator[Services]:
    """Open storage, engines, decoder processes and jobs, and yield all that routes use.

    Args:
        settings: all of them.
        open_engines: an async context manager that yields the engines.
        shutdown: of this process; jobs end with it.
        limiter: counts the audio of jobs.
        secrets: makes keys of live sessions.
        space: disk space for uploads, which recordings of jobs share.

    Raises:
        ConfigurationError: a setting cannot be used.
        ModelUnavailable: no source of some weights worked.
    """
    lexicon = read_lexicon(settings)
    async with (
        open_storage(settings) as opened,
        open_engines(settings) as models,
        Decoders(
            spares=_SPARE_DECODERS + settings.threads,
            most=_limit(models.stt, models, settings),
            max_seconds=settings.max_audio_seconds,
            stream_seconds=settings.live_max_seconds,
        ) as decoders,
    ):
        check_lexicon(lexicon, models.tts.voices)
        storage = MeasuredStorage(opened)
        stt = stt_service(models.stt, decoders, settings, await _live_load(models, settings))
        tts = tts_service(models.tts, storage, settings, lexicon)
        async with open_jobs(
            jobs_config(settings),
            AddressGuard(parse_networks(settings.jobs_allowed_networks)),
            storage,
            stt,
            tts,
            space,
            stopping=lambda: shutdown.begun,
            explain=explained,
            render=written,
            charge=limiter.consume_audio,
        ) as jobs:
            yield Services(
                models=models,
                storage=opened,
                stt=stt,
                tts=tts,
                stt_admission=_admission("speech-to-text", models.stt, models, settings),
                tts_admission=_admission("text-to-speech", models.tts, models, settings),
                live_admission=LiveAdmission(stt.live, settings.live_sessions, settings.live_max_seconds),
                live_limits=LiveLimits(settings.live_idle_timeout, settings.live_max_seconds),
                live_per_key=SessionsPerKey(settings.live_sessions_per_key),
                live_kept=KeptSessions(settings.live_resume_seconds),
                client_secrets=secrets,
                jobs_admission=AdmissionController("job", _MAX_JOB_REQUESTS, settings.request_timeout),
                jobs=jobs,
                shutdown=shutdown,
                catalogue=Catalogue(models.stt.info, models.tts.voices, settings.model_aliases),
                stt_languages=tuple(settings.stt_languages),
                openai_markup=settings.openai_markup,
                public_url=settings.public_url,
            )


def open_storage(settings: Settings) -> Storage:
    """S3 or the local folder, as the settings say. Nothing is opened until it is entered."""
    if not settings.uses_s3:
        return LocalStorage(settings.storage_dir)
    from src.core.s3_handler import S3Storage  # importing its client takes a sixth of a server's start

    return S3Storage(s3_bucket(settings))


def stt_service(
    engine: SpeechToText, decoders: Decoders, settings: Settings, live: LiveLoad | None = None
) -> SttService:
    return SttService(
        engine,
        decoders,
        max_audio_seconds=settings.max_audio_seconds,
        whole_only=settings.truncated_audio is TruncatedAudio.REFUSE,
        live=live,
    )


def tts_service(
    engine: TextToSpeech, storage: Storage, settings: Settings, lexicon: Lexicon = EMPTY
) -> TtsService:
    config = TtsConfig(
        cache=settings.tts_cache,
        max_text_chars=settings.max_text_chars,
        url_expires=settings.presigned_url_expires,
        dollar=settings.tts_dollar_es,
        early_sound=settings.tts_early_sound,
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
        certificates=settings.ssl_cert_file,
    )


def upload_bytes(settings: Settings) -> int:
    """Bytes that the uploads in flight of this worker may take on the disk."""
    if settings.upload_space_mb is not None:
        return settings.upload_space_mb * 2**20
    free = shutil.disk_usage(tempfile.gettempdir()).free
    return int(free * _UPLOAD_SHARE) // settings.web_concurrency


def _limit(engine: Engine, models: Models, settings: Settings) -> int:
    """Requests in flight that this process admits for an engine."""
    return settings.max_queue or _share(default_limit, engine, models, settings)


async def _live_load(models: Models, settings: Settings) -> LiveLoad:
    """What live sessions cost, as far as it can be known before the first."""
    load = LiveLoad(partial(_live_seconds, models, settings.threads))
    if settings.live_sessions != 0:
        load.assume(Cost.with_update(await update_seconds(models.stt)))
    return load


def _live_seconds(models: Models, threads: int) -> float:
    """Seconds that the engine of speech to text has each second for this process, with so many threads."""
    load, on_gpu = models.stt.load, models.stt.info.device == "cuda"
    if load.replicas is None or load.threads is None:
        return 1 if on_gpu else threads
    return max(1, load.replicas if on_gpu else load.threads) / models.client_processes


def _share(total: Callable[[str, int, int], int], engine: Engine, models: Models, settings: Settings) -> int:
    """This process's share of what all replicas of an engine take.

    It is at least one: while the only replica is replaced, a request waits for the next.
    """
    load, device = engine.load, engine.info.device
    if load.replicas is None or load.threads is None:
        return total(device, settings.threads, 1)
    return max(1, total(device, max(1, load.threads), max(1, load.replicas)) // models.client_processes)


def _admission(name: str, engine: Engine, models: Models, settings: Settings) -> AdmissionController:
    # asked each time, because replicas come and go
    return AdmissionController(name, partial(_limit, engine, models, settings), settings.request_timeout)


def s3_bucket(settings: Settings) -> "S3Bucket":
    """The configured bucket, with its credentials."""
    from src.storage.s3_errors import S3Bucket

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
