"""Slows down whoever guesses API keys.

Wrong keys are counted by address. Once an address has used up its limit, its keys are not looked at until
the window ends, so that a right guess is not told from a wrong one. A key that was right from that address
before stays welcome: whoever shares the address with the one who guesses (a proxy, an office) is not locked
out. The counts are those of one process, in memory of a bounded size.
"""

import ipaddress
import math
import time
from collections import OrderedDict

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

_MAX_ADDRESSES = 10_000
_SUBNET_BITS = 64
"""Whoever has one IPv6 address has as many as they like of such a network."""


class FailedKeys:
    """Counts wrong keys.

    Args:
        limit: wrong keys that an address may send in a time; None: any number.
    """

    def __init__(self, limit: RateLimitItem | None) -> None:
        self._limit = limit
        self._counters: MemoryStorage | None = None
        self._welcome: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait(self, address: str, name: str | None) -> int:
        """Count a request.

        Args:
            address: where it comes from; empty if that is not known.
            name: of the key that it carries; None: the key is wrong.

        Returns:
            Seconds for which this address must wait before a key of it is looked at; 0: it need not.
        """
        if self._limit is None:
            return 0
        network = _network(address)
        if name is not None and (network, name) in self._welcome:
            self._welcome.move_to_end((network, name))
            return 0
        if self._counters is None:
            if name is not None:
                self._remember(network, name)
                return 0
            self._counters = MemoryStorage()  # it starts a thread, which most servers never need
        counts = FixedWindowRateLimiter(self._counters)
        if not counts.test(self._limit, network):
            return max(1, math.ceil(counts.get_window_stats(self._limit, network).reset_time - time.time()))
        if name is not None:
            self._remember(network, name)
            return 0
        if len(self._counters.storage) >= _MAX_ADDRESSES:
            self._counters.reset()
        counts.hit(self._limit, network)
        return 0

    def _remember(self, network: str, name: str) -> None:
        self._welcome[network, name] = None
        if len(self._welcome) > _MAX_ADDRESSES:
            self._welcome.popitem(last=False)


def _network(address: str) -> str:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address[:_SUBNET_BITS]
    if known.version == 4:
        return address
    mapped = known.ipv4_mapped
    return str(mapped or ipaddress.ip_network((known, _SUBNET_BITS), strict=False))
