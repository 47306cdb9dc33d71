"""Renders the sound of a sentence chunk by chunk, while the sentence is still being decoded.

Post-net and vocoder have a limited receptive field. So a chunk of the mel, with enough frames of context on
either side, gives the same samples as the whole mel. Chunks are rendered by a worker pool.
"""

import math
from typing import Any

import numpy as np
import torch

from src.engines.base import Audio
from src.engines.coqui.encoder import apply_postnet
from src.engines.coqui.loading import Networks
from src.engines.coqui.postprocess import postprocess
from src.engines.worker_pool import Task, WorkerPool

_CHUNK_FRAMES = 256
"""Usual number of mel frames in a chunk.

In smaller chunks, more of the work is context, which is rendered twice. Larger chunks do not fit into the
core's cache, and the first sound comes later.
"""
_CHUNK_LENGTHS = 8
"""Number of lengths that chunks up to the usual one have. The last one of a sentence may have another."""
_FIRST_UNITS = 2
"""Units of the first chunk, with its context, of a sentence whose sound is to be early: half a second."""
_SMALLEST_UNITS = 3
"""Units of the smallest chunk of a sentence alone, with its context, where a vocoder leaves most of that out.
It is rendered in about the time in which the decoder makes the next."""
_MIN_SHARED_FRAMES = 128
"""Smallest rest of a sentence, in mel frames, that is split between two threads."""


class ChunkedVocoder:
    """Post-net and vocoder of one voice, for chunks of decoder steps.

    Args:
        networks: a Tacotron2 and its vocoder.
        r: mel frames per decoder step.
        mels: number of mel bands.
        pool: renders the chunks.
    """

    def __init__(self, networks: Networks, r: int, mels: int, pool: WorkerPool) -> None:
        self._networks = networks
        self._mels = mels
        self._r = r
        self.pool = pool
        """The pool that renders the chunks."""
        layers: Any = networks.model.postnet.convolutions
        multiple, field = 1, None
        if networks.vocoder is not None:
            multiple, field = networks.vocoder.length_multiple, networks.vocoder.receptive_field(r)
            # rounding in the post-net is even less audible than rounding in the vocoder
            networks.model.postnet.to(networks.vocoder.dtype)
        self.length_multiple = max(1, multiple // r)
        """Decoder steps. The vocoder is fastest for chunks whose length is a multiple of it."""
        self.chunk_unit = max(1, _CHUNK_FRAMES // _CHUNK_LENGTHS // r)
        """Decoder steps. All chunks but the last have a multiple of it."""
        self.chunk = None if field is None else self.chunk_unit * _CHUNK_LENGTHS
        """Usual number of decoder steps in a chunk; None: the vocoder needs the whole sentence."""
        postnet_field = sum(layer.convolution1d.padding[0] for layer in layers)
        self._postnet_context = 0 if field is None else _steps(postnet_field, r)
        self.context = 0 if field is None else self._postnet_context + _steps(field, r)
        """Decoder steps on either side of a chunk that its samples depend on."""
        leaves_context_out = networks.vocoder is not None and networks.vocoder.leaves_context_out
        smallest = self.chunk_unit * (_SMALLEST_UNITS if leaves_context_out else _CHUNK_LENGTHS // 2)
        self.smallest = max(smallest, 2 * self.context + self.chunk_unit)
        """Decoder steps of a chunk that is rendered while no other one is: it leaves less for the end."""

    def should_split(self, steps: int) -> bool:
        """Whether the last decoder steps of a sentence are best rendered by two threads, in two chunks."""
        return self.pool.idle and self.pool.size > 0 and steps * self._r > _MIN_SHARED_FRAMES

    def render(self, steps: torch.Tensor, left: int, right: int) -> Audio:
        """Samples (n,) of a chunk, without those of its context.

        Args:
            steps: output of the decoder for the chunk and its context, (steps, r x mels).
            left: number of context steps before the chunk. Less than `context` means that the sentence begins
                with them.
            right: number of context steps after the chunk, likewise.
        """
        if self._networks.vocoder is None:
            raise ValueError("the model makes no mel")
        mel = apply_postnet(self._networks.model, [steps.view(-1, self._mels)])[0]
        # frames that the post-net made without their full context are no context for the vocoder
        invalid_left = self._postnet_context if left >= self.context else 0
        invalid_right = self._postnet_context if right >= self.context else 0
        mel = mel[invalid_left * self._r : len(mel) - invalid_right * self._r]
        samples = self._networks.vocoder.render_chunk(
            mel, (left - invalid_left) * self._r, (right - invalid_right) * self._r
        )
        return samples.float().cpu().numpy()

    def join(self, chunks: list[Audio]) -> Audio:
        """The sound of a sentence from that of all its chunks."""
        return postprocess(np.concatenate(chunks), self._networks)


def _steps(frames: int, r: int) -> int:
    return math.ceil(frames / r)


class StreamingSynthesis:
    """The sound of one text. It takes the decoder's output step by step.

    Args:
        vocoder: that of the voice.
        soon: make the first chunk short, so that it is rendered soon.
    """

    def __init__(self, vocoder: ChunkedVocoder, soon: bool = False) -> None:
        self._vocoder = vocoder
        self._soon = soon
        self._taken = 0
        """Chunks that `new_sound` has returned."""
        self._steps: list[torch.Tensor] = []
        self._submitted = 0
        """Number of decoder steps whose chunks are submitted."""
        self._tasks: list[Task[Audio]] = []
        self._ended = False

    def __len__(self) -> int:
        """Number of decoder steps so far."""
        return len(self._steps)

    def add(self, frames: torch.Tensor, alone: bool = False) -> None:
        """Add the output of one decoder step, and submit a chunk if there are enough steps.

        Args:
            frames: shape (r x mels,).
            alone: no other row is being decoded.
        """
        self._steps.append(frames)
        chunk = self._vocoder.chunk
        if chunk is None:
            return
        ready = len(self._steps) - self._next
        if self._vocoder.pool.free:
            smallest, largest = self._vocoder.smallest if alone else chunk // 2, chunk
        else:
            # a chunk that has to wait can as well grow: a larger one has less context to render twice
            smallest = largest = chunk if alone else 2 * chunk
        if self._soon and not self._submitted:
            unit = self._vocoder.chunk_unit
            first = max(unit * _FIRST_UNITS, self._vocoder.context + unit)
            if ready >= first:
                self._submit(0, first)
            return
        if ready >= smallest:
            unit = self._vocoder.chunk_unit
            self._submit(self._next, self._next + min(ready, largest) // unit * unit)

    def end(self, steps: int | None = None) -> None:
        """Submit the rest: the decoder has ended.

        Args:
            steps: number of decoder steps to keep; None: all.
        """
        if steps is not None and steps < len(self._steps):
            # submitted chunks may depend on steps that are cut off
            self.drop()
            self._submitted = 0
            del self._steps[steps:]
        chunk = self._vocoder.chunk
        if chunk is not None:
            while len(self._steps) - self._next > 1.5 * chunk:
                self._submit(self._next, self._next + chunk)
            self._submit_rest()
        else:
            self._submit(0, len(self._steps), more=False)
        self._ended = True
        self._steps = []

    def drop(self) -> None:
        """Forget all chunks: nobody wants the sound any more."""
        for task in self._tasks:
            self._vocoder.pool.drop(task)
        self._tasks = []

    def new_sound(self) -> Audio:
        """Samples in [-1, 1] of chunks that are rendered since the last call, in order; maybe none."""
        found: list[Audio] = []
        for task in self._tasks[self._taken :]:
            if not isinstance(task.outcome, np.ndarray):
                break
            found.append(task.outcome)
        self._taken += len(found)
        return np.clip(np.concatenate(found), -1.0, 1.0) if found else np.zeros(0, np.float32)

    def result(self) -> Audio | None:
        """All samples in [-1, 1]; None until they are rendered.

        Raises:
            Exception: whatever the vocoder raised.
        """
        outcomes = [task.outcome for task in self._tasks]
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        chunks = [outcome for outcome in outcomes if isinstance(outcome, np.ndarray)]
        return self._vocoder.join(chunks) if self._ended and len(chunks) == len(outcomes) else None

    @property
    def _next(self) -> int:
        """The first step of the next chunk's context."""
        return max(0, self._submitted - self._vocoder.context)

    def _submit_rest(self) -> None:
        """Submit all remaining steps, with more context than needed where that gives a usual length.

        They become two overlapping chunks in two cases: the sentence is too short for a usual length, or a
        second thread is free.
        """
        vocoder, count = self._vocoder, len(self._steps)
        remaining, multiple = count - self._next, vocoder.length_multiple
        length = math.ceil(remaining / multiple) * multiple
        multiples_of_both = math.ceil((remaining + 2 * vocoder.context) / multiple)
        first = math.ceil(multiples_of_both / 2) * multiple
        if first <= remaining and (length > count or vocoder.should_split(remaining)):
            self._submit(self._next, self._next + first)
            length = multiples_of_both * multiple - first
        self._submit(max(0, count - length), count, more=False)

    def _submit(self, first: int, last: int, more: bool = True) -> None:
        """Submit the chunk that the steps from `first` to `last` hold with its context.

        Args:
            more: whether steps come after `last`.
        """
        vocoder, begin = self._vocoder, self._submitted
        end = last - vocoder.context if more else last
        steps = torch.stack(self._steps[first:last])
        task = Task.of(lambda: vocoder.render(steps, begin - first, last - end))
        self._submitted = end
        self._tasks.append(task)
        vocoder.pool.submit(task)
