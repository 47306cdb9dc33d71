"""Encoder and post-net for rows of different lengths.

Coqui runs them on one row at a time. Padding would leak into a row through every convolution's edge, so it
is zeroed before each of them, which is what a convolution sees past the edge of a row that is alone.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


def encode(model: Any, texts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Character ids to features (rows, characters, features), zero after the end of each row.

    Follows `Tacotron2.inference` and `Encoder.inference`; the LSTM is packed, or its way back would begin
    in the padding.
    """
    device = model.embedding.weight.device
    lengths = [len(text) for text in texts]
    ids = pad_sequence([torch.tensor(text) for text in texts], batch_first=True).to(device)
    inside = _inside(lengths, device)
    features = model.embedding(ids).transpose(1, 2) * inside
    for layer in model.encoder.convolutions:
        features = layer(features) * inside
    packed = pack_padded_sequence(
        features.transpose(1, 2), torch.tensor(lengths), batch_first=True, enforce_sorted=False
    )
    encoded, _ = pad_packed_sequence(model.encoder.lstm(packed)[0], batch_first=True)
    return encoded


def refine(model: Any, mels: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The post-net, in the numbers of its weights: mels (frames, mels) to mels of the same shapes."""
    lengths = [len(mel) for mel in mels]
    coarse = pad_sequence(list(mels), batch_first=True).transpose(1, 2)
    fine = coarse.to(model.postnet.convolutions[0].convolution1d.weight.dtype)
    inside = _inside(lengths, coarse.device).to(fine.dtype)
    for layer in model.postnet.convolutions:
        fine = layer(fine) * inside
    fine = (coarse + fine).transpose(1, 2)
    return [mel[:length] for mel, length in zip(fine, lengths, strict=True)]


def _inside(lengths: Sequence[int], device: torch.device) -> torch.Tensor:
    """1 inside a row, 0 after its end: (rows, 1, longest)."""
    at = torch.arange(max(lengths), device=device)
    return (at < torch.tensor(lengths, device=device)[:, None]).float().unsqueeze(1)
