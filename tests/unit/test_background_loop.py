"""Tasks that work while something is open end with it."""

import asyncio

from src.scheduling.background_loop import BackgroundLoop, in_background


class Counter(BackgroundLoop):
    def __init__(self) -> None:
        super().__init__("counter")
        self.works = asyncio.Event()
        self.cancelled = False

    async def _run(self) -> None:
        self.works.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


def tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks()}


def test_a_loop_works_while_it_is_open_and_not_longer() -> None:
    async def scenario() -> None:
        async with Counter() as counter:
            await asyncio.wait_for(counter.works.wait(), 10)
            assert "counter" in tasks()
        assert counter.cancelled
        assert "counter" not in tasks()

    asyncio.run(scenario())


def test_work_that_fails_does_not_end_the_block() -> None:
    async def scenario() -> None:
        async def fail() -> None:
            raise ValueError("no model")

        async with in_background(fail(), "fails"):
            await asyncio.sleep(0.01)
        assert "fails" not in tasks()

    asyncio.run(scenario())
