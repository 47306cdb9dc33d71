"""Recordings as browsers make them, and cut into pieces as a network does."""

import io
import random
from collections.abc import Iterator

import av
import numpy as np

from src.engines.base import STT_SAMPLE_RATE, Audio

RATE = 48_000


def recorded(audio: Audio, container: str) -> bytes:
    """Audio as Opus in WebM or Ogg, written without going back, as a browser does it."""
    out = io.BytesIO()
    options = (
        {"live": "1", "cluster_time_limit": "200"} if container == "webm" else {"page_duration": "200000"}
    )
    with av.open(out, "w", format=str(container), container_options=options) as file:
        stream = file.add_stream("libopus", rate=RATE, layout="mono")
        resampler = av.AudioResampler(stream.format.name, "mono", RATE, frame_size=stream.frame_size or 960)
        frame = av.AudioFrame.from_ndarray(audio[None].astype(np.float32), "flt", "mono")
        frame.sample_rate = STT_SAMPLE_RATE
        for one in [*resampler.resample(frame), *resampler.resample(None), None]:
            for packet in stream.encode(one):
                file.mux(packet)
    return out.getvalue()


def pieces(data: bytes, seed: int = 1, most: int = 4_000) -> Iterator[bytes]:
    """The same bytes in pieces of any length."""
    chance = random.Random(seed)
    at = 0
    while at < len(data):
        size = chance.choice((1, 2, 7, 100, chance.randrange(1, most)))
        yield data[at : at + size]
        at += size
