"""The window of mel frames that the encoder is given."""

import pytest

from src.engines.whisper.features import window_for


@pytest.mark.parametrize(
    ("frames", "window"),
    [(10, 500), (200, 500), (201, 600), (1000, 1300), (1201, 1600), (2600, 2900), (2701, 3000), (3000, 3000)],
)
def test_a_window_holds_the_row_and_the_margin_in_steps_of_a_second(frames: int, window: int) -> None:
    assert window_for(frames) == window
