"""The sound of a sentence, made in parts while the sentence is still being decoded.

Post-net and vocoder look a few frames to either side and no further, so a stretch of the mel, with those
frames around it, gives the samples that the whole would give.
"""

import math
from typing import Any

import numpy as np
import torch

from src.engines.base import Audio
from src.engines.coqui.crew import Crew, Job
from src.engines.coqui.encoder import refine
from src.engines.coqui.loading import Networks
from src.engines.coqui.sound import finished

_FRAMES = 192
"""Of a part. Fewer would be made twice too often (each part comes with its surroundings); more fall out of
the core's cache, and let the first part wait."""


class Studio:
    """Makes stretches of sound for one voice.

    Args:
        networks: a Tacotron2 and its vocoder.
        r: frames a decoder step.
    """

    def __init__(self, networks: Networks, r: int, mels: int, crew: Crew) -> None:
        self._networks = networks
        self._mels = mels
        self._r = r
        self.crew = crew
        layers: Any = networks.model.postnet.convolutions
        reach = None if networks.vocoder is None else networks.vocoder.reach(r)
        self.part = None if reach is None else max(1, _FRAMES // r)
        """Steps of a part; None: the vocoder wants a sentence as a whole."""
        # steps on either side that a mel, and that a sound depends on
        self._around = (
            0 if reach is None else _steps(sum(each.convolution1d.padding[0] for each in layers), r)
        )
        self.margin = 0 if reach is None else self._around + _steps(reach, r)

    def record(self, steps: torch.Tensor, left: int, right: int) -> Audio:
        """Samples of decoder steps (n, r x mels), and not of those that are there for their sake.

        Args:
            left: the first so many are not wanted: the others depend on them. Less than `margin`: there are
                no more, the sentence begins with them.
            right: the same of the last.
        """
        if self._networks.vocoder is None:
            raise ValueError("the model makes no mel")
        mel = refine(self._networks.model, [steps.view(-1, self._mels)])[0]
        # what the post-net made without all of its surroundings is no good as the vocoder's surroundings
        spoilt_left = self._around if left >= self.margin else 0
        spoilt_right = self._around if right >= self.margin else 0
        mel = mel[spoilt_left * self._r : len(mel) - spoilt_right * self._r]
        samples = self._networks.vocoder.part(
            mel, (left - spoilt_left) * self._r, (right - spoilt_right) * self._r
        )
        return samples.float().cpu().numpy()

    def whole(self, parts: list[Audio]) -> Audio:
        return finished(np.concatenate(parts), self._networks)


def _steps(frames: int, r: int) -> int:
    return math.ceil(frames / r)


class Sound:
    """The sound of one piece of text."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._steps: list[torch.Tensor] = []
        self._given = 0
        """Steps whose sound is made, or in the making."""
        self._jobs: list[Job] = []
        self._ended = False

    def __len__(self) -> int:
        """Decoder steps so far."""
        return len(self._steps)

    def add(self, frames: torch.Tensor) -> None:
        """What one step made, (r x mels,)."""
        self._steps.append(frames)
        part, margin = self._studio.part, self._studio.margin
        # one that would have to wait may as well grow: less is made twice
        if (
            part is not None
            and len(self._steps) >= self._given + part * (1 if self._studio.crew.idle else 2) + margin
        ):
            self._give(len(self._steps) - margin)

    def end(self, steps: int | None = None) -> None:
        """There will be no more; if given, only so many are kept."""
        if steps is not None and steps < len(self._steps):
            # parts may have been made that look past this end
            self.drop()
            self._given = 0
            del self._steps[steps:]
        part = self._studio.part or len(self._steps)
        while len(self._steps) - self._given > 1.5 * part:
            self._give(self._given + part)
        if self._given < len(self._steps):
            self._give(len(self._steps))
        self._ended = True
        self._steps = []

    def drop(self) -> None:
        """Nobody wants it."""
        for job in self._jobs:
            job.drop()
        self._jobs = []

    def take(self) -> Audio | None:
        """Samples in [-1, 1] once all are there.

        Raises:
            Exception: whatever the vocoder raised.
        """
        outcomes = [job.outcome for job in self._jobs]
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        made = [outcome for outcome in outcomes if isinstance(outcome, np.ndarray)]
        return self._studio.whole(made) if self._ended and len(made) == len(outcomes) else None

    def _give(self, end: int) -> None:
        studio, begin = self._studio, self._given
        first = max(0, begin - studio.margin)
        last = min(len(self._steps), end + studio.margin)
        steps = torch.stack(self._steps[first:last])
        job = Job(lambda: studio.record(steps, begin - first, last - end))
        self._given = end
        self._jobs.append(job)
        studio.crew.submit(job)
