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

import torch
from torch import Tensor
from torch.nn.functional import gelu, pad

from src.engines.whisper.loop.encoder import Parts
from src.engines.whisper.loop.layers import Block, normal
from src.engines.whisper.loop.linear import Layers
from src.engines.whisper.loop.rules import BLOCK

_KEYS = 64
"""Positions of a block of keys."""
_PLACES = 128
"""Of a row's store at first: five hypotheses fill it in about 25 steps."""


class Memory:
    """One row's keys and values: of its audio, and of the tokens so far."""

    __slots__ = ("audio", "keys", "used", "values")

    def __init__(self, audio: list[tuple[Tensor, Tensor]]) -> None:
        self.audio = audio
        """Of each layer; keys (heads, blocks, width of a head, positions of a block),
        values (heads, positions, width)."""
        heads, _, width = audio[0][1].shape
        self.keys = torch.empty(len(audio), heads, _PLACES, width)
        self.values = torch.empty(len(audio), heads, _PLACES, width)
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
            more = self.keys.new_empty(layers, heads, max(tokens, places), width)
            self.keys = torch.cat([self.keys, more], 2)
            self.values = torch.cat([self.values, more], 2)

    def keep(self, places: Tensor) -> None:
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
    mask: Tensor | None
    """What each token must not see: -inf there, else 0; shape (tokens, places taken and these tokens).
    None: the tokens follow each other, and see all that came before."""


class _Layer(NamedTuple):
    tokens: Block
    audio: Block
    feed_forward: Block


class Decoder:
    """The weights. Keeps nothing between calls.

    Args:
        layers: what is under `decoder/` in the model.
        stored: numbers in which the audio's keys and values are kept. Reading them is the most of a step over
            many rows, so half the bytes is nearly half the time where the CPU multiplies bfloat16 itself.
    """

    def __init__(self, layers: Layers, stored: torch.dtype = torch.float32) -> None:
        self._stored = stored
        self._embedding = layers.tensor(
            "embeddings/weight"
        ).half()  # half the memory; a step reads a few lines
        self._positions = layers.tensor("position_encodings/encodings")
        self._gamma = layers.tensor("layer_norm/gamma")
        self._beta = layers.tensor("layer_norm/beta")
        self._heads = int(layers.tensor("num_heads"))
        self._project = layers.projection("embeddings/weight", BLOCK)
        self.outputs = len(self._embedding) + -len(self._embedding) % BLOCK
        """Length of a line of logits."""
        self._layers = [
            _Layer(
                Block(layers, f"layer_{n}/self_attention"),
                Block(layers, f"layer_{n}/attention"),
                Block(layers, f"layer_{n}/ffn"),
            )
            for n in range(layers.count("layer_{}/ffn/linear_0/weight"))
        ]

    def listen(self, encoded: Tensor) -> Generator[Parts, None, Memory]:
        """The memory of a row, from the encoder's output of shape (positions, width).

        Yields:
            what is to be done before it goes on, in any order or at once.
        """
        audio: dict[int, tuple[Tensor, Tensor]] = {}
        yield [partial(self._listen, encoded, audio, number) for number in range(len(self._layers))]
        return Memory([audio[number] for number in range(len(self._layers))])

    def _listen(self, encoded: Tensor, audio: dict[int, tuple[Tensor, Tensor]], number: int) -> None:
        both = self._layers[number].audio.linears[1](encoded)
        keys, values = both.view(len(encoded), 2, self._heads, -1).to(self._stored).permute(1, 2, 0, 3)
        audio[number] = _blocks(keys), values.contiguous()

    def step(self, feeds: Sequence[Feed], wanted: Sequence[int]) -> Tensor:
        """Take the new tokens of all rows in.

        Args:
            wanted: indexes, among all the new tokens, of those whose logits are asked for.

        Returns:
            logits of shape (wanted, outputs).
        """
        tokens = torch.tensor([token for feed in feeds for token in feed.tokens])
        places = torch.tensor(
            [
                feed.position + (0 if feed.mask is not None else offset)
                for feed in feeds
                for offset in range(len(feed.tokens))
            ]
        )
        masks = [_following(feed) if feed.mask is None else feed.mask for feed in feeds]
        for feed in feeds:
            feed.memory.make_room(len(feed.tokens))
        x = self._embedding[tokens].float() + self._positions[places]
        for number, layer in enumerate(self._layers):
            x = x + self._among_tokens(layer.tokens, x, feeds, masks, number)
            x = x + self._to_audio(layer.audio, x, feeds, number)
            up, down = layer.feed_forward.linears
            x = x + down(gelu(up(layer.feed_forward.normal(x))))
        for feed in feeds:
            feed.memory.used += len(feed.tokens)
        return self._project(normal(x[torch.tensor(wanted)], self._gamma, self._beta))

    def _among_tokens(
        self, attention: Block, x: Tensor, feeds: Sequence[Feed], masks: Sequence[Tensor], number: int
    ) -> Tensor:
        every = attention.linears[0](attention.normal(x))
        # (3, heads, tokens, width)
        every = every.view(len(x), 3, self._heads, -1).permute(1, 2, 0, 3)
        scale = every.shape[3] ** -0.5
        seen, start = [], 0
        for feed, mask in zip(feeds, masks, strict=True):
            memory, end = feed.memory, start + len(feed.tokens)
            after = memory.used + len(feed.tokens)
            memory.keys[number, :, memory.used : after] = every[1, :, start:end]
            memory.values[number, :, memory.used : after] = every[2, :, start:end]
            seen.append(
                _attend_masked(
                    every[0, :, start:end] * scale,
                    memory.keys[number, :, :after],
                    memory.values[number, :, :after],
                    mask,
                )
            )
            start = end
        return attention.linears[1](_joined(seen, len(x)))

    def _to_audio(self, attention: Block, x: Tensor, feeds: Sequence[Feed], number: int) -> Tensor:
        asked = attention.linears[0](attention.normal(x))
        asked = asked.view(len(x), self._heads, -1).transpose(0, 1)
        asked = asked * asked.shape[2] ** -0.5
        seen, start = [], 0
        for feed in feeds:
            end = start + len(feed.tokens)
            keys, values = feed.memory.audio[number]
            seen.append(_attend(asked[:, start:end], keys, values))
            start = end
        return attention.linears[2](_joined(seen, len(x)))


def _blocks(keys: Tensor) -> Tensor:
    """(heads, positions, width) as (heads, blocks, width, positions of a block): products are made of blocks
    that fit into the core's first cache, which takes half the time."""
    heads, positions, width = keys.shape
    filled = pad(keys, (0, 0, 0, -positions % _KEYS))
    return filled.view(heads, -1, _KEYS, width).transpose(2, 3).contiguous()


def _attend(asked: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Shape (heads, tokens, width). By hand: fused kernels are made for more tokens than five."""
    scores = torch.matmul(asked.to(keys.dtype)[:, None], keys).transpose(1, 2)
    # the last block may have been filled up
    shares = scores.flatten(2)[:, :, : values.shape[1]].softmax(2)
    return torch.bmm(shares, values).to(asked.dtype)


def _attend_masked(asked: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    return torch.bmm(torch.baddbmm(mask, asked, keys.transpose(1, 2)).softmax(2), values)


def _joined(seen: Sequence[Tensor], tokens: int) -> Tensor:
    """Heads side by side again: shape (tokens, heads x width)."""
    every = seen[0] if len(seen) == 1 else torch.cat(list(seen), 1)
    return every.transpose(0, 1).reshape(tokens, -1)


def _following(feed: Feed) -> Tensor:
    """Each token sees what was there before, those before it, and itself."""
    count, before = len(feed.tokens), feed.memory.used
    return torch.full((count, before + count), float("-inf")).triu_(before + 1)
