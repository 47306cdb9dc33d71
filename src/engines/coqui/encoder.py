"""Tacotron2's encoder and post-net for rows of different lengths.

Coqui runs them on one row at a time. In a batch, padding would leak into a row through the edge of every
convolution. So the padding is zeroed before each convolution: that is what the convolution of a single row
sees past its edge.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


def encode(model: Any, texts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Character ids to features (rows, characters, features), zero after the end of each row.

    The method is that of Coqui's `Tacotron2.inference` and `Encoder.inference`. The LSTM of several rows is
    packed, because its backward direction would otherwise begin in the padding.
    """
    device = model.embedding.weight.device
    lengths = [len(text) for text in texts]
    ids = pad_sequence([torch.tensor(text) for text in texts], batch_first=True).to(device)
    mask = _mask(lengths, device)
    features = model.embedding(ids).transpose(1, 2) * mask
    for layer in model.encoder.convolutions:
        features = layer(features) * mask
    if len(texts) == 1:
        alone: torch.Tensor = model.encoder.lstm(features.transpose(1, 2))[0]  # packed, it takes longer
        return alone
    packed = pack_padded_sequence(
        features.transpose(1, 2), torch.tensor(lengths), batch_first=True, enforce_sorted=False
    )
    encoded, _ = pad_packed_sequence(model.encoder.lstm(packed)[0], batch_first=True)
    return encoded


def apply_postnet(model: Any, mels: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The post-net's output for each mel (frames, mels), of the same shape, in its weights' data type."""
    lengths = [len(mel) for mel in mels]
    coarse = pad_sequence(list(mels), batch_first=True).transpose(1, 2)
    residual = coarse.to(model.postnet.convolutions[0].convolution1d.weight.dtype)
    mask = _mask(lengths, coarse.device).to(residual.dtype)
    for layer in model.postnet.convolutions:
        residual = layer(residual) * mask
    refined = (coarse + residual).transpose(1, 2)
    return [mel[:length] for mel, length in zip(refined, lengths, strict=True)]


def _mask(lengths: Sequence[int], device: torch.device) -> torch.Tensor:
    """1 inside a row, 0 after its end: (rows, 1, longest)."""
    positions = torch.arange(max(lengths), device=device)
    return (positions < torch.tensor(lengths, device=device)[:, None]).float().unsqueeze(1)
