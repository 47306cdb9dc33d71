"""Limits how many wrong API keys an address may send, against guessing.

Wrong keys are counted by address. Once an address has used up its limit, no key from it is checked until the
window ends, so that a right guess looks like a wrong one. A key that was accepted from that address before
still works, so that others at the same address (a proxy, an office) are not locked out. The counts are those
of one process, in memory of a bounded size.
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
"""Prefix length by which IPv6 addresses are counted. A client usually has a whole network of this size."""


class FailedKeys:
    """Counts wrong keys.

    Args:
        limit: maximum number of wrong keys per address and time; None: any number.
    """

    def __init__(self, limit: RateLimitItem | None) -> None:
        self._limit = limit
        self._counters: MemoryStorage | None = None
        self._welcome: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait(self, address: str, name: str | None) -> int:
        """Count a request.

        Args:
            address: address of the client; empty if it is not known.
            name: name of the key in the request; None: the key is wrong.

        Returns:
            Seconds until a key from this address is checked again; 0 if it is checked now.
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
