"""Fair queueing (Nagle, RFC 970): each flow has a queue of its own, and the flows take turns.

Background flows come after all others: they are work that nobody waits for.
"""

import itertools
from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")

_Flows = OrderedDict[str, deque[T]]


class FairQueue(Generic[T]):
    """Items in the order in which they should be served: one of each flow in turn. It is not thread-safe."""

    def __init__(self) -> None:
        self._flows: _Flows[T] = OrderedDict()
        self._background: _Flows[T] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, flow: str, item: T, *, background: bool = False) -> None:
        """Put `item` at the end of its flow; of a background flow, if it is one."""
        (self._background if background else self._flows).setdefault(flow, deque()).append(item)
        self._size += 1

    def in_turn(self) -> list[T]:
        """All items: the first of each flow, then the second of each, and so on; then background ones."""
        rounds = itertools.chain(
            *(
                itertools.zip_longest(*flows.values(), fillvalue=_NOTHING)
                for flows in (self._flows, self._background)
            )
        )
        return [item for turn in rounds for item in turn if item is not _NOTHING]  # type: ignore[misc]

    def serve(self, flow: str, item: T) -> None:
        """Take `item` out. Its flow has had its turn, and goes behind the others."""
        if self.discard(flow, item):
            for flows in (self._flows, self._background):
                if flow in flows:
                    flows.move_to_end(flow)

    def discard(self, flow: str, item: T) -> bool:
        """Take `item` out without serving it; False if it was not there."""
        for flows in (self._flows, self._background):
            items = flows.get(flow)
            if items is not None and item in items:
                items.remove(item)
                self._size -= 1
                if not items:
                    del flows[flow]
                return True
        return False

    def clear(self) -> list[T]:
        """Take out everything."""
        items = self.in_turn()
        self._flows.clear()
        self._background.clear()
        self._size = 0
        return items


_NOTHING = object()
