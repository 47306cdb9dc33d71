"""The settings, and what they point to: weights, storage, the port."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from src.cli.checks.finding import Finding, note, ok, problem

if TYPE_CHECKING:
    from src.config import Settings

_GIB = 2**30
_LITTLE_SPACE = 5
_STORAGE_SECONDS = 30.0


def settings() -> Iterator[Finding]:
    """Whether a server could start with them."""
    from src.config import load_settings, unknown_keys
    from src.errors import ConfigurationError

    here = Path(".env")
    origin = f"from the environment and {here.absolute()}" if here.is_file() else "from the environment"
    try:
        load_settings()
    except ConfigurationError as error:
        if "API_KEY is not set" in str(error):
            yield note("settings", f"{origin}: there is no API_KEY", "`voz serve` and `make run` write one.")
        else:
            yield problem("settings", f"{origin}: {error}", ".env.example explains each setting.")
        return
    strange = unknown_keys()
    if strange:
        yield note("settings", f"not known: {', '.join(strange)}", "Misspelt? .env.example has all names.")
    else:
        yield ok("settings", origin)


def weights() -> Iterator[Finding]:
    """Whether the models have to be fetched."""
    from src.weights.store import ModelStore

    chosen = _settings()
    folder = chosen.models_dir.absolute()
    lacking = ModelStore(folder).missing(
        chosen.stt_model, chosen.tts_engine, chosen.tts_model_en, chosen.tts_model_es
    )
    if lacking:
        yield note(
            "weights",
            f"not in {folder}: {', '.join(lacking)}",
            "The first start fetches them; `python -m src.weights` does it ahead of time (MODELS_DIR).",
        )
    else:
        yield ok("weights", f"in {folder}")
    for what, place in (("disk for weights", folder), ("disk for uploads", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(_existing(place)).free / _GIB
        if free < _LITTLE_SPACE:
            yield note(what, f"{free:.1f} GiB free in {place}", "Large models take several GiB.")
        else:
            yield ok(what, f"{free:.0f} GiB free in {place}")


def storage() -> Iterator[Finding]:
    """Whether storage can be used, as a start tries it."""
    from src.composition import open_storage
    from src.errors import VozError

    chosen = _settings()
    name = f"S3, bucket {chosen.s3_bucket_name}" if chosen.uses_s3 else f"{chosen.storage_dir.absolute()}"
    if not chosen.uses_s3 and not chosen.storage_dir.exists():
        yield ok("storage", f"{name} (the first start makes it)")
        return

    async def try_out() -> None:
        async with asyncio.timeout(_STORAGE_SECONDS), open_storage(chosen) as opened:
            await opened.check()

    try:
        asyncio.run(try_out())
    except (VozError, TimeoutError) as error:
        reason = str(error) or "no answer"
        yield problem("storage", f"{name}: {reason}", "See docs/operations/keys-and-storage.md.")
    else:
        yield ok("storage", name)


def port() -> Iterator[Finding]:
    """Whether a server could listen, or does."""
    chosen = _settings()
    where = f"{chosen.host}:{chosen.port}"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((chosen.host, chosen.port))
        except OSError as error:
            yield note("port", f"{where}: {error.strerror}", "A server runs there already, or set PORT.")
        else:
            yield ok("port", f"{where} is free")


def _settings() -> "Settings":
    """The settings; a key is not needed to look at the rest."""
    from pydantic import SecretStr, ValidationError

    from src.config import Settings

    try:
        return Settings(api_key=[SecretStr("not used here")])
    except ValidationError as error:
        return Settings(
            _env_file=None, api_key=[SecretStr("not used here")],
            **{name: field.default for name, field in Settings.model_fields.items()
               if any(name == part for one in error.errors() for part in one["loc"])},
        )  # fmt: skip


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
