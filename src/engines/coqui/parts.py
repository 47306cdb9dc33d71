"""The sound of a sentence, made in stretches while the sentence is still being decoded.

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

_FRAMES = 256
"""Of a stretch. Fewer would be made twice too often (each comes with its surroundings); more fall out of the
core's cache, and let the first wait."""
_LENGTHS = 8
"""That stretches up to this one have; only the last of a sentence may have another."""
_WORTH_SHARING = 128
"""Frames: if there are more, what is left of a sentence at its end is made by two threads."""


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
        grain, reach = 1, None
        if networks.vocoder is not None:
            grain, reach = networks.vocoder.grain, networks.vocoder.reach(r)
            # of its rounding even less is heard
            networks.model.postnet.to(networks.vocoder.kind)
        self.grain = max(1, grain // r)
        """Steps: the last stretch of a sentence, too, had better be as long as a multiple."""
        self.few = max(1, _FRAMES // _LENGTHS // r)
        """Steps: the others are as long as a multiple."""
        self.stretch = None if reach is None else self.few * _LENGTHS
        """Steps of a stretch; None: the vocoder wants a sentence as a whole."""
        # steps on either side that a mel, and that a sound depends on
        self._around = (
            0 if reach is None else _steps(sum(each.convolution1d.padding[0] for each in layers), r)
        )
        self.margin = 0 if reach is None else self._around + _steps(reach, r)

    def worth_sharing(self, steps: int) -> bool:
        """So many are left of a sentence, and two threads would be at it if it were two pieces."""
        return self.crew.idle and not self.crew.alone and steps * self._r > _WORTH_SHARING

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

    def add(self, frames: torch.Tensor, alone: bool = False) -> None:
        """What one step made, (r x mels,).

        Args:
            alone: nothing else is being decoded, so nobody else wants the core that makes sound.
        """
        self._steps.append(frames)
        stretch = self._studio.stretch
        if stretch is None:
            return
        ready = len(self._steps) - self._next
        if self._studio.crew.free:
            least, most = stretch // 2, stretch  # so that little is left to be made at the end
        else:
            # one that would have to wait may as well grow: less is made twice
            least = most = stretch if alone else 2 * stretch
        if ready >= least:
            few = self._studio.few
            self._give(self._next, self._next + min(ready, most) // few * few)

    def end(self, steps: int | None = None) -> None:
        """There will be no more; if given, only so many are kept."""
        if steps is not None and steps < len(self._steps):
            # stretches may have been given that look past this end
            self.drop()
            self._given = 0
            del self._steps[steps:]
        stretch = self._studio.stretch
        if stretch is not None:
            while len(self._steps) - self._next > 1.5 * stretch:
                self._give(self._next, self._next + stretch)
            self._give_last()
        else:
            self._give(0, len(self._steps), more=False)
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

    @property
    def _next(self) -> int:
        """Where the next stretch begins, surroundings and all."""
        return max(0, self._given - self._studio.margin)

    def _give_last(self) -> None:
        """What is left, with more before it than it needs, so that its length is one of the usual.

        In two that overlap, if less than a usual length was said in all, or if two threads would be at it.
        """
        studio, count = self._studio, len(self._steps)
        left, grain = count - self._next, studio.grain
        usual = math.ceil(left / grain) * grain
        both = math.ceil((left + 2 * studio.margin) / grain)
        first = math.ceil(both / 2) * grain
        if first <= left and (usual > count or studio.worth_sharing(left)):
            self._give(self._next, self._next + first)
            usual = both * grain - first
        self._give(max(0, count - usual), count, more=False)

    def _give(self, first: int, last: int, more: bool = True) -> None:
        """Have the steps from `first` to `last` made, as far as they are new and have their surroundings.

        Args:
            more: steps come after `last`.
        """
        studio, begin = self._studio, self._given
        end = last - studio.margin if more else last
        steps = torch.stack(self._steps[first:last])
        job = Job(lambda: studio.record(steps, begin - first, last - end))
        self._given = end
        self._jobs.append(job)
        studio.crew.submit(job)
