"""Observers of a `Batcher`: metrics, spans and tests."""

import logging
from collections.abc import Callable, Iterable
from typing import Literal

log = logging.getLogger(__name__)

Outcome = Literal["done", "failed", "cancelled"]
"""How a job ends: with a result, with an error, or because its caller left."""


class BatchObserver:
    """Base class of observers. Every method does nothing: override the ones that you need.

    The methods are called while the model or a caller waits, so they must be quick. `batcher` is the name
    that the batcher was given.
    """

    def started(self, batcher: str, waited: float) -> None:
        """A job went into the model after `waited` seconds. Called on the model's thread."""

    def stepped(self, batcher: str, rows: int, seconds: float) -> None:
        """A step over `rows` rows took `seconds`. Called on the model's thread."""

    def ended(self, batcher: str, outcome: Outcome) -> None:
        """A job ended. Called on the model's thread or, where the caller left, in the caller's task."""

    def retried(self, batcher: str) -> None:
        """A row's first result was not good enough: the model works on it once more."""

    def returned(self, batcher: str, submitted: float, started: float | None, outcome: Outcome) -> None:
        """`submit` returns or raises now. Called in the caller's task, so context variables are the caller's.

        Args:
            batcher: name of the batcher.
            submitted: time at which the job was submitted, in seconds of `time.monotonic`.
            started: time at which it went into the model; None if it never did.
            outcome: how the job ended.
        """


class ObserverGroup(BatchObserver):
    """Calls several observers. An exception of one is logged, and the others are called all the same."""

    def __init__(self, observers: Iterable[BatchObserver]) -> None:
        self._observers = tuple(observers)

    def started(self, batcher: str, waited: float) -> None:
        for observer in self._observers:
            _guarded(observer.started, batcher, waited)

    def stepped(self, batcher: str, rows: int, seconds: float) -> None:
        for observer in self._observers:
            _guarded(observer.stepped, batcher, rows, seconds)

    def ended(self, batcher: str, outcome: Outcome) -> None:
        for observer in self._observers:
            _guarded(observer.ended, batcher, outcome)

    def retried(self, batcher: str) -> None:
        for observer in self._observers:
            _guarded(observer.retried, batcher)

    def returned(self, batcher: str, submitted: float, started: float | None, outcome: Outcome) -> None:
        for observer in self._observers:
            _guarded(observer.returned, batcher, submitted, started, outcome)


def _guarded(method: Callable[..., None], *args: object) -> None:
    try:
        method(*args)
    except Exception:
        log.exception("an observer raised")
