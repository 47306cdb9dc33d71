"""Whisper's decoder for rows that are each at a place of their own.

The network is that of "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford et al., 2022).
Linear layers see the tokens of all rows at once, which is where the time goes; attention is row by row, so
nothing is padded, masked for company or moved when a row joins or leaves.

A row has one store of keys and values for all its hypotheses. They are only ever added to it: which of them
a hypothesis may look at, its own and its ancestors', a mask says. A beam that turns to another parent thus
copies no cache, only a line of the mask.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from src.engines.whisper.loop import kernels
from src.engines.whisper.loop.audio import Audio
from src.engines.whisper.loop.encoder import Parts
from src.engines.whisper.loop.kernels import Mask, Rows
from src.engines.whisper.loop.layers import Block, Layers

_PLACES = 128
"""Of a row's store at first: five hypotheses fill it in about 25 steps."""


class Memory:
    """One row's keys and values: of its audio, and of the tokens so far."""

    __slots__ = ("audio", "keys", "used", "values")

    def __init__(self, audio: Sequence[Audio], heads: int, width: int) -> None:
        self.audio = audio
        """As each layer sees it."""
        self.keys = np.empty((len(audio), heads, _PLACES, width), np.float32)
        self.values = np.empty_like(self.keys)
        self.used = 0
        """Places taken: one for each token of the prompt, then one for each hypothesis a step."""

    @property
    def room(self) -> int:
        """Places that are free."""
        return self.keys.shape[2] - self.used

    def make_room(self, tokens: int) -> None:
        """Grow, if there is less room than that, to twice the size at least."""
        if self.room < tokens:
            layers, heads, places, width = self.keys.shape
            more = np.empty((layers, heads, max(tokens, places), width), np.float32)
            self.keys = np.concatenate([self.keys, more], 2)
            self.values = np.concatenate([self.values, more], 2)

    def keep(self, places: NDArray[np.int64]) -> None:
        """Move these places (indexes, rising) to the front and forget the others."""
        self.used = len(places)
        self.keys[:, :, : self.used] = self.keys[:, :, places]
        self.values[:, :, : self.used] = self.values[:, :, places]

    def forget(self) -> None:
        """The tokens; not the audio."""
        self.used = 0


@dataclass(slots=True, eq=False)
class Feed:
    """What one row gives to a step."""

    memory: Memory
    tokens: list[int]
    """New ones: those of the prompt, one after the other, or one of each hypothesis, side by side."""
    position: int
    """Of the first in the text."""
    mask: Mask | None
    """What each token may look at; None: they follow each other, and see all that came before."""


class _Layer(NamedTuple):
    tokens: Block
    audio: Block
    feed_forward: Block


class Decoder:
    """The weights. Keeps nothing between calls.

    Args:
        layers: what is under `decoder/` in the model.
        listening: likewise; of it the layers that make keys and values of the audio.
        audio: how these are kept.
    """

    def __init__(self, layers: Layers, listening: Layers, audio: type[Audio]) -> None:
        self._audio = audio
        # half the memory; a step reads a few lines
        self._embedding = layers.tensor("embeddings/weight").half().numpy()
        self._positions = layers.tensor("position_encodings/encodings").numpy()
        self._heads = int(layers.tensor("num_heads"))
        self._normal = layers.normal("layer_norm")
        self._project = layers.projection("embeddings/weight", kernels.BLOCK)
        self.outputs = len(self._embedding) + -len(self._embedding) % kernels.BLOCK
        """Length of a line of logits."""
        names = [f"layer_{n}" for n in range(layers.count("layer_{}/ffn/linear_0/weight"))]
        self._listening = [listening.linear(f"{name}/attention/linear_1") for name in names]
        self._layers = [
            _Layer(
                layers.block(f"{name}/self_attention"),
                # the one between is of the audio only: `listening` has it
                layers.block(f"{name}/attention", 0, 2),
                layers.block(f"{name}/ffn"),
            )
            for name in names
        ]

    def listen(self, encoded: Tensor) -> Generator[Parts, None, Memory]:
        """The memory of a row, from the encoder's output of shape (positions, width).

        Yields:
            what is to be done before it goes on, in any order or at once.
        """
        audio: dict[int, Audio] = {}
        numbers = range(len(self._listening))
        yield [partial(self._listen, encoded, audio, number) for number in numbers]
        return Memory([audio[number] for number in numbers], self._heads, encoded.shape[1] // self._heads)

    def _listen(self, encoded: Tensor, audio: dict[int, Audio], number: int) -> None:
        # a copy, since all layers are given the same
        both = torch.from_numpy(self._listening[number](encoded.numpy().copy()))
        keys, values = both.view(len(both), 2, self._heads, -1).unbind(1)
        audio[number] = self._audio(keys, values)

    def step(self, feeds: Sequence[Feed], wanted: Sequence[int]) -> Rows:
        """Take the new tokens of all rows in.

        Args:
            wanted: indexes, among all the new tokens, of those whose logits are asked for.

        Returns:
            logits of shape (wanted, outputs).
        """
        tokens = [token for feed in feeds for token in feed.tokens]
        places = [
            feed.position + (0 if feed.mask is not None else offset)
            for feed in feeds
            for offset in range(len(feed.tokens))
        ]
        masks = [_following(feed) if feed.mask is None else feed.mask for feed in feeds]
        for feed in feeds:
            feed.memory.make_room(len(feed.tokens))
        x: Rows = self._embedding[tokens] + self._positions[places]
        for number, layer in enumerate(self._layers):
            self._look_at_tokens(layer.tokens, x, feeds, masks, number)
            self._look_at_audio(layer.audio, x, feeds, number)
            up, down = layer.feed_forward.linears
            down.add_to(x, up.gelu(layer.feed_forward.normal(x)))
        for feed in feeds:
            feed.memory.used += len(feed.tokens)
        return self._project(self._normal(x[list(wanted)]))

    def _look_at_tokens(
        self, attention: Block, x: Rows, feeds: Sequence[Feed], masks: Sequence[Mask], number: int
    ) -> None:
        ask, answer = attention.linears
        every = ask(attention.normal(x))
        seen, start = np.empty_like(x), 0
        for feed, mask in zip(feeds, masks, strict=True):
            memory, end = feed.memory, start + len(feed.tokens)
            keys, values = memory.keys[number], memory.values[number]
            kernels.attend(every[start:end], keys, values, mask, seen[start:end])
            start = end
        answer.add_to(x, seen)

    def _look_at_audio(self, attention: Block, x: Rows, feeds: Sequence[Feed], number: int) -> None:
        ask, answer = attention.linears
        heads = (len(x), self._heads, x.shape[1] // self._heads)
        asked = ask(attention.normal(x), np.float32(heads[2] ** -0.5)).reshape(heads)
        seen, start = np.empty(heads, np.float32), 0
        for feed in feeds:
            end = start + len(feed.tokens)
            feed.memory.audio[number].attend(asked[start:end], seen[start:end])
            start = end
        answer.add_to(x, seen.reshape(x.shape))


def _following(feed: Feed) -> Mask:
    """Each token sees what was there before, those before it, and itself."""
    count, before = len(feed.tokens), feed.memory.used
    return np.tri(count, before + count, before, dtype=np.bool_)
