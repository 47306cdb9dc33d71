"""The language of a recording: that of its first chunk, or of its first few if the first one leaves doubt."""

import asyncio
from dataclasses import replace

from src.engines.base import LanguageGuess, SttOptions
from src.services.transcription.chunks import ChunkReader
from src.services.transcription.rows import ReadChunk, RowReader
from src.services.transcription.segmenter import Chunk

_SURE = 0.5
"""Probability below which the language of the first chunk is checked against the next ones."""
_DETECTION_CHUNKS = 3
"""Chunks that are asked then."""


async def read_first(chunks: ChunkReader, rows: RowReader, options: SttOptions) -> list[ReadChunk]:
    """Read the first chunk in the language of the recording; nothing if there is no speech.

    Where no language is given, that of the transcripts is the recording's: short chunks would each be guessed
    anew.
    """
    chunk = await anext(chunks, None)
    if chunk is None:
        return []
    if options.stable and await chunks.peek(1):  # what was told is a text of all chunks, not of the first
        options = replace(options, stable=0)
    found = await rows.read(chunk, options)
    transcript = found[0].transcript
    if options.language is not None or transcript.language_probability >= _SURE:
        return found
    following = await chunks.peek(_DETECTION_CHUNKS - 1)
    if not following:
        return found
    [best, *_] = await _averaged([chunk, *following], rows, options.languages)
    if best.language != transcript.language:
        found = await rows.read(chunk, replace(options, language=best.language))
    sure = replace(found[0].transcript, language_probability=best.probability)
    return [replace(found[0], transcript=sure), *found[1:]]


async def detect(chunks: ChunkReader, rows: RowReader, languages: tuple[str, ...]) -> list[LanguageGuess]:
    """Languages of the first speech, likeliest first; nothing if there is no speech."""
    chunk = await anext(chunks, None)
    if chunk is None:
        return []
    guesses = await rows.detect_language(chunk, languages)
    if guesses[0].probability >= _SURE:
        return guesses
    return await _averaged([chunk, *await chunks.peek(_DETECTION_CHUNKS - 1)], rows, languages)


async def _averaged(chunks: list[Chunk], rows: RowReader, languages: tuple[str, ...]) -> list[LanguageGuess]:
    """Probabilities averaged over chunks, longer ones counting more."""
    tasks = [asyncio.create_task(rows.detect_language(chunk, languages)) for chunk in chunks]
    try:
        # not a TaskGroup: its ExceptionGroup would hide that the engine is overloaded
        found = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    total = sum(len(chunk.audio) for chunk in chunks)
    sums: dict[str, float] = {}
    for chunk, guesses in zip(chunks, found, strict=True):
        for guess in guesses:
            share = guess.probability * len(chunk.audio) / total
            sums[guess.language] = sums.get(guess.language, 0.0) + share
    return [LanguageGuess(*item) for item in sorted(sums.items(), key=lambda item: -item[1])]
