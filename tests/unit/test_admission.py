"""The gate: a bound, an estimate, a deadline, and places that always come back."""

import asyncio

import pytest

from src.core.admission import Gate, default_limit
from src.core.errors import DeadlineExceeded, Overloaded


def test_one_more_than_the_limit_is_refused_with_an_estimate() -> None:
    async def main() -> None:
        gate = Gate("speech", limit=2, timeout=60)
        async with gate.enter(), gate.enter():
            with pytest.raises(Overloaded) as refused:
                async with gate.enter():
                    pytest.fail("a third request came in")
            assert refused.value.retry_after >= 1
            assert gate.held == 2
        assert gate.held == 0
        async with gate.enter():
            assert gate.held == 1

    asyncio.run(main())


def test_a_place_comes_back_after_an_error_and_after_a_cancellation() -> None:
    async def main() -> None:
        gate = Gate("speech", limit=1, timeout=60)
        with pytest.raises(ValueError, match="inside"):
            async with gate.enter():
                raise ValueError("inside")

        async def stay() -> None:
            async with gate.enter():
                await asyncio.sleep(60)

        task = asyncio.create_task(stay())
        await asyncio.sleep(0)
        assert gate.held == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert gate.held == 0

    asyncio.run(main())


def test_the_deadline_cancels_the_work_and_says_so() -> None:
    async def main() -> None:
        gate = Gate("speech", limit=1, timeout=0.01)
        cancelled = False
        with pytest.raises(DeadlineExceeded, match=r"0\.01 s"):
            async with gate.enter():
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    cancelled = True
                    raise
        assert cancelled
        assert gate.held == 0

    asyncio.run(main())


def test_a_timeout_of_the_work_itself_is_not_taken_for_the_deadline() -> None:
    async def main() -> None:
        gate = Gate("speech", limit=1, timeout=60)
        with pytest.raises(TimeoutError) as raised:
            async with gate.enter():
                async with asyncio.timeout(0):
                    await asyncio.sleep(1)
        assert not isinstance(raised.value, DeadlineExceeded)

    asyncio.run(main())


def test_the_estimate_follows_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("src.core.admission.time.monotonic", lambda: now)

    async def main() -> None:
        nonlocal now
        gate = Gate("speech", limit=8, timeout=600)
        for _ in range(50):  # requests of ten seconds, one after the other
            async with gate.enter():
                now += 10
            now += 1000  # idle time in between says nothing about the pace
        async with gate.enter(), gate.enter(), gate.enter():
            assert 28 <= gate.estimate() <= 30

    asyncio.run(main())


def test_the_default_limit_follows_from_the_hardware() -> None:
    assert default_limit("cpu", 1) < default_limit("cpu", 2) < default_limit("cuda", 2)
