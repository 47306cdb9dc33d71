"""Rows of the decoder's state join and leave, wherever each tensor is."""

import torch

from src.engines.coqui.state import Rows


def rows(count: int, width: int) -> Rows:
    """As on a GPU: what is computed is on one device, the state of the dropout's generators on the CPU."""
    return Rows(
        {
            "hidden": torch.zeros(count, 4, device="meta"),
            "encoded": torch.zeros(count, width, 3, device="meta"),
            "random": torch.arange(count).reshape(count, 1),
        },
        {"encoded": 1},
    )


def test_rows_leave_on_every_device() -> None:
    state = rows(3, 5)
    state.join(rows(2, 7))
    state.keep([0, 2, 4], 6)
    assert state["hidden"].shape == (3, 4)
    assert state["encoded"].shape == (3, 6, 3)
    assert state["hidden"].device.type == state["encoded"].device.type == "meta"
    assert state["random"].tolist() == [[0], [2], [1]]
