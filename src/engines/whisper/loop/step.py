"""One step of the decoder over some rows."""

from collections.abc import Sequence

from src.engines.whisper.loop.decoder import Decoder, Feed
from src.engines.whisper.loop.reading import Reading
from src.engines.whisper.loop.rules import Rules


def take_step(decoder: Decoder, rules: Rules, readings: Sequence[Reading]) -> None:
    """Feed what the rows want to feed, and let each make of it what it will."""
    feeds: list[Feed] = []
    wanted: list[int] = []
    counts: list[int] = []  # of wanted logits, by row
    tokens = 0
    for reading in readings:
        feed, offsets = reading.feed()
        feeds.append(feed)
        wanted += [tokens + offset for offset in offsets]
        counts.append(len(offsets))
        tokens += len(feed.tokens)
    logits = decoder.step(feeds, wanted)
    texts: list[Sequence[int]] = []
    lines: list[int] = []
    writing: list[tuple[Reading, int]] = []
    start = 0
    for reading, count in zip(readings, counts, strict=True):
        end = start + count
        if found := reading.take(logits[start:end]):
            texts += found
            lines += range(end - len(found), end)
            writing.append((reading, len(found)))
        start = end
    if not writing:
        return
    if len(lines) < len(logits):
        logits = logits[lines]
    rules.apply(logits, texts)
    start = 0
    for reading, count in writing:
        reading.choose(logits[start : start + count])
        start += count
