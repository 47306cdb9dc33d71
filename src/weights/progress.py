"""Progress that suits where it is shown: a bar in a terminal, a line now and then in a log."""

import logging
import shutil
import sys
import time
from types import TracebackType
from typing import Never, Self

from tqdm import tqdm

log = logging.getLogger(__name__)

_STEP = 0.1
_SHORTEST, _LONGEST = 1.0, 10.0  # seconds between two lines


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


class Progress:
    """How far a transfer of `total` bytes (None: not known) has come."""

    def __init__(self, what: str, total: int | None) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._bar: tqdm[Never] | None = None
        if sys.stderr.isatty():
            # a terminal that does not know its size, as a container's often, would be shown nothing
            width, height = shutil.get_terminal_size()
            self._bar = tqdm(
                total=total, desc=what, unit="B", unit_scale=True, file=sys.stderr, ncols=width, nrows=height
            )
        self._said_at = time.monotonic()
        self._said = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def to(self, done: int) -> None:
        """`done` bytes are here by now; fewer than before if a transfer had to start again."""
        if self._total is not None:
            done = min(done, self._total)  # pip has a file twice for a moment, when it moves it
        if self._bar is not None:
            self._bar.update(done - self._done)
        self._done = done
        if self._bar is None:
            self._maybe_say()

    def _maybe_say(self) -> None:
        quiet = time.monotonic() - self._said_at
        moved = self._total is not None and self._done - self._said >= _STEP * self._total
        if quiet >= _LONGEST or (moved and quiet >= _SHORTEST):
            if self._total:
                share = f"{self._done / self._total:.0%} of {megabytes(self._total)}"
            else:
                share = megabytes(self._done)
            log.info("%s: %s", self._what, share)
            self._said_at, self._said = time.monotonic(), self._done
