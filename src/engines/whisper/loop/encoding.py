"""Threads that encode rows while the decoder writes."""

import threading
from collections.abc import Callable, Generator

import torch

from src.engines.whisper.loop.encoder import Parts
from src.engines.whisper.loop.reading import Heard

_TURNS = 32
"""Parts of short rows that are done before one of a long row is: about those of one short row."""

Part = Callable[[], None]


class Encoding:
    """A row on its way through the encoder.

    Args:
        stages: yields what is to be done before it goes on, and returns the row's audio for the decoder.
        short: it goes first.
    """

    def __init__(self, stages: Generator[Parts, None, Heard], short: bool) -> None:
        self.short = short
        self.outcome: Heard | Exception | None = None
        """None until it is done."""
        self._stages = stages
        self._parts: list[Part] = [self._go_on]
        self._unfinished = 1

    @property
    def waiting(self) -> bool:
        """There is a part that nobody does."""
        return bool(self._parts)

    def take(self) -> Part:
        return self._parts.pop()

    def drop(self) -> None:
        """Forget the parts that nobody does."""
        self._parts = []
        self._unfinished = -1

    def finished(self, error: Exception | None) -> None:
        """A part is done. The stage's last one makes the next stage a part."""
        self._unfinished -= 1
        if error is not None:
            self.drop()
            self.outcome = error
        elif self._unfinished == 0 and self.outcome is None:
            self._parts, self._unfinished = [self._go_on], 1

    def _go_on(self) -> None:
        try:
            parts = list(next(self._stages))
        except StopIteration as end:
            self.outcome = end.value
        else:
            # this one counts among them until it is `finished`
            self._unfinished += len(parts)
            self._parts = parts


class Encoders:
    """Works on what it is given, part by part: a short row overtakes a long one in its middle.

    Args:
        size: threads. Whoever has nothing better to do may `help`, too.
    """

    def __init__(self, size: int) -> None:
        self._encodings: list[Encoding] = []
        """In the order in which they came."""
        self._since_long = 0
        self._changed = threading.Condition()
        self._news = False
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"whisper-encoder-{number}", daemon=True)
            for number in range(size)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> bool:
        """There is something to help with."""
        with self._changed:
            return any(one.waiting for one in self._encodings)

    @property
    def short_waiting(self) -> bool:
        """It is of a short row."""
        with self._changed:
            return any(one.short and one.waiting for one in self._encodings)

    def submit(self, one: Encoding) -> None:
        with self._changed:
            self._encodings.append(one)
            self._changed.notify_all()

    def drop(self, one: Encoding) -> None:
        """Nobody wants it any more."""
        with self._changed:
            one.drop()
            if one in self._encodings:
                self._encodings.remove(one)

    def help(self) -> bool:
        """Do one part here and now; False if none waits."""
        with self._changed:
            found = self._take()
        if found is None:
            return False
        self._do(*found)
        return True

    def wait(self, seconds: float) -> None:
        """Until a part is done that was not when this was last called, or time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._news, seconds)
            self._news = False

    def close(self) -> None:
        """Forget what waits, and end the threads."""
        with self._changed:
            self._closing = True
            for one in self._encodings:
                one.drop()
            self._encodings = []
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _work(self) -> None:
        torch.set_num_threads(1)  # a setting of each thread: the cores are shared out by thread
        while True:
            with self._changed:
                while (found := self._take()) is None and not self._closing:
                    self._changed.wait()
            if found is None:
                return
            self._do(*found)

    def _do(self, one: Encoding, part: Part) -> None:
        failure = None
        try:
            with torch.inference_mode():
                part()
        except Exception as error:
            failure = error
        with self._changed:
            one.finished(failure)
            if one.outcome is not None and one in self._encodings:
                self._encodings.remove(one)
            self._news = True
            self._changed.notify_all()

    def _take(self) -> tuple[Encoding, Part] | None:
        """The next part: of a short row, but not for ever while a long one waits."""
        short = next((one for one in self._encodings if one.short and one.waiting), None)
        long = next((one for one in self._encodings if not one.short and one.waiting), None)
        one = short if long is None or (short is not None and self._since_long < _TURNS) else long
        if one is None:
            return None
        self._since_long = 0 if one is long else self._since_long + 1
        return one, one.take()
