"""Counters of rate limits in Redis, for servers on several machines."""

from limits.storage import RedisStorage

_ANSWER_SECONDS = 1.0
"""Seconds in which Redis must answer. A request waits for it."""

# KEYS[1]: the counter; ARGV: length of a window in ms, amount, limit.
# A window begins with the first amount. It is as many windows long as its amounts need.
_CONSUME = """
local length, amount, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local left = redis.call('PTTL', KEYS[1])
local value = redis.call('INCRBY', KEYS[1], amount)
local before = 0
if left > 0 then before = math.max(1, math.ceil((value - amount) / limit)) else left = 0 end
local after = math.max(1, math.ceil(value / limit))
if after > before then redis.call('PEXPIRE', KEYS[1], left + (after - before) * length) end
return value
"""


class RedisCounters(RedisStorage):
    """The storage of the library `limits`, with the operation that `rate_limits.py` needs besides.

    Args:
        url: `redis://[user:password@]host:port/database`, or `rediss://` for TLS.

    Raises:
        limits.errors.ConfigurationError: the package `redis` is not installed.
    """

    STORAGE_SCHEME = ["voz-redis"]  # noqa: RUF012 - the base class's

    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            key_prefix="voz",
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
        )
        self._consume = self.get_connection().register_script(_CONSUME.encode())

    def consume(self, key: str, expiry: int, amount: int, limit: int) -> int:
        """Add to a counter. If it exceeds `limit`, its window becomes as many windows long as it needs."""
        return int(self._consume([self.prefixed_key(key)], [expiry * 1000, amount, limit]))

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What its methods raise if Redis does not answer."""
        found = self.base_exceptions
        return found if isinstance(found, tuple) else (found,)

    def close(self) -> None:
        """Close the connections."""
        self.storage.close()
