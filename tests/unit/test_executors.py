"""Pools of threads that do not share their threads."""

import asyncio
import contextvars
import threading

import pytest

from src.scheduling.executors import Threads

NAME = contextvars.ContextVar("name", default="none")


def test_a_full_pool_holds_up_no_other_and_keeps_to_its_bound() -> None:
    async def main() -> None:
        full, other = Threads("full", 2), Threads("other", 1)
        release, begun = threading.Event(), threading.Semaphore(0)

        def block() -> str:
            begun.release()
            assert release.wait(30)
            return threading.current_thread().name

        blocked = [full.submit(block) for _ in range(5)]
        for _ in range(2):
            assert await other.run(begun.acquire, timeout=30)
        assert not await other.run(begun.acquire, timeout=0.1)
        assert await other.run(lambda: "answered") == "answered"
        release.set()
        assert len(set(await asyncio.gather(*blocked))) == 2

    asyncio.run(main())


def test_the_context_and_the_errors_of_the_caller_cross() -> None:
    async def main() -> None:
        pool = Threads("one", 1)
        NAME.set("caller")
        assert await pool.run(NAME.get) == "caller"
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda: 1 / 0)

    asyncio.run(main())


def test_what_was_submitted_is_done_though_its_caller_was_cancelled() -> None:
    async def main() -> None:
        pool, done, go = Threads("one", 1), threading.Event(), threading.Event()

        def work() -> None:
            go.wait(30)
            done.set()

        async def caller() -> None:
            await asyncio.shield(pool.submit(work))

        task = asyncio.create_task(caller())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        assert await pool.run(done.is_set)

    asyncio.run(main())
