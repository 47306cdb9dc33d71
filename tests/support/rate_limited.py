"""A worker process that counts calls towards a limit. It imports nothing else, so it starts at once."""

import asyncio
from pathlib import Path

from src.access.rate_limits import RateLimiter, parse_limits


def hit(folder: Path, times: int) -> None:
    async def main() -> None:
        limiter = RateLimiter(parse_limits("1000000/day"), folder)
        for _ in range(times):
            assert (await limiter.acquire("k")).windows
        limiter.close()

    asyncio.run(main())
