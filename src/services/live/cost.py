"""What an update of a live session costs, before there is one."""

import logging

import numpy as np

from src.engines.base import STT_SAMPLE_RATE, SpeechToText, SttOptions
from src.errors import VozError
from src.scheduling.live_load import Cost

log = logging.getLogger(__name__)

_MEASURED_SECONDS = 5


async def update_seconds(engine: SpeechToText) -> float:
    """What an update costs: the cheaper of two over some seconds of silence; a guess if the engine fails."""
    if not engine.info.languages:  # there is none
        return Cost().update
    audio = np.zeros(_MEASURED_SECONDS * STT_SAMPLE_RATE, np.float32)
    options = SttOptions(language=next(iter(engine.info.languages), None))
    costs: list[float] = []
    try:
        for _ in range(2):
            partial = await engine.transcribe_partial(audio, options, (), "live-cost")
            costs.append(partial.engine_seconds)
    except VozError as error:
        log.warning("the cost of live sessions could not be measured yet: %s", error)
    return min(costs, default=0.0) or Cost().update
