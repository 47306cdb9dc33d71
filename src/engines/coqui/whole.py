"""Models that speak a sentence in one call: VITS, Glow-TTS, FastPitch and the like, through Coqui's own API."""

import numpy as np
import torch

from src.core.errors import EngineFailed
from src.engines.base import Audio
from src.engines.coqui.loading import Networks


class WholeSentences:
    """One sentence a step."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._row: tuple[int, str] | None = None
        speakers = getattr(networks.model.speaker_manager, "speaker_names", None) or [None]
        self._speaker = speakers[0]
        self.sample_rate = networks.sample_rate

    @property
    def has_room(self) -> bool:
        return self._row is None

    def add(self, ticket: int, text: str) -> None:
        self._row = (ticket, text)

    def step(self) -> list[tuple[int, Audio | Exception]]:
        if self._row is None:
            return []
        (ticket, text), self._row = self._row, None
        return [(ticket, self._speak(text))]

    def remove(self, ticket: int) -> None:
        if self._row is not None and self._row[0] == ticket:
            self._row = None

    def clear(self) -> None:
        self._row = None

    @torch.inference_mode()
    def _speak(self, text: str) -> Audio:
        model, vocoder = self._networks.model, self._networks.vocoder
        said = model.synthesize(text, speaker=self._speaker)
        if vocoder is None:
            samples = np.asarray(said["wav"], np.float32)
        else:
            samples = vocoder(said["outputs"]["model_outputs"][0]).cpu().numpy()
        if not samples.size:
            raise EngineFailed(f"the model made no sound of {text!r}")
        return np.clip(samples, -1.0, 1.0)
