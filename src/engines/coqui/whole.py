"""Models that are not decoded together (VITS, Glow-TTS, ...): a sentence a call, by Coqui's own code."""

import numpy as np
import torch

from src.engines.base import Audio
from src.engines.coqui.guards import Pace, Trouble
from src.engines.coqui.loading import Networks
from src.engines.coqui.sound import finished
from src.engines.coqui.text import to_ids
from src.errors import EngineFailed


class WholeSentences:
    """One sentence a step. A model of several speakers speaks with its first."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._row: tuple[int, str] | None = None
        names = getattr(networks.model.speaker_manager, "speaker_names", None)
        self._speaker = names[0] if names else None
        decoder = getattr(networks.model, "decoder", None)
        self._model_limit: int | None = getattr(decoder, "max_decoder_steps", None)
        self.sample_rate = networks.sample_rate

    @property
    def room(self) -> int:
        return 1 if self._row is None else 0

    def add(self, job_id: int, text: str) -> None:
        self._row = (job_id, text)

    @property
    def decoding(self) -> bool:
        """Its next step has something to do."""
        return self._row is not None

    def step(self) -> list[tuple[int, Audio | Exception]]:
        if self._row is None:
            return []
        (job_id, text), self._row = self._row, None
        return [(job_id, self._speak(text))]

    def remove(self, job_id: int) -> None:
        if self._row is not None and self._row[0] == job_id:
            self._row = None

    def clear(self) -> None:
        self._row = None

    @torch.inference_mode()
    def _speak(self, text: str) -> Audio:
        model = self._networks.model
        limit = self._bound(text)
        made = model.synthesize(text, speaker=self._speaker)
        if limit is not None and len(made["alignments"][0]) >= limit:
            raise EngineFailed(f"the voice cannot speak {len(text)} characters: {Trouble.RUNAWAY}")
        if self._networks.vocoder is not None:
            voice = self._networks.vocoder(made["outputs"]["model_outputs"][0])
            return finished(voice.float().cpu().numpy(), self._networks)
        samples = np.asarray(made["wav"], np.float32)
        if not samples.size:
            raise EngineFailed(f"the voice made no sound of a sentence of {len(text)} characters")
        return np.clip(samples, -1.0, 1.0)

    def _bound(self, text: str) -> int | None:
        """Let a model that decodes in a loop run for no longer than the text can take."""
        if self._model_limit is None:
            return None
        model = self._networks.model
        pace = Pace(model.decoder.r * model.ap.hop_length / model.ap.sample_rate, self._model_limit)
        limit = pace.limit(len(to_ids(model, text)))
        model.decoder.max_decoder_steps = limit
        return limit
