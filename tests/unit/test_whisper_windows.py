"""The window of mel frames that the encoder is given."""

import pytest

from src.engines.whisper.features import live_window_for, window_for


@pytest.mark.parametrize(
    ("frames", "window"),
    [(10, 500), (200, 500), (201, 600), (1000, 1300), (1201, 1600), (2600, 2900), (2701, 3000), (3000, 3000)],
)
def test_a_window_holds_the_row_and_the_margin_in_steps_of_a_second(frames: int, window: int) -> None:
    assert window_for(frames) == window


@pytest.mark.parametrize(
    ("frames", "window"), [(10, 200), (120, 200), (121, 220), (800, 880), (2920, 3000), (3000, 3000)]
)
def test_the_window_of_growing_audio_follows_it_closely(frames: int, window: int) -> None:
    assert live_window_for(frames) == window
