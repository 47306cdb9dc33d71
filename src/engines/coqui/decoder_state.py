"""The state that a decoder keeps of each row between two steps."""

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional


class DecoderState:
    """Named tensors whose first axis is the row. Rows are appended to all of them and removed from all.

    A tensor with a text axis (one entry a character) is as wide as the longest row, and zero after the end of
    each other row.

    Args:
        tensors: the tensors by name.
        text_axes: the text axis of each tensor that has one.
    """

    def __init__(self, tensors: dict[str, torch.Tensor], text_axes: Mapping[str, int]) -> None:
        self._tensors = tensors
        self._text_axes = text_axes

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._tensors[name]

    def __setitem__(self, name: str, value: torch.Tensor) -> None:
        self._tensors[name] = value

    def append(self, other: "DecoderState") -> None:
        """Add the rows of `other` after these."""
        for name, mine in self._tensors.items():
            theirs = other[name]
            if (axis := self._text_axes.get(name)) is not None:
                width = max(mine.shape[axis], theirs.shape[axis])
                theirs = _widen(theirs, axis, width)
                self._tensors[name] = torch.cat([_widen(mine, axis, width), theirs])
            else:
                self._tensors[name] = torch.cat([mine, theirs])

    def select(self, rows: Sequence[int], width: int) -> None:
        """Keep these rows, in this order, and remove all others.

        Args:
            rows: their indices.
            width: number of characters of the longest of them.
        """
        indices: dict[torch.device, torch.Tensor] = {}  # a random generator's state is always on the CPU
        for name, mine in self._tensors.items():
            if mine.device not in indices:
                indices[mine.device] = torch.tensor(rows, device=mine.device)
            selected = mine.index_select(0, indices[mine.device])
            if (axis := self._text_axes.get(name)) is not None:
                selected = selected.narrow(axis, 0, width).contiguous()
            self._tensors[name] = selected


def _widen(tensor: torch.Tensor, axis: int, width: int) -> torch.Tensor:
    missing = width - tensor.shape[axis]
    if not missing:
        return tensor
    padding = [0, 0] * (tensor.dim() - 1 - axis) + [0, missing]
    return functional.pad(tensor, padding)
