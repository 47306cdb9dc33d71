"""A bar for each file in work, on standard error, where that is a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from src.cli.console import errors, results


class Bars:
    """The bars. Without a terminal it shows nothing."""

    def __init__(self, hidden: bool = False) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            TimeElapsedColumn(),
            console=errors,
            disable=hidden or not errors.is_terminal,
            transient=True,
            # Rich would send what is written to standard output to this console
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @property
    def shown(self) -> bool:
        """Whether anybody sees them."""
        return not self._progress.disable

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bars away while results are written to the same terminal."""
        if not (self.shown and results.is_terminal):
            yield
            return
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    @contextmanager
    def bar(self, name: str) -> Iterator["Bar"]:
        """A bar that is there while the block runs."""
        task = self._progress.add_task(name, total=None, state="waiting")
        try:
            yield Bar(self._progress, task)
        finally:
            self._progress.remove_task(task)


class Bar:
    """Progress of one file, in seconds of audio."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._total: float | None = None

    def length(self, seconds: float | None) -> None:
        """How long the file is, where that is known."""
        self._total = seconds
        self._progress.update(self._task, total=seconds)

    def reached(self, seconds: float) -> None:
        """How far it has been read."""
        of = f" of {_clock(self._total)}" if self._total else ""
        self._progress.update(self._task, completed=seconds, state=f"{_clock(seconds)}{of}")


def _clock(seconds: float | None) -> str:
    minutes, rest = divmod(int(seconds or 0), 60)
    return f"{minutes}:{rest:02}"


def length_of(path: Path) -> float | None:
    """Seconds of a recording, as its header says, for a bar; None: not known, or PyAV is not installed."""
    try:
        import av

        with av.open(str(path), metadata_errors="replace") as container:
            return container.duration / 1_000_000 if container.duration else None
    except Exception:  # the server says what is wrong with the file
        return None
