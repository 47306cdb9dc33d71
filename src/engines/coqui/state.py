"""What the decoder remembers of the rows that it is working on."""

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional


class Rows:
    """Tensors with one entry a row, which join and leave together.

    Those with a time axis (the characters of the text) are as wide as the longest row and zero after the
    end of every other.

    Args:
        tensors: by name, rows first.
        time_axes: the axis of those that have one.
    """

    def __init__(self, tensors: dict[str, torch.Tensor], time_axes: Mapping[str, int]) -> None:
        self._tensors = tensors
        self._time_axes = time_axes

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._tensors[name]

    def __setitem__(self, name: str, value: torch.Tensor) -> None:
        self._tensors[name] = value

    def join(self, others: "Rows") -> None:
        """Put other rows after these."""
        for name, mine in self._tensors.items():
            theirs = others[name]
            if (axis := self._time_axes.get(name)) is not None:
                width = max(mine.shape[axis], theirs.shape[axis])
                theirs = _widen(theirs, axis, width)
                self._tensors[name] = torch.cat([_widen(mine, axis, width), theirs])
            else:
                self._tensors[name] = torch.cat([mine, theirs])

    def keep(self, rows: Sequence[int], width: int) -> None:
        """Forget all rows but these; `width` is the longest of their texts."""
        indexes: dict[torch.device, torch.Tensor] = {}  # the state of a dropout's generator is on the CPU
        for name, mine in self._tensors.items():
            if mine.device not in indexes:
                indexes[mine.device] = torch.tensor(rows, device=mine.device)
            kept = mine.index_select(0, indexes[mine.device])
            if (axis := self._time_axes.get(name)) is not None:
                kept = kept.narrow(axis, 0, width).contiguous()
            self._tensors[name] = kept


def _widen(tensor: torch.Tensor, axis: int, width: int) -> torch.Tensor:
    missing = width - tensor.shape[axis]
    if not missing:
        return tensor
    padding = [0, 0] * (tensor.dim() - 1 - axis) + [0, missing]
    return functional.pad(tensor, padding)
