"""Which work nobody waits for: rows of it take what other requests leave."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_background: ContextVar[bool] = ContextVar("voz_background_work", default=False)


@contextmanager
def background_work() -> Iterator[None]:
    """Mark what this task submits to an engine while the block runs, and what tasks do that it starts."""
    token = _background.set(True)
    try:
        yield
    finally:
        _background.reset(token)


def is_background() -> bool:
    """Whether this task does work that nobody waits for."""
    return _background.get()
