"""Jobs that speak a text."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from src.jobs.model import JobState
from src.jobs.objects import PREFIX, JobObjects
from src.jobs.outcomes import Ending
from src.jobs.work import Assignment
from src.scheduling.executors import TEXT
from src.services.audio import AudioFormat
from src.services.speech import SpeechRequest
from src.services.text.lexicon import from_request
from src.services.tts import TtsService, word_keys
from src.services.usage import UsageMeter
from src.storage.keys import new_key

_SAVE_SECONDS = 2.0
"""Between two saves of the progress."""


class SpeechWork:
    """Speaks texts into objects of their own: a job's result is deleted with it, so it shares no cache.

    Args:
        tts: that speaks.
        objects: where the audio goes.
    """

    def __init__(self, tts: TtsService, objects: JobObjects) -> None:
        self._tts = tts
        self._objects = objects

    async def __call__(self, assignment: Assignment) -> Ending:
        spec = assignment.job.spec
        voice = self._tts.voices.find(spec["voice"])
        audio_format = AudioFormat(spec["format"])
        request = SpeechRequest(
            text=spec["text"],
            voice=voice,
            format=audio_format,
            speed=spec["speed"],
            language=spec["language"],
            owner=assignment.job.owner,
            timestamps=spec["timestamps"],
            markup=spec["markup"],
            lexicon=await TEXT.run(from_request, spec["lexicon"]),
        )
        key = PREFIX + new_key(audio_format.extension)
        beside = word_keys(key) if request.timestamps else {}
        await self._objects.expect(key, *beside.values())
        meter = UsageMeter()
        async with _saving(assignment, meter):
            spoken = await self._tts.speak_to(key, request, meter)
        return Ending(
            JobState.SUCCEEDED,
            result={
                "key": key,
                "content_type": audio_format.content_type,
                "format": audio_format.value,
                "duration": round(spoken.duration, 3),
                "model": voice.model,
                "language": voice.language,
                "voice": voice.id,
                "sample_rate": spoken.sample_rate,
                "word_keys": beside or None,
            },
            objects=[key, *beside.values()],
        )


@contextlib.asynccontextmanager
async def _saving(assignment: Assignment, meter: UsageMeter) -> AsyncIterator[None]:
    """Save the progress while the block runs."""

    async def save() -> None:
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            await assignment.save(meter.usage.audio_seconds)

    saving = asyncio.create_task(save())
    try:
        yield
    finally:
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)
