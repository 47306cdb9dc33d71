"""What the runner wants of the model, on whichever device it runs."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from src.engines.base import Audio


class SpeechModel(Protocol):
    device: str
    """`cpu` or `cuda`."""
    compute_type: str
    vocabulary: Mapping[str, int]
    """The token of each phoneme."""

    def speak(self, tokens: Sequence[int], style: Audio) -> tuple[Audio, Audio | None]:
        """Samples at 24 kHz (n,), and the frames of each symbol; None if the model does not tell them.

        Args:
            tokens: at most 510. The symbol that begins and ends a sequence is put around them, and has
                frames, too.
            style: shape (1, 256).
        """

    def close(self) -> None:
        """End its threads, if it has any."""
