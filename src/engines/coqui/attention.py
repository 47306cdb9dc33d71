"""Coqui's attentions for rows of different lengths (`TTS/tts/layers/tacotron/attentions.py`).

Coqui keeps their state on the module and masks nothing at inference, where it knows only one row. Here the
state is in `Rows`, and what lies after the end of a row gets no attention, so that the row is attended as
if it were alone.
"""

from typing import Any, Protocol

import torch
from torch.nn import functional

from src.engines.coqui.matrix import Matrix, matrix
from src.engines.coqui.state import Rows

NOTHING = float("-inf")


class Attention(Protocol):
    time_axes: dict[str, int]
    """Of the tensors that `start` makes."""

    def start(self, encoded: torch.Tensor) -> dict[str, torch.Tensor]:
        """The state before the first step.

        Args:
            encoded: (rows, characters, features), zero after the end of a row.
        """

    def align(self, query: torch.Tensor, rows: Rows) -> torch.Tensor:
        """How much each character is attended now, (rows, characters); updates the state."""

    def after(self, context: torch.Tensor, query: torch.Tensor, rows: Rows) -> None:
        """Told what was attended."""


def attention_of(module: Any) -> Attention | None:
    """Ours for Coqui's, or None where there is none."""
    from TTS.tts.layers.tacotron.attentions import MonotonicDynamicConvolutionAttention, OriginalAttention

    if isinstance(module, OriginalAttention) and not module.windowing:
        return LocationSensitive(module)
    if isinstance(module, MonotonicDynamicConvolutionAttention):
        return DynamicConvolution(module)
    return None


class LocationSensitive:
    """`OriginalAttention`: additive, location-sensitive or not, softmax or sigmoid, forward or not."""

    def __init__(self, module: Any) -> None:
        self._query: Matrix = matrix(module.query_layer.linear_layer.weight, None, "float32")
        self._keys = module.inputs_layer.linear_layer.weight.detach()
        self._value = module.v.linear_layer.weight.detach()[0]
        self._value_bias = module.v.linear_layer.bias.detach()
        self._sigmoid = module.norm == "sigmoid"
        self._location: torch.Tensor | None = None
        if module.location_attention:
            # no nonlinearity lies between the convolution and the dense layer: they are one
            dense = module.location_layer.location_dense.linear_layer.weight.detach()
            conv = module.location_layer.location_conv1d.weight.detach()
            self._location = torch.einsum("af,fck->cka", dense, conv).flatten(0, 1).contiguous()
        self._forward = bool(module.forward_attn)
        self._forward_mask = bool(module.forward_attn_mask)
        self._agent = module.ta if module.forward_attn and module.trans_agent else None
        self.time_axes = {"keys": 1, "seen": 2, "alpha": 1}

    def start(self, encoded: torch.Tensor) -> dict[str, torch.Tensor]:
        count, width, _ = encoded.shape
        state = {
            "keys": encoded @ self._keys.T,
            # what the last step attended, and all steps together
            "seen": encoded.new_zeros(count, 2, width),
        }
        if self._forward:
            alpha = encoded.new_full((count, width), 1e-7)
            alpha[:, 0] = 1
            state["alpha"] = alpha
            state["moves"] = encoded.new_full((count, 1), 0.5)
        return state

    def align(self, query: torch.Tensor, rows: Rows) -> torch.Tensor:
        seen = rows["seen"]
        energies = rows["keys"] + self._query(query).unsqueeze(1)
        if self._location is not None:
            # a convolution, as the product that it is: oneDNN would prepare itself anew for every width
            taps = len(self._location) // seen.shape[1]
            windows = functional.pad(seen, (taps // 2, taps // 2)).unfold(2, taps, 1)
            energies += windows.transpose(1, 2).flatten(2) @ self._location
        energies = torch.tanh_(energies) @ self._value + self._value_bias
        energies.masked_fill_(~rows["inside"], NOTHING)
        if self._sigmoid:
            alignment = torch.sigmoid(energies)
            alignment /= alignment.sum(1, keepdim=True)
        else:
            alignment = torch.softmax(energies, 1)
        seen[:, 1] += alignment
        if self._forward:
            alignment = self._move_forward(alignment, rows)
        seen[:, 0] = alignment
        return alignment

    def _move_forward(self, alignment: torch.Tensor, rows: Rows) -> torch.Tensor:
        alpha, moves = rows["alpha"], rows["moves"]
        # what is pushed over the end of a row is lost, as it is at the end of the tensor
        shifted = functional.pad(alpha[:, :-1], (1, 0)) * rows["inside"]
        moved = ((1 - moves) * alpha + moves * shifted + 1e-8) * alignment
        if self._forward_mask:
            moved = _near_last(moved, shifted, rows["length"])
        moved /= moved.sum(1, keepdim=True)
        rows["alpha"] = moved
        return moved

    def after(self, context: torch.Tensor, query: torch.Tensor, rows: Rows) -> None:
        if self._agent is not None:
            rows["moves"] = torch.sigmoid(self._agent(torch.cat([context, query], 1)))


def _near_last(moved: torch.Tensor, shifted: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Attend from one character before the likeliest to two after it, and a little to the second before."""
    likeliest = shifted.argmax(1, keepdim=True)
    at = torch.arange(moved.shape[1], device=moved.device)
    strongest = moved.amax(1, keepdim=True)
    near = torch.where((at >= likeliest - 1) & (at < likeliest + 3), moved, 0)
    # Coqui's index may be -1, which Python takes for the last character
    return torch.where(at == (likeliest - 2) % length, 0.01 * strongest, near)


class DynamicConvolution:
    """`MonotonicDynamicConvolutionAttention`."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self.time_axes = {"weights": 1}

    def start(self, encoded: torch.Tensor) -> dict[str, torch.Tensor]:
        weights = encoded.new_zeros(encoded.shape[:2])
        weights[:, 0] = 1
        return {"weights": weights}

    def align(self, query: torch.Tensor, rows: Rows) -> torch.Tensor:
        module, weights = self._module, rows["weights"]
        count, size = len(weights), module.dynamic_kernel_size
        prior = functional.conv1d(
            functional.pad(weights.unsqueeze(1), (module.prior_filter_len - 1, 0)),
            module.prior.view(1, 1, -1),
        )
        filters = module.key_layer(torch.tanh(module.query_layer(query))).view(-1, 1, size)
        dynamic = functional.conv1d(weights.unsqueeze(0), filters, padding=(size - 1) // 2, groups=count)
        dynamic = dynamic.view(count, module.dynamic_filter_dim, -1).transpose(1, 2)
        static = module.static_filter_conv(weights.unsqueeze(1)).transpose(1, 2)
        energies = module.v(
            torch.tanh(module.static_filter_layer(static) + module.dynamic_filter_layer(dynamic))
        ).squeeze(2)
        energies = energies + torch.log(prior.clamp_min(1e-6)).squeeze(1)
        # Coqui would mask after the softmax, and leave less than 1 in all; alone there is nothing to mask
        alignment = torch.softmax(energies.masked_fill_(~rows["inside"], NOTHING), 1)
        rows["weights"] = alignment
        return alignment

    def after(self, context: torch.Tensor, query: torch.Tensor, rows: Rows) -> None:
        """Nothing to remember."""
