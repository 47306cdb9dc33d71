"""The application with its voices and without Whisper, which would only take time to open."""

from contextlib import AbstractAsyncContextManager

from src.config import Settings, load_settings
from src.core import loader
from src.engines.models import Models
from src.main import create_app


def open_voices(settings: Settings) -> AbstractAsyncContextManager[Models]:
    """Text to speech alone."""
    return loader.open_models(settings, transcribes=False)


def __getattr__(name: str) -> object:
    """`app`, made when a server asks for it: tests that only open voices have no settings to read."""
    if name != "app":
        raise AttributeError(name)
    return create_app(load_settings(), open_voices)
