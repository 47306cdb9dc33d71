"""Progress of a transfer, and the end of one that has stalled.

In a terminal it is a bar of `tqdm`. Own code writes lines to a log, which tqdm cannot, and ends a transfer
that has stalled: the tools that download here wait for a host that sends a byte now and then for ever.
"""

import logging
import shutil
import sys
import time
from types import TracebackType
from typing import Never, Self

from tqdm import tqdm

from src.weights.source import SourceFailed

log = logging.getLogger(__name__)

_STEP = 0.1
_SHORTEST, _LONGEST = 1.0, 10.0  # seconds between two lines


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


class Progress:
    """How far a transfer of `total` bytes (None: not known) has come.

    Args:
        window, least: fewer than `least` new bytes within `window` seconds are a stall.
    """

    def __init__(self, what: str, total: int | None, *, window: float = 60.0, least: int = 64 << 10) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._window = window
        self._least = least
        self._bar: tqdm[Never] | None = None
        if sys.stderr.isatty():
            # a terminal that does not know its size, as a container's often, would be shown nothing
            width, height = shutil.get_terminal_size()
            self._bar = tqdm(
                total=total, desc=what, unit="B", unit_scale=True, file=sys.stderr, ncols=width, nrows=height
            )
        self._said_at = self._mark_at = time.monotonic()
        self._said = self._mark = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def to(self, done: int) -> None:
        """`done` bytes are here by now; fewer than before if a transfer had to start again.

        Raises:
            SourceFailed: the transfer has stalled.
        """
        now = time.monotonic()
        if done - self._mark >= self._least:
            self._mark, self._mark_at = done, now
        elif now - self._mark_at > self._window:
            raise SourceFailed(
                f"{self._what} came too slowly: fewer than {self._least} new bytes in {self._window:g} s"
            )
        if self._total is not None:
            done = min(done, self._total)  # pip has a file twice for a moment, when it moves it
        if self._bar is not None:
            self._bar.update(done - self._done)
        self._done = done
        if self._bar is None:
            self._log(now)

    def _log(self, now: float) -> None:
        moved = self._total is not None and self._done - self._said >= _STEP * self._total
        if now - self._said_at >= _LONGEST or (moved and now - self._said_at >= _SHORTEST):
            share = f"{self._done / self._total:.0%} of {megabytes(self._total)}" if self._total else ""
            log.info("%s: %s", self._what, share or megabytes(self._done))
            self._said_at, self._said = now, self._done
