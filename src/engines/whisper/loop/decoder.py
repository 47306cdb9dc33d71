"""Whisper's decoder for rows that are each at a position of their own.

The network is that of "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford et al., 2022).
Linear layers see the tokens of all rows at once, which is where most of the time goes. Attention is computed
row by row (the selective batching of "Orca", Yu et al., 2022), so nothing is padded, and nothing moves when a
row joins or leaves.

A row has one KV cache for all its hypotheses. A mask says which slots a hypothesis attends to: its own and
its ancestors'. So a beam that continues another parent copies a line of the mask and no cache.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from src.engines.kernels import Mask, Rows
from src.engines.kernels.attention import self_attention
from src.engines.kernels.sampling import BLOCK
from src.engines.whisper.loop.attention_recorder import Recorder
from src.engines.whisper.loop.cross_attention import CrossAttentionCache
from src.engines.whisper.loop.layers import LayerBuilder, Sublayer
from src.engines.worker_pool import Stage

_SLOTS = 128
"""Slots of a new KV cache: five hypotheses fill it in about 25 steps."""
_PROMPT_PART = 64
"""Tokens of a prompt in a subtask: 17 ms for `base`, which is less than one of the encoder's takes."""


class KVCache:
    """Keys and values of one row: of its audio, and of the tokens so far.

    Args:
        cross_attention: of each layer.
        heads: of each layer.
        width: of a head.
    """

    __slots__ = ("cross_attention", "keys", "prompt", "used", "values")

    def __init__(self, cross_attention: Sequence[CrossAttentionCache], heads: int, width: int) -> None:
        self.cross_attention = cross_attention
        self.keys = np.empty((len(cross_attention), heads, _SLOTS, width), np.float32)
        self.values = np.empty_like(self.keys)
        self.prompt = 0
        """Slots of a prompt that was read before the first step, and that `reset` keeps."""
        self.used = 0
        """Slots in use: one for each token of the prompt, then one for each hypothesis and step."""

    @property
    def free(self) -> int:
        """Number of free slots."""
        return self.keys.shape[2] - self.used

    def reserve(self, tokens: int) -> None:
        """Have at least `tokens` free slots. The cache at least doubles when it grows."""
        if self.free < tokens:
            layers, heads, slots, width = self.keys.shape
            more = np.empty((layers, heads, max(tokens, slots), width), np.float32)
            self.keys = np.concatenate([self.keys, more], 2)
            self.values = np.concatenate([self.values, more], 2)

    def compact(self, slots: NDArray[np.int64]) -> None:
        """Keep these slots (indexes in rising order), moved to the front, and drop the others."""
        self.used = len(slots)
        self.keys[:, :, : self.used] = self.keys[:, :, slots]
        self.values[:, :, : self.used] = self.values[:, :, slots]

    def reset(self, *, prompt: bool = True) -> None:
        """Forget the tokens, without those of the prompt that was read before, and keep the audio.

        Args:
            prompt: whether that prompt is kept.
        """
        if not prompt:
            self.prompt = 0
        self.used = self.prompt


@dataclass(slots=True, eq=False)
class DecoderInput:
    """What one row gives to a decoder step."""

    kv_cache: KVCache
    tokens: list[int]
    """New tokens: those of a prompt in their order, or the last one of each hypothesis."""
    position: int
    """Position of the first new token in the text."""
    mask: Mask | None
    """Slots that each new token attends to; None: causal, as in a prompt."""
    recorder: Recorder | None = None
    """Told where the tokens look in the audio."""


class _Layer(NamedTuple):
    self_attention: Sublayer
    cross_attention: Sublayer
    feed_forward: Sublayer


class WhisperDecoder:
    """The decoder's weights. Keeps nothing between calls.

    Args:
        layers: the arrays under `decoder/` in the model.
        kv_layers: the same, with a product for many rows: the layers that make keys and values of the audio.
        cross_attention: how keys and values of the audio are stored.
    """

    def __init__(
        self, layers: LayerBuilder, kv_layers: LayerBuilder, cross_attention: type[CrossAttentionCache]
    ) -> None:
        self._cache_type = cross_attention
        self._embedding = layers.embedding("embeddings/weight")
        self._positions = layers.tensor("position_encodings/encodings").numpy()
        self.heads = int(layers.tensor("num_heads"))
        self._norm = layers.layer_norm("layer_norm")
        self._output_projection = layers.output_projection("embeddings/weight", BLOCK)
        self.outputs = len(self._embedding) + -len(self._embedding) % BLOCK
        """Length of a row of logits."""
        names = [f"layer_{n}" for n in range(layers.count("layer_{}/ffn/linear_0/weight"))]
        self._kv_projections = [kv_layers.linear(f"{name}/attention/linear_1") for name in names]
        self._layers = [
            _Layer(
                layers.sublayer(f"{name}/self_attention"),
                # linear_1 is among the projections of keys and values
                layers.sublayer(f"{name}/attention", 0, 2),
                layers.sublayer(f"{name}/ffn"),
            )
            for name in names
        ]

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self._layers)

    def project_kv(self, encoded: Tensor) -> Generator[Stage, None, KVCache]:
        """Make a row's KV cache of the encoder's output.

        Args:
            encoded: shape (positions, width).

        Yields:
            one stage with a subtask for each layer.
        """
        caches: dict[int, CrossAttentionCache] = {}
        layers = range(len(self._kv_projections))
        yield [partial(self._project_layer_kv, encoded, caches, layer) for layer in layers]
        return KVCache([caches[layer] for layer in layers], self.heads, encoded.shape[1] // self.heads)

    def _project_layer_kv(self, encoded: Tensor, caches: dict[int, CrossAttentionCache], layer: int) -> None:
        # a copy, because the product overwrites its input and all layers are given the same
        both = torch.from_numpy(self._kv_projections[layer](encoded.numpy().copy()))
        keys, values = both.view(len(both), 2, self.heads, -1).unbind(1)
        caches[layer] = self._cache_type(keys, values)

    def read_prompt(self, cache: KVCache, tokens: Sequence[int]) -> Generator[Stage, None, None]:
        """Add the first tokens of a prompt to a row's new KV cache.

        A step over them would make all other rows wait for as long as ten steps take.

        Yields:
            a stage for each part, of one subtask.
        """
        for start in range(0, len(tokens), _PROMPT_PART):
            part = DecoderInput(cache, list(tokens[start : start + _PROMPT_PART]), start, None)
            yield [partial(self._read, part)]
        cache.prompt = len(tokens)

    def _read(self, one: DecoderInput) -> None:
        self.step([one], ())

    def step(self, inputs: Sequence[DecoderInput], wanted: Sequence[int]) -> Rows:
        """Decode the new tokens of all rows, and add them to the rows' KV caches.

        Args:
            inputs: one for each row.
            wanted: indexes, among the new tokens of all rows, of those whose logits are returned.

        Returns:
            logits of shape (wanted, outputs).
        """
        tokens = [token for one in inputs for token in one.tokens]
        positions = [
            one.position + (0 if one.mask is not None else offset)
            for one in inputs
            for offset in range(len(one.tokens))
        ]
        masks = [_causal_mask(one) if one.mask is None else one.mask for one in inputs]
        for one in inputs:
            one.kv_cache.reserve(len(one.tokens))
        x = self._embedding(tokens) + self._positions[positions]
        for number, layer in enumerate(self._layers):
            if not wanted and number == len(self._layers) - 1:
                self._store(layer.self_attention, x, inputs, number)
                break
            self._self_attention(layer.self_attention, x, inputs, masks, number)
            self._cross_attention(layer.cross_attention, x, inputs, number)
            feed_forward = layer.feed_forward
            feed_forward.second.add_to(x, feed_forward.first.gelu(feed_forward.norm(x)))
        for one in inputs:
            one.kv_cache.used += len(one.tokens)
        if not wanted:
            return np.empty((0, self.outputs), np.float32)
        return self._output_projection(self._norm(x[list(wanted)]))

    def _store(self, layer: Sublayer, x: Rows, inputs: Sequence[DecoderInput], number: int) -> None:
        """Add keys and values to the KV caches: all that is left of tokens whose logits nobody wants."""
        qkv, start = layer.first(layer.norm(x)).reshape(len(x), 3, self.heads, -1), 0
        for one in inputs:
            cache, end = one.kv_cache, start + len(one.tokens)
            slots = slice(cache.used, cache.used + len(one.tokens))
            cache.keys[number, :, slots] = qkv[start:end, 1].swapaxes(0, 1)
            cache.values[number, :, slots] = qkv[start:end, 2].swapaxes(0, 1)
            start = end

    def _self_attention(
        self, layer: Sublayer, x: Rows, inputs: Sequence[DecoderInput], masks: Sequence[Mask], number: int
    ) -> None:
        qkv = layer.first(layer.norm(x))
        out, start = np.empty_like(x), 0
        for one, mask in zip(inputs, masks, strict=True):
            cache, end = one.kv_cache, start + len(one.tokens)
            self_attention(qkv[start:end], cache.keys[number], cache.values[number], mask, out[start:end])
            start = end
        layer.second.add_to(x, out)

    def _cross_attention(self, layer: Sublayer, x: Rows, inputs: Sequence[DecoderInput], number: int) -> None:
        heads = (len(x), self.heads, x.shape[1] // self.heads)
        query = layer.first(layer.norm(x), np.float32(heads[2] ** -0.5)).reshape(heads)
        out, start = np.empty(heads, np.float32), 0
        for one in inputs:
            end = start + len(one.tokens)
            cache = one.kv_cache.cross_attention[number]
            cache.attend(query[start:end], out[start:end])
            if one.recorder is not None:
                one.recorder.record(number, query[start:end], cache)
            start = end
        layer.second.add_to(x, out.reshape(x.shape))


def _causal_mask(one: DecoderInput) -> Mask:
    """Each token attends to all tokens before it and to itself."""
    count, before = len(one.tokens), one.kv_cache.used
    return np.tri(count, before + count, before, dtype=np.bool_)
