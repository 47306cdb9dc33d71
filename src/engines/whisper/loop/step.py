"""One decoder step over some rows."""

import time
from collections.abc import Sequence

from src.engines.whisper.loop.decode_state import DecodeState
from src.engines.whisper.loop.decoder import DecoderInput, WhisperDecoder
from src.engines.whisper.loop.logit_filter import LogitFilter


def decode_step(decoder: WhisperDecoder, logit_filter: LogitFilter, states: Sequence[DecodeState]) -> None:
    """Feed the next tokens of all rows to the decoder, and pass each row its logits."""
    started = time.thread_time()
    tokens = _step(decoder, logit_filter, states)
    each = (time.thread_time() - started) / sum(tokens)
    for state, count in zip(states, tokens, strict=True):
        state.cpu_seconds += count * each


def _step(decoder: WhisperDecoder, logit_filter: LogitFilter, states: Sequence[DecodeState]) -> list[int]:
    """The number of tokens that each row fed."""
    inputs: list[DecoderInput] = []
    wanted: list[int] = []
    counts: list[int] = []  # of wanted logits, by row
    tokens = 0
    for state in states:
        one, offsets = state.next_input()
        inputs.append(one)
        wanted += [tokens + offset for offset in offsets]
        counts.append(len(offsets))
        tokens += len(one.tokens)
    logits = decoder.step(inputs, wanted)
    texts: list[Sequence[int]] = []
    untimed: set[int] = set()
    lines: list[int] = []
    writing: list[tuple[DecodeState, int]] = []
    start = 0
    for state, count in zip(states, counts, strict=True):
        end = start + count
        if found := state.consume_logits(logits[start:end]):
            if not state.row.timed:
                untimed.update(range(len(texts), len(texts) + len(found)))
            texts += found
            lines += range(end - len(found), end)
            writing.append((state, len(found)))
        start = end
    fed = [len(one.tokens) for one in inputs]
    if not writing:
        return fed
    if len(lines) < len(logits):
        logits = logits[lines]
    logit_filter.apply(logits, texts, untimed)
    start = 0
    for state, count in writing:
        state.consume_logprobs(logits[start : start + count])
        start += count
    return fed
