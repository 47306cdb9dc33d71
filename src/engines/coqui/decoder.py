"""Tacotron2's decoder for many rows at once (`TTS/tts/layers/tacotron/tacotron2.py`, `Decoder.inference`).

Weights are here, the state of the rows is in `Rows`: Coqui keeps both on one module, and can be in the
middle of one sentence only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from src.engines.coqui.attention import Attention
from src.engines.coqui.matrix import Matrix, matrix
from src.engines.coqui.state import Rows


@dataclass(frozen=True, slots=True)
class Step:
    """What one step made of each row."""

    frames: torch.Tensor
    """(rows, r x mels), first frame first."""
    stop: torch.Tensor
    """Probability that this was the last step, (rows,)."""
    position: torch.Tensor
    """The most attended character, (rows,)."""


class _Lstm:
    """An `LSTMCell` as one multiplication."""

    def __init__(self, cell: torch.nn.LSTMCell, compute_type: str) -> None:
        self._size = cell.hidden_size
        weight = torch.cat([cell.weight_ih, cell.weight_hh], 1)
        # from input, forget, cell, output: the three that share a sigmoid side by side
        inputs, forget, new, output = torch.cat([weight, (cell.bias_ih + cell.bias_hh)[:, None]], 1).chunk(4)
        rows = torch.cat([inputs, forget, output, new])
        self._gates: Matrix = matrix(rows[:, :-1].contiguous(), rows[:, -1].contiguous(), compute_type)

    def __call__(self, inputs: torch.Tensor, cell: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs beside the last output, and the last cell, to the new output and cell."""
        gates = self._gates(inputs)
        open_, new = gates[:, : 3 * self._size], gates[:, 3 * self._size :]
        take, keep, give = open_.sigmoid_().chunk(3, 1)
        cell = torch.addcmul(keep * cell, take, new.tanh_())
        return give * torch.tanh(cell), cell


class Decoder:
    """Coqui's decoder, made ready.

    Args:
        module: Coqui's `Decoder`, weights loaded, in evaluation mode.
        attention: ours for its attention.
        compute_type: of the large multiplications; see `matrix`.
    """

    def __init__(self, module: Any, attention: Attention, compute_type: str) -> None:
        self._attention = attention
        self._attention_rnn = _Lstm(module.attention_rnn, compute_type)
        self._decoder_rnn = _Lstm(module.decoder_rnn, compute_type)
        self._query_size = int(module.query_dim)
        self._hidden_size = int(module.decoder_rnn_dim)
        self.mels = int(module.frame_channels)
        self.r = int(module.r)
        """Frames a step."""
        self.stop_threshold = float(module.stop_threshold)
        self._prenet = [_prenet_layer(layer) for layer in module.prenet.linear_layers]
        self._drops = bool(module.prenet.prenet_dropout and module.prenet.dropout_at_inference)
        self._project: Matrix = matrix(*_projection(module), "float32")
        self._time_axes = {"encoded": 1, "inside": 1, **attention.time_axes}

    def start(self, encoded: torch.Tensor, lengths: Sequence[int], seed: int) -> Rows:
        """Rows before their first step.

        Args:
            encoded: (rows, characters, features) of `encode`.
            lengths: characters of each row.
            seed: of each row's own dropout, if the model wants dropout when it speaks.
        """
        count, width, features = encoded.shape
        length = torch.tensor(lengths, device=encoded.device)[:, None]
        state = {
            "encoded": encoded,
            "inside": torch.arange(width, device=encoded.device) < length,
            "length": length,
            "frame": encoded.new_zeros(count, self.mels),
            "context": encoded.new_zeros(count, features),
            "query": encoded.new_zeros(count, self._query_size),
            "query_cell": encoded.new_zeros(count, self._query_size),
            "hidden": encoded.new_zeros(count, self._hidden_size),
            "cell": encoded.new_zeros(count, self._hidden_size),
            **self._attention.start(encoded),
        }
        if self._drops:
            state["random"] = torch.stack([torch.Generator().manual_seed(seed).get_state()] * count)
        return Rows(state, self._time_axes)

    def step(self, rows: Rows) -> Step:
        """Decode `r` frames of every row."""
        inputs = torch.cat([self._squeeze(rows), rows["context"], rows["query"]], 1)
        query, rows["query_cell"] = self._attention_rnn(inputs, rows["query_cell"])
        alignment = self._attention.align(query, rows)
        context = torch.bmm(alignment.unsqueeze(1), rows["encoded"]).squeeze(1)
        self._attention.after(context, query, rows)
        inputs = torch.cat([query, context, rows["hidden"]], 1)
        hidden, rows["cell"] = self._decoder_rnn(inputs, rows["cell"])
        made = self._project(torch.cat([hidden, context], 1))
        frames = made[:, :-1]
        rows["query"], rows["context"], rows["hidden"] = query, context, hidden
        rows["frame"] = frames[:, -self.mels :]
        return Step(frames, torch.sigmoid(made[:, -1]), alignment.argmax(1))

    def _squeeze(self, rows: Rows) -> torch.Tensor:
        """The pre-net: the last frame, made narrow."""
        x = rows["frame"]
        for layer in self._prenet:
            x = torch.relu_(layer(x))
            if self._drops:
                x = x * self._draw(rows, x.shape[1]).to(x.device)
        return x

    def _draw(self, rows: Rows, size: int) -> torch.Tensor:
        """Dropout of 1/2, drawn for each row as `torch.nn.functional.dropout` would if it were alone."""
        masks = []
        states = rows["random"]
        for state in states:
            generator = torch.Generator()
            generator.set_state(state.cpu().clone())
            masks.append(torch.empty(1, size).bernoulli_(0.5, generator=generator).div_(0.5))
            state.copy_(generator.get_state())
        return torch.cat(masks)


def _prenet_layer(layer: Any) -> Matrix:
    """A layer of the pre-net; a batch norm after it becomes part of it."""
    weight, bias = layer.linear_layer.weight, layer.linear_layer.bias
    norm = getattr(layer, "batch_normalization", None)
    if norm is not None:
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        weight = weight * scale[:, None]
        bias = shift if bias is None else shift + bias * scale
    return matrix(weight, bias, "float32")


def _projection(module: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames and stop token from (hidden, context) as one layer.

    The stop token looks at the hidden state and at all frames of the widest r that was trained; of these,
    only the first r are spoken. All of it is linear.
    """
    frames, stop = module.linear_projection.linear_layer, module.stopnet[1].linear_layer
    of_hidden, of_frames = stop.weight.split([module.decoder_rnn_dim, frames.out_features], 1)
    stop_weight = of_frames @ frames.weight
    stop_weight[:, : module.decoder_rnn_dim] += of_hidden
    stop_bias = stop.bias + of_frames @ frames.bias
    spoken = module.r * module.frame_channels
    weight = torch.cat([frames.weight[:spoken], stop_weight])
    return weight, torch.cat([frames.bias[:spoken], stop_bias])
