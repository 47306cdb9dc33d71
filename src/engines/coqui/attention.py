"""Coqui's attentions for rows of different lengths (`TTS/tts/layers/tacotron/attentions.py`).

Coqui keeps their state on the module, and masks nothing at inference, where it has only one row. Here the
state is in `DecoderState`, and characters after the end of a row get no attention. So each row's weights are
those that it has alone.
"""

from typing import Any, Protocol

import torch
from torch.nn import functional

from src.engines.coqui.decoder_state import DecoderState
from src.engines.coqui.linear import LinearLayer, linear_layer
from src.engines.kernels.tacotron import attention_energies

_MASKED = float("-inf")


class Attention(Protocol):
    text_axes: dict[str, int]
    """The text axes of the tensors that `start` makes; see `DecoderState`."""

    def start(self, encoded: torch.Tensor) -> dict[str, torch.Tensor]:
        """The tensors of the state before the first step.

        Args:
            encoded: (rows, characters, features), zero after the end of a row.
        """

    def weights(self, query: torch.Tensor, state: DecoderState) -> torch.Tensor:
        """The attention weights of this step, (rows, characters); updates the state."""

    def update(self, context: torch.Tensor, query: torch.Tensor, state: DecoderState) -> None:
        """Update the state with the context, (rows, features), that these weights give."""


def attention_of(module: Any) -> Attention | None:
    """The counterpart of Coqui's attention; None if there is none here."""
    from TTS.tts.layers.tacotron.attentions import MonotonicDynamicConvolutionAttention, OriginalAttention

    if isinstance(module, OriginalAttention) and not module.windowing:
        return LocationSensitiveAttention(module)
    if isinstance(module, MonotonicDynamicConvolutionAttention):
        return DynamicConvolutionAttention(module)
    return None


class LocationSensitiveAttention:
    """Coqui's `OriginalAttention`: additive attention (Chorowski et al. 2015), with all its options.

    It may be location-sensitive, normalised by softmax or sigmoid, and a forward attention (Zhang et al.
    2018).
    """

    def __init__(self, module: Any) -> None:
        self._query: LinearLayer = linear_layer(module.query_layer.linear_layer.weight, None, "float32")
        self._keys = module.inputs_layer.linear_layer.weight.detach()
        self._value = module.v.linear_layer.weight.detach()[0]
        self._value_bias = module.v.linear_layer.bias.detach()
        self._sigmoid = module.norm == "sigmoid"
        self._location = self._value.new_zeros(2, 0, len(self._value))
        if module.location_attention:
            # the convolution and the dense layer after it are both linear, so they are one
            dense = module.location_layer.location_dense.linear_layer.weight.detach()
            conv = module.location_layer.location_conv1d.weight.detach()
            self._location = torch.einsum("af,fck->cka", dense, conv).contiguous()
        self._forward = bool(module.forward_attn)
        self._forward_mask = bool(module.forward_attn_mask)
        self._transition_agent = module.ta if module.forward_attn and module.trans_agent else None
        self.text_axes = {"keys": 1, "history": 2, "alpha": 1}

    def start(self, encoded: torch.Tensor) -> dict[str, torch.Tensor]:
        """See `Attention`."""
        count, width, _ = encoded.shape
        state = {
            "keys": encoded @ self._keys.T,
            # the weights of the last step, and the sum of the weights of all steps
            "history": encoded.new_zeros(count, 2, width),
        }
        if self._forward:
            alpha = encoded.new_full((count, width), 1e-7)
            alpha[:, 0] = 1
            state["alpha"] = alpha
            state["transition"] = encoded.new_full((count, 1), 0.5)
        return state

    def weights(self, query: torch.Tensor, state: DecoderState) -> torch.Tensor:
        """See `Attention`."""
        history = state["history"]
        energies = (self._fused_energies if query.is_cpu else self._energies)(self._query(query), state)
        if self._sigmoid:
            weights = torch.sigmoid(energies)
            weights /= weights.sum(1, keepdim=True)
        else:
            weights = torch.softmax(energies, 1)
        history[:, 1] += weights
        if self._forward:
            weights = self._forward_weights(weights, state)
        history[:, 0] = weights
        return weights

    def _energies(self, query: torch.Tensor, state: DecoderState) -> torch.Tensor:
        energies: torch.Tensor = state["keys"] + query.unsqueeze(1)
        if taps := self._location.shape[1]:
            # a convolution as a matrix product: the library would prepare itself anew for every width
            windows = functional.pad(state["history"], (taps // 2, taps // 2)).unfold(2, taps, 1)
            energies += windows.transpose(1, 2).flatten(2) @ self._location.flatten(0, 1)
        energies = torch.tanh_(energies) @ self._value + self._value_bias
        energies.masked_fill_(~state["mask"], _MASKED)
        return energies

    def _fused_energies(self, query: torch.Tensor, state: DecoderState) -> torch.Tensor:
        energies = torch.empty(state["mask"].shape)
        attention_energies(
            state["keys"].numpy(),
            query.numpy(),
            state["history"].numpy(),
            self._location.numpy(),
            self._value.numpy(),
            self._value_bias.numpy(),
            state["mask"].numpy(),
            energies.numpy(),
        )
        return energies

    def _forward_weights(self, weights: torch.Tensor, state: DecoderState) -> torch.Tensor:
        alpha, transition = state["alpha"], state["transition"]
        # what is shifted past the end of a row is lost, as it is at the end of Coqui's tensor
        shifted = functional.pad(alpha[:, :-1], (1, 0)) * state["mask"]
        forward = ((1 - transition) * alpha + transition * shifted + 1e-8) * weights
        if self._forward_mask:
            forward = _near_last(forward, shifted, state["length"])
        forward /= forward.sum(1, keepdim=True)
        state["alpha"] = forward
        return forward

    def update(self, context: torch.Tensor, query: torch.Tensor, state: DecoderState) -> None:
        """See `Attention`."""
        if self._transition_agent is not None:
            state["transition"] = torch.sigmoid(self._transition_agent(torch.cat([context, query], 1)))


def _near_last(forward: torch.Tensor, shifted: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Coqui's mask: only characters near the likeliest one keep their weight.

    These are the characters from one before the likeliest to two after it. The second before it gets 1 % of
    the largest weight.
    """
    likeliest = shifted.argmax(1, keepdim=True)
    positions = torch.arange(forward.shape[1], device=forward.device)
    largest = forward.amax(1, keepdim=True)
    near = torch.where((positions >= likeliest - 1) & (positions < likeliest + 3), forward, 0)
    # Coqui's index may be -1, which Python takes for the last character
    return torch.where(positions == (likeliest - 2) % length, 0.01 * largest, near)


class DynamicConvolutionAttention:
    """Coqui's `MonotonicDynamicConvolutionAttention` (Battenberg et al. 2020)."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self.text_axes = {"weights": 1}

    def start(self, encoded: torch.Tensor) -> dict[str, torch.Tensor]:
        """See `Attention`."""
        weights = encoded.new_zeros(encoded.shape[:2])
        weights[:, 0] = 1
        return {"weights": weights}

    def weights(self, query: torch.Tensor, state: DecoderState) -> torch.Tensor:
        """See `Attention`."""
        module, last = self._module, state["weights"]
        count, size = len(last), module.dynamic_kernel_size
        prior = functional.conv1d(
            functional.pad(last.unsqueeze(1), (module.prior_filter_len - 1, 0)),
            module.prior.view(1, 1, -1),
        )
        filters = module.key_layer(torch.tanh(module.query_layer(query))).view(-1, 1, size)
        dynamic = functional.conv1d(last.unsqueeze(0), filters, padding=(size - 1) // 2, groups=count)
        dynamic = dynamic.view(count, module.dynamic_filter_dim, -1).transpose(1, 2)
        static = module.static_filter_conv(last.unsqueeze(1)).transpose(1, 2)
        energies = module.v(
            torch.tanh(module.static_filter_layer(static) + module.dynamic_filter_layer(dynamic))
        ).squeeze(2)
        energies = energies + torch.log(prior.clamp_min(1e-6)).squeeze(1)
        # Coqui masks after the softmax, which leaves a sum below 1; a single row has nothing to mask
        weights = torch.softmax(energies.masked_fill_(~state["mask"], _MASKED), 1)
        state["weights"] = weights
        return weights

    def update(self, context: torch.Tensor, query: torch.Tensor, state: DecoderState) -> None:
        """This attention has no state besides its last weights."""
