"""Rows of the decoder's state are appended and removed, on whichever device each tensor is."""

import torch

from src.engines.coqui.decoder_state import DecoderState


def rows(count: int, width: int) -> DecoderState:
    """As on a GPU: computed tensors are on one device, the state of random generators is on the CPU."""
    return DecoderState(
        {
            "hidden": torch.zeros(count, 4, device="meta"),
            "encoded": torch.zeros(count, width, 3, device="meta"),
            "generator": torch.arange(count).reshape(count, 1),
        },
        {"encoded": 1},
    )


def test_rows_are_selected_on_every_device() -> None:
    state = rows(3, 5)
    state.append(rows(2, 7))
    state.select([0, 2, 4], 6)
    assert state["hidden"].shape == (3, 4)
    assert state["encoded"].shape == (3, 6, 3)
    assert state["hidden"].device.type == state["encoded"].device.type == "meta"
    assert state["generator"].tolist() == [[0], [2], [1]]
