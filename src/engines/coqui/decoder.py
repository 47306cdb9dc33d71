"""Tacotron2's decoder for many rows at once.

The method is that of Coqui's `Decoder.inference` (`TTS/tts/layers/tacotron/tacotron2.py`).
The architecture is that of Shen et al., "Natural TTS Synthesis by Conditioning WaveNet on Mel Spectrogram
Predictions" (2018). `Decoder` has the weights, and `DecoderState` has the state of the rows. Coqui keeps both
on one module, which can therefore decode only one sentence at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from src.engines.coqui.attention import Attention
from src.engines.coqui.decoder_state import DecoderState
from src.engines.coqui.linear import LinearLayer, linear_layer
from src.engines.kernels.tacotron import apply_gates


@dataclass(frozen=True, slots=True)
class StepOutput:
    """The output of one decoder step for each row."""

    frames: torch.Tensor
    """Mel frames (rows, r x mels), the first frame first."""
    stop: torch.Tensor
    """Probability that this was the last step, (rows,)."""
    position: torch.Tensor
    """Index of the character with the largest attention weight, (rows,)."""


class _LstmCell:
    """An `LSTMCell` with a single matrix product."""

    def __init__(self, cell: torch.nn.LSTMCell, compute_type: str) -> None:
        self._size = cell.hidden_size
        weight = torch.cat([cell.weight_ih, cell.weight_hh], 1)
        bias = (cell.bias_ih + cell.bias_hh)[:, None]
        input_gate, forget_gate, candidate, output_gate = torch.cat([weight, bias], 1).chunk(4)
        # the three gates are side by side, because they share the sigmoid
        rows = torch.cat([input_gate, forget_gate, output_gate, candidate])
        self._linear: LinearLayer = linear_layer(
            rows[:, :-1].contiguous(), rows[:, -1].contiguous(), compute_type
        )

    def __call__(self, inputs: torch.Tensor, cell: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The new output and the new cell state.

        Args:
            inputs: the input and the last output, side by side.
            cell: the last cell state. It may be overwritten.
        """
        product = self._linear(inputs)
        if product.is_cpu:
            output = torch.empty_like(cell)
            apply_gates(product.numpy(), cell.numpy(), output.numpy())
            return output, cell
        gates, candidate = product[:, : 3 * self._size], product[:, 3 * self._size :]
        input_gate, forget_gate, output_gate = gates.sigmoid_().chunk(3, 1)
        cell = torch.addcmul(forget_gate * cell, input_gate, candidate.tanh_())
        return output_gate * torch.tanh(cell), cell


class Decoder:
    """The weights of Coqui's decoder, arranged for a CPU.

    Args:
        module: Coqui's `Decoder` with its weights, in evaluation mode.
        attention: the counterpart of its attention; see `attention_of`.
        compute_type: data type of the LSTM cells; see `linear_layer`.
    """

    def __init__(self, module: Any, attention: Attention, compute_type: str) -> None:
        self._attention = attention
        self._attention_rnn = _LstmCell(module.attention_rnn, compute_type)
        self._decoder_rnn = _LstmCell(module.decoder_rnn, compute_type)
        self._query_size = int(module.query_dim)
        self._hidden_size = int(module.decoder_rnn_dim)
        self.mels = int(module.frame_channels)
        """Number of mel bands."""
        self.r = int(module.r)
        """Reduction factor: the number of mel frames per decoder step."""
        self.stop_threshold = float(module.stop_threshold)
        """Probability of the stop token above which a row ends."""
        self._prenet = [_prenet_layer(layer) for layer in module.prenet.linear_layers]
        self._has_dropout = bool(module.prenet.prenet_dropout and module.prenet.dropout_at_inference)
        self._project: LinearLayer = linear_layer(*_projection(module), "float32")
        self._text_axes = {"encoded": 1, "mask": 1, **attention.text_axes}

    def start(self, encoded: torch.Tensor, lengths: Sequence[int], seed: int) -> DecoderState:
        """The state of new rows.

        Args:
            encoded: output of `encode`, (rows, characters, features).
            lengths: number of characters of each row.
            seed: seed of each row's dropout, if the model has dropout at inference.
        """
        count, width, features = encoded.shape
        length = torch.tensor(lengths, device=encoded.device)[:, None]
        state = {
            "encoded": encoded,
            "mask": torch.arange(width, device=encoded.device) < length,
            "length": length,
            "last_frame": encoded.new_zeros(count, self.mels),
            "context": encoded.new_zeros(count, features),
            "query": encoded.new_zeros(count, self._query_size),
            "query_cell": encoded.new_zeros(count, self._query_size),
            "hidden": encoded.new_zeros(count, self._hidden_size),
            "cell": encoded.new_zeros(count, self._hidden_size),
            **self._attention.start(encoded),
        }
        if self._has_dropout:
            state["generator"] = torch.stack([torch.Generator().manual_seed(seed).get_state()] * count)
        return DecoderState(state, self._text_axes)

    def step(self, state: DecoderState) -> StepOutput:
        """Decode `r` frames of every row, and update the state."""
        inputs = torch.cat([self._apply_prenet(state), state["context"], state["query"]], 1)
        query, state["query_cell"] = self._attention_rnn(inputs, state["query_cell"])
        weights = self._attention.weights(query, state)
        context = torch.bmm(weights.unsqueeze(1), state["encoded"]).squeeze(1)
        self._attention.update(context, query, state)
        inputs = torch.cat([query, context, state["hidden"]], 1)
        hidden, state["cell"] = self._decoder_rnn(inputs, state["cell"])
        output = self._project(torch.cat([hidden, context], 1))
        frames = output[:, :-1]
        state["query"], state["context"], state["hidden"] = query, context, hidden
        state["last_frame"] = frames[:, -self.mels :]
        return StepOutput(frames, torch.sigmoid(output[:, -1]), weights.argmax(1))

    def _apply_prenet(self, state: DecoderState) -> torch.Tensor:
        x = state["last_frame"]
        for layer in self._prenet:
            x = torch.relu_(layer(x))
            if self._has_dropout:
                x = x * self._dropout_mask(state, x.shape[1]).to(x.device)
        return x

    def _dropout_mask(self, state: DecoderState, size: int) -> torch.Tensor:
        """Dropout of 1/2. Each row's mask is what `torch.nn.functional.dropout` draws for a single row."""
        masks = []
        generators = state["generator"]
        for saved in generators:
            generator = torch.Generator()
            generator.set_state(saved.cpu().clone())
            masks.append(torch.empty(1, size).bernoulli_(0.5, generator=generator).div_(0.5))
            saved.copy_(generator.get_state())
        return torch.cat(masks)


def _prenet_layer(layer: Any) -> LinearLayer:
    """A layer of the pre-net. A batch norm after it is merged into its weights."""
    weight, bias = layer.linear_layer.weight, layer.linear_layer.bias
    norm = getattr(layer, "batch_normalization", None)
    if norm is not None:
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        weight = weight * scale[:, None]
        bias = shift if bias is None else shift + bias * scale
    return linear_layer(weight, bias, "float32")


def _projection(module: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of one layer from (hidden, context) to the frames and the stop token.

    The stop token depends on the hidden state and on all frames of the largest r that was trained. Only the
    first r of these frames are spoken. All of these layers are linear, so they are one.
    """
    frames, stop = module.linear_projection.linear_layer, module.stopnet[1].linear_layer
    of_hidden, of_frames = stop.weight.split([module.decoder_rnn_dim, frames.out_features], 1)
    stop_weight = of_frames @ frames.weight
    stop_weight[:, : module.decoder_rnn_dim] += of_hidden
    stop_bias = stop.bias + of_frames @ frames.bias
    spoken = module.r * module.frame_channels
    weight = torch.cat([frames.weight[:spoken], stop_weight])
    return weight, torch.cat([frames.bias[:spoken], stop_bias])
