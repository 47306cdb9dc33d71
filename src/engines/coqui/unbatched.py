"""Models that are not decoded in batches (VITS, Glow-TTS, ...): Coqui's code speaks a sentence per step."""

from typing import Any

import numpy as np
import torch

from src.engines.base import Audio, OnEarlySound, Utterance
from src.engines.coqui.failure_detection import DurationLimits, SynthesisFailure
from src.engines.coqui.loading import Networks
from src.engines.coqui.postprocess import postprocess
from src.engines.coqui.text import to_ids
from src.engines.coqui.word_times import word_times
from src.errors import EngineFailed


class UnbatchedModel:
    """One voice that speaks one sentence per step. A model of several speakers speaks with its first one."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._row: tuple[int, str, bool] | None = None
        names = getattr(networks.model.speaker_manager, "speaker_names", None)
        self._speaker = names[0] if names else None
        decoder = getattr(networks.model, "decoder", None)
        self._max_decoder_steps: int | None = getattr(decoder, "max_decoder_steps", None)
        self.sample_rate = networks.sample_rate
        self.phonemes = networks.phonemes

    @property
    def free_slots(self) -> int:
        """Number of rows that may be added now."""
        return 1 if self._row is None else 0

    def add(
        self,
        job_id: int,
        text: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
        given: list[Audio] | None = None,
    ) -> None:
        """Add a row; its outcome is that of the next step. No sound of it is early."""
        self._row = (job_id, text, timed)

    @property
    def decoding(self) -> bool:
        """Whether the next step has something to do."""
        return self._row is not None

    def step(self) -> list[tuple[int, Utterance | Exception]]:
        """Speak the row, if there is one."""
        if self._row is None:
            return []
        (job_id, text, timed), self._row = self._row, None
        return [(job_id, self._speak(text, timed))]

    def remove(self, job_id: int) -> None:
        """Forget a row."""
        if self._row is not None and self._row[0] == job_id:
            self._row = None

    def clear(self) -> None:
        """Forget the row."""
        self._row = None

    @torch.inference_mode()
    def _speak(self, text: str, timed: bool) -> Utterance:
        model = self._networks.model
        limit = self._limit_steps(text)
        output = model.synthesize(text, speaker=self._speaker)
        if limit is not None and len(output["alignments"][0]) >= limit:
            raise EngineFailed(f"the voice cannot speak {len(text)} characters: {SynthesisFailure.RUNAWAY}")
        audio = self._sound(text, output)
        positions = self._positions(text, output) if timed else None
        if not positions:
            return Utterance(audio)
        step_seconds = len(audio) / self.sample_rate / len(positions)
        return Utterance(audio, word_times(model, text, positions, step_seconds, audio, self.sample_rate))

    def _sound(self, text: str, output: Any) -> Audio:
        if self._networks.vocoder is not None:
            voice = self._networks.vocoder(output["outputs"]["model_outputs"][0])
            return postprocess(voice.float().cpu().numpy(), self._networks)
        samples = np.asarray(output["wav"], np.float32)
        if not samples.size:
            raise EngineFailed(f"the voice made no sound of a sentence of {len(text)} characters")
        return np.clip(samples, -1.0, 1.0)

    def _positions(self, text: str, output: Any) -> list[int] | None:
        """The symbol that each frame is made for; None if the model has no alignment of the two."""
        alignment = output.get("alignments")
        if alignment is None:
            return None
        table = torch.as_tensor(alignment).squeeze()
        symbols = len(to_ids(self._networks.model, text))
        if table.dim() != 2 or symbols not in table.shape:
            return None
        frames_first = table if table.shape[1] == symbols else table.T
        return [int(place) for place in frames_first.argmax(1)]

    def _limit_steps(self, text: str) -> int | None:
        """Limit the steps of a model that has a decoder loop to what the text can take."""
        if self._max_decoder_steps is None:
            return None
        model = self._networks.model
        step_seconds = model.decoder.r * model.ap.hop_length / model.ap.sample_rate
        limit = DurationLimits(step_seconds, self._max_decoder_steps).limit(len(to_ids(model, text)))
        model.decoder.max_decoder_steps = limit
        return limit
