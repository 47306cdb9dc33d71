"""Admission: a bound, an estimate, a deadline, and places that always come back."""

import asyncio

import pytest

from src.errors import DeadlineExceeded, Overloaded
from src.scheduling.admission import AdmissionController, UploadSpace, default_limit


def test_one_more_than_the_limit_is_refused_with_an_estimate() -> None:
    async def main() -> None:
        admission = AdmissionController("speech", limit=2, timeout=60)
        async with admission.enter(), admission.enter():
            with pytest.raises(Overloaded) as refused:
                async with admission.enter():
                    pytest.fail("a third request came in")
            assert refused.value.retry_after >= 1
            assert admission.in_flight == 2
        assert admission.in_flight == 0
        async with admission.enter():
            assert admission.in_flight == 1

    asyncio.run(main())


def test_a_place_comes_back_after_an_error_and_after_a_cancellation() -> None:
    async def main() -> None:
        admission = AdmissionController("speech", limit=1, timeout=60)
        with pytest.raises(ValueError, match="inside"):
            async with admission.enter():
                raise ValueError("inside")

        async def stay() -> None:
            async with admission.enter():
                await asyncio.sleep(60)

        task = asyncio.create_task(stay())
        await asyncio.sleep(0)
        assert admission.in_flight == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert admission.in_flight == 0

    asyncio.run(main())


def test_the_deadline_cancels_the_work_and_says_so() -> None:
    async def main() -> None:
        admission = AdmissionController("speech", limit=1, timeout=0.01)
        cancelled = False
        with pytest.raises(DeadlineExceeded, match=r"0\.01 s"):
            async with admission.enter():
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    cancelled = True
                    raise
        assert cancelled
        assert admission.in_flight == 0

    asyncio.run(main())


def test_a_timeout_of_the_work_itself_is_not_taken_for_the_deadline() -> None:
    async def main() -> None:
        admission = AdmissionController("speech", limit=1, timeout=60)
        with pytest.raises(TimeoutError) as raised:
            async with admission.enter():
                async with asyncio.timeout(0):
                    await asyncio.sleep(1)
        assert not isinstance(raised.value, DeadlineExceeded)

    asyncio.run(main())


def test_the_estimate_follows_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("src.scheduling.admission.time.monotonic", lambda: now)

    async def main() -> None:
        nonlocal now
        admission = AdmissionController("speech", limit=8, timeout=600)
        for _ in range(50):  # requests of ten seconds, one after the other
            async with admission.enter():
                now += 10
            now += 1000  # idle time in between says nothing about the pace
        async with admission.enter(), admission.enter(), admission.enter():
            assert 28 <= admission.estimate() <= 30

    asyncio.run(main())


def test_the_default_limit_follows_from_the_hardware() -> None:
    assert default_limit("cpu", 1) < default_limit("cpu", 2) < default_limit("cuda", 2)


def test_time_that_the_caller_takes_does_not_count() -> None:
    async def main() -> None:
        admission = AdmissionController("speech", limit=1, timeout=0.2)
        async with admission.enter() as work:
            for _ in range(3):
                with work.paused():
                    await asyncio.sleep(0.15)
        with pytest.raises(DeadlineExceeded):
            async with admission.enter() as work:
                with work.paused():
                    await asyncio.sleep(0.3)
                await asyncio.sleep(60)
        assert admission.in_flight == 0

    asyncio.run(main())


def test_a_place_is_released_once() -> None:
    admission = AdmissionController("speech", limit=2, timeout=60)
    first, second = admission.admit(), admission.admit()
    first.release()
    first.release()
    assert admission.in_flight == 1
    second.release()
    assert admission.in_flight == 0


def test_uploads_share_their_space() -> None:
    space = UploadSpace(100)
    # one that is larger than all of it may try while it is alone
    with space.reserve(500), pytest.raises(Overloaded, match="1 uploads"), space.reserve(1):
        pytest.fail("it does not fit beside the large one")
    with space.reserve(60), space.reserve(40):
        assert space.reserved == 100
        with pytest.raises(Overloaded), space.reserve(1):
            pytest.fail("all is taken")
    assert space.reserved == 0
