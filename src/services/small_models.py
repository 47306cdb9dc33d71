"""The models that every server has beside its engines: they find speech, and tell the language of a text."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from src.engines import vad
from src.scheduling.background_loop import in_background
from src.scheduling.executors import SEGMENTATION, TEXT
from src.services.text import detect


@asynccontextmanager
async def loaded() -> AsyncIterator[None]:
    """Load them, so that no request waits: the VAD before the block, the other one beside it.

    Raises:
        Exception: whatever loading the VAD raises.
    """
    await SEGMENTATION.run(vad.load)
    async with in_background(TEXT.run(detect.warm_up), "detect-warm-up"):
        yield
