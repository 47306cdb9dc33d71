"""The queue of jobs in a real database, SQLite and PostgreSQL alike."""

import asyncio
import json
import multiprocessing
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from src.errors import ConfigurationError, DatabaseUnavailable, InvalidInput, NotFound, RateLimited
from src.jobs.callbacks import PAUSES, CallbackQueue
from src.jobs.database import Database, parse_address
from src.jobs.expiry import Expiry
from src.jobs.leases import LeaseLost, Leases
from src.jobs.model import CallbackState, JobKind, JobState, NewJob
from src.jobs.objects import JobObjects
from src.jobs.outcomes import Ending
from src.jobs.queue import IdempotencyKey, JobQueue
from src.jobs.state import QueueMonitor, estimate
from src.jobs.tables import callbacks, checkpoints, jobs, objects
from src.storage.local import LocalStorage

LEASE = 30.0
KEEP = 3600.0
DONE = Ending(JobState.SUCCEEDED, result={"duration": 2.5})


def explain(error: Exception) -> Mapping[str, Any]:
    return {"detail": str(error)}


@dataclass
class Opened:
    database: Database
    queue: JobQueue
    leases: Leases
    callbacks: CallbackQueue

    async def let_leases_run_out(self) -> None:
        async with self.database.write() as connection:
            await connection.execute(update(jobs).values(lease_expires=self.database.now() - 1))

    async def let_pauses_end(self) -> None:
        async with self.database.write() as connection:
            await connection.execute(update(jobs).values(not_before=0))

    async def rows(self, table: Any) -> list[Any]:
        async with self.database.read() as connection:
            return list(await connection.execute(select(table)))


@asynccontextmanager
async def opened(url: str, max_queued: int = 1000, secret: str = "") -> AsyncIterator[Opened]:
    async with Database(parse_address(url)) as database:
        yield Opened(
            database,
            JobQueue(database, max_queued, KEEP),
            Leases(database, LEASE, 3, KEEP, explain),
            CallbackQueue(database, secret),
        )


def run(url: str, test: Callable[[Opened], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def main() -> None:
        async with opened(url, **options) as it:
            await test(it)

    asyncio.run(main())


def speech(text: str = "Hello.", **options: Any) -> NewJob:
    return NewJob(kind=JobKind.SPEECH, spec={"text": text}, **options)


def test_a_job_is_worked_on_once_and_ends_once(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        [job] = (await it.queue.submit("ann", [speech(metadata={"n": "ñ\u0000"})], batch=False)).jobs
        assert (job.state, job.owner, job.metadata) == (JobState.QUEUED, "ann", {"n": "ñ\u0000"})
        [leased] = await it.leases.claim(5)
        assert (leased.job.id, leased.job.state, leased.job.attempts) == (job.id, JobState.RUNNING, 1)
        assert await it.leases.claim(5) == []
        await it.leases.save(leased, 1.0, 3.0, 0, {"text": "one"})
        running = await it.queue.find("ann", job.id)
        assert (running.done_seconds, running.total_seconds) == (1.0, 3.0)
        assert running.started_at is not None
        await it.leases.end(leased, DONE)
        ended = await it.queue.find("ann", job.id)
        assert (ended.state, ended.result, ended.done_seconds) == (JobState.SUCCEEDED, {"duration": 2.5}, 2.5)
        assert ended.ended_at is not None
        assert ended.expires_at == pytest.approx(ended.ended_at + KEEP)
        with pytest.raises(LeaseLost):
            await it.leases.end(leased, DONE)

    run(jobs_url, test)


def test_what_a_dead_worker_left_is_taken_over_and_its_late_writes_change_nothing(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        [job] = (await it.queue.submit("ann", [speech()], batch=False)).jobs
        [slow] = await it.leases.claim(1)
        await it.leases.save(slow, 1.0, None, 0, {"n": 0})
        assert await it.leases.claim(1) == [], "its lease has not run out"
        await it.let_leases_run_out()
        [other] = await it.leases.claim(1)
        assert other.job.id == job.id
        assert other.token != slow.token
        assert await it.leases.checkpoints(job.id) == [{"n": 0}]
        assert await it.leases.renew([slow, other]) == {job.id}
        assert await it.leases.renew([slow]) == set()
        with pytest.raises(LeaseLost):
            await it.leases.save(slow, 9.0, None, 1, {"n": "stale"})
        with pytest.raises(LeaseLost):
            await it.leases.end(slow, Ending(JobState.FAILED, error={}))
        await it.leases.give_back(slow)
        assert (await it.queue.find("ann", job.id)).state is JobState.RUNNING
        await it.leases.save(other, 2.0, None, 1, {"n": 1})
        await it.leases.end(other, DONE)
        assert await it.leases.checkpoints(job.id) == [{"n": 0}, {"n": 1}]

    run(jobs_url, test)


def test_a_job_that_ends_its_worker_again_and_again_has_failed(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        [job] = (await it.queue.submit("ann", [speech(callback_url="https://x/")], batch=False)).jobs
        for attempt in (1, 2, 3):
            [leased] = await it.leases.claim(1)
            assert leased.job.attempts == attempt
            await it.let_leases_run_out()
            if attempt == 2:
                assert await it.leases.claim(1) == [], "it may be the cause, and waits"
                await it.let_pauses_end()
        assert await it.leases.claim(1) == []
        ended = await it.queue.find("ann", job.id)
        assert ended.state is JobState.FAILED
        assert ended.error == {"detail": "the server ended 3 times while it worked on this job"}
        assert len(await it.callbacks.of_jobs([job.id])) == 1

    run(jobs_url, test)


def test_progress_and_being_handed_back_do_not_count_as_failures(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        await it.queue.submit("ann", [speech()], batch=False)
        for number in range(6):
            [leased] = await it.leases.claim(1)
            await it.leases.save(leased, number + 1.0, None, number, {})
            await it.let_leases_run_out()
        for _ in range(6):
            [leased] = await it.leases.claim(1)
            await it.leases.give_back(leased)
        [leased] = await it.leases.claim(1)
        await it.leases.give_back(leased, after=60, blameless=False)
        assert await it.leases.claim(1) == [], "it is to wait a minute"

    run(jobs_url, test)


def test_priority_first_and_keys_in_turn(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        many = [speech(f"ann {index}") for index in range(4)]
        await it.queue.submit("ann", many, batch=True)
        await it.queue.submit("bob", [speech("bob 0"), speech("bob 1")], batch=True)
        [urgent] = (await it.queue.submit("ann", [speech("urgent", priority=1)], batch=False)).jobs
        [idle] = (await it.queue.submit("bob", [speech("idle", priority=-1)], batch=False)).jobs
        assert await it.queue.position(urgent) == 1
        assert await it.queue.position(idle) == 8
        order = [leased.job.spec["text"] for _ in range(8) for leased in await it.leases.claim(1)]
        assert order == ["urgent", "ann 0", "bob 0", "ann 1", "bob 1", "ann 2", "ann 3", "idle"]

    run(jobs_url, test)


def test_a_newcomer_does_not_wait_behind_all_that_another_key_has_submitted(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        await it.queue.submit("ann", [speech(f"ann {index}") for index in range(50)], batch=True)
        for leased in await it.leases.claim(20):
            await it.leases.end(leased, DONE)
        await it.queue.submit("bob", [speech("bob 0"), speech("bob 1")], batch=True)
        order = [leased.job.spec["text"] for leased in await it.leases.claim(4)]
        assert order == ["ann 20", "bob 0", "ann 21", "bob 1"]

    run(jobs_url, test)


def test_a_key_sees_its_own_jobs_page_by_page(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        batch = await it.queue.submit("ann", [speech(str(index)) for index in range(5)], batch=True)
        [other] = (await it.queue.submit("bob", [speech()], batch=False)).jobs
        with pytest.raises(NotFound):
            await it.queue.find("ann", other.id)
        with pytest.raises(NotFound):
            await it.queue.remove("ann", other.id)
        first = await it.queue.page("ann", 3)
        rest = await it.queue.page("ann", 3, after=first[-1].id)
        found = [job.id for job in (*first, *rest)]
        assert found == sorted((job.id for job in batch.jobs), reverse=True)
        [leased] = await it.leases.claim(1)
        assert [job.id for job in await it.queue.page("ann", 9, state=JobState.RUNNING)] == [leased.job.id]
        assert await it.queue.page("ann", 9, kind=JobKind.TRANSCRIPTION) == []
        assert len(await it.queue.page("ann", 9, batch_id=batch.batch_id)) == 5
        assert await it.queue.page("ann", 9, batch_id="batch_other") == []

    run(jobs_url, test)


def test_a_batch_is_taken_whole_or_not_at_all(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        await it.queue.submit("ann", [speech()], batch=False)
        with pytest.raises(RateLimited, match="JOBS_MAX_QUEUED is 3"):
            await it.queue.submit("ann", [speech(), speech(), speech()], batch=True)
        assert len(await it.queue.page("ann", 9)) == 1
        await it.queue.submit("bob", [speech(), speech(), speech()], batch=True)
        await it.leases.claim(4)
        await it.queue.submit("ann", [speech(), speech(), speech()], batch=True)

    run(jobs_url, test, max_queued=3)


def test_a_repeat_with_the_same_key_submits_nothing(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        key = IdempotencyKey("once", "f" * 64)
        results = await asyncio.gather(
            *(it.queue.submit("ann", [speech(), speech()], batch=True, idempotency=key) for _ in range(8))
        )
        assert [result.replayed for result in results].count(False) == 1
        assert len({tuple(job.id for job in result.jobs) for result in results}) == 1
        assert len({result.batch_id for result in results}) == 1
        assert len(await it.queue.page("ann", 9)) == 2
        with pytest.raises(InvalidInput, match="another request"):
            await it.queue.submit(
                "ann", [speech()], batch=False, idempotency=IdempotencyKey("once", "g" * 64)
            )
        await it.queue.submit("bob", [speech()], batch=False, idempotency=IdempotencyKey("once", "g" * 64))
        for job in results[0].jobs:
            await it.queue.remove("ann", job.id)
            await it.queue.remove("ann", job.id)
        again = await it.queue.submit("ann", [speech()], batch=False, idempotency=key)
        assert not again.replayed, "what it had submitted is deleted"

    run(jobs_url, test)


def test_cancelled_while_it_waits_or_runs_and_deleted_when_it_has_ended(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        batch = await it.queue.submit(
            "ann", [speech(callback_url="https://x/"), speech(callback_url="https://x/")], batch=True
        )
        [leased] = await it.leases.claim(1)
        for job in batch.jobs:
            await it.queue.remove("ann", job.id)
            assert (await it.queue.find("ann", job.id)).state is JobState.CANCELLED
        assert await it.leases.renew([leased]) == set(), "its worker notices"
        with pytest.raises(LeaseLost):
            await it.leases.end(leased, DONE)
        told = await it.callbacks.of_jobs([job.id for job in batch.jobs])
        bodies = [json.loads(callback.body) for callback in told.values()]
        assert [body["type"] for body in bodies] == ["job.cancelled"] * 2
        for job in batch.jobs:
            await it.queue.remove("ann", job.id)
            with pytest.raises(NotFound):
                await it.queue.find("ann", job.id)
        assert await it.rows(callbacks) == []

    run(jobs_url, test)


def test_a_callback_is_tried_for_a_day_and_each_attempt_is_shown(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        [job] = (await it.queue.submit("ann", [speech(callback_url="https://x/")], batch=False)).jobs
        [leased] = await it.leases.claim(1)
        await it.leases.end(leased, DONE)
        before = 0.0
        for attempt in range(len(PAUSES) + 1):
            [(callback, token)] = await it.callbacks.claim(5)
            assert await it.callbacks.claim(5) == [], "one worker sends it at a time"
            await it.callbacks.attempted(callback, "another's token", 200, None)
            await it.callbacks.attempted(callback, token, 500, "the receiver answers 500")
            callback = (await it.callbacks.of_jobs([job.id]))[job.id]
            assert [one["status"] for one in callback.attempts] == [500] * (attempt + 1)
            if attempt < len(PAUSES):
                assert callback.next_at is not None
                pause = callback.next_at - callback.attempts[-1]["at"]
                assert PAUSES[attempt] <= pause <= 1.1 * PAUSES[attempt]
                before += pause
                async with it.database.write() as connection:
                    await connection.execute(update(callbacks).values(next_at=it.database.now()))
        assert callback.state is CallbackState.FAILED
        assert before >= 23 * 3600
        assert await it.callbacks.claim(5) == []

    run(jobs_url, test)


def test_a_receiver_that_is_gone_is_not_tried_again_and_one_that_answers_is_done(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        batch = await it.queue.submit("ann", [speech(callback_url="https://x/")] * 2, batch=True)
        for leased in await it.leases.claim(2):
            await it.leases.end(leased, DONE)
        (gone, token), (fine, other) = await it.callbacks.claim(2)
        await it.callbacks.attempted(gone, token, 410, "the receiver answers 410")
        await it.callbacks.attempted(fine, other, 204, None)
        found = await it.callbacks.of_jobs([job.id for job in batch.jobs])
        assert {found[gone.job_id].state, found[fine.job_id].state} == {
            CallbackState.FAILED, CallbackState.DELIVERED
        }  # fmt: skip

    run(jobs_url, test)


def test_every_key_has_a_secret_of_its_own_the_same_in_every_worker(jobs_url: str) -> None:
    async def main() -> None:
        async with (
            opened(jobs_url) as it,
            opened(jobs_url) as other,
            opened(jobs_url, secret="s" * 24) as set_,
        ):
            first, second = await asyncio.gather(
                it.callbacks.secret_of("ann"), other.callbacks.secret_of("ann")
            )
            assert first == second
            assert first.startswith("whsec_")
            assert await it.callbacks.secret_of("bob") != first
            assert await set_.callbacks.secret_of("ann") != first

    asyncio.run(main())


def test_what_is_over_is_deleted_and_nothing_else(jobs_url: str, tmp_path: Path) -> None:
    async def test(it: Opened) -> None:
        async with LocalStorage(tmp_path / "storage") as storage:
            kept = JobObjects(it.database, storage)
            expiry = Expiry(it.database, kept, KEEP)

            async def content() -> AsyncIterator[bytes]:
                yield b"something"

            upload = await kept.put("upload", content(), "application/octet-stream")
            lost = await kept.put("upload", content(), "application/octet-stream")
            spec = {"upload": upload}
            new = NewJob(kind=JobKind.TRANSCRIPTION, spec=spec)
            key = IdempotencyKey("key", "f" * 64)
            [job] = (await it.queue.submit("ann", [new], batch=False, idempotency=key)).jobs
            [leased] = await it.leases.claim(1)
            await it.leases.save(leased, 1.0, None, 0, {})
            result = await kept.put("txt", content(), "text/plain")
            await expiry.delete_some()
            assert all([await storage.exists(one) for one in (upload, lost, result)])

            await it.leases.end(leased, Ending(JobState.SUCCEEDED, {"duration": 1.0}, objects=[result]))
            await expiry.delete_some()
            assert not await storage.exists(upload)
            assert await storage.exists(result)
            async with it.database.write() as connection:
                past = it.database.now() - 2 * KEEP
                await connection.execute(update(jobs).values(ended_at=past))
            await expiry.delete_some()
            assert await it.rows(checkpoints) == []
            assert (await it.queue.find("ann", job.id)).state is JobState.SUCCEEDED

            async with it.database.write() as connection:
                await connection.execute(update(jobs).values(expires_at=past))
                await connection.execute(update(objects).values(delete_at=past))
            await expiry.delete_some()
            with pytest.raises(NotFound):
                await it.queue.find("ann", job.id)
            assert not await storage.exists(result)
            assert not await storage.exists(lost), "no job has ever taken it"
            assert await it.rows(objects) == []

    run(jobs_url, test)


def test_estimates_follow_the_throughput_of_recent_jobs(jobs_url: str) -> None:
    async def test(it: Opened) -> None:
        await it.queue.submit("ann", [speech() for _ in range(6)], batch=True)
        monitor = QueueMonitor(it.database, 2)
        [first, second] = await it.leases.claim(2)
        waiting = (await it.queue.page("ann", 9, state=JobState.QUEUED))[0]
        assert estimate(waiting, 4, await monitor.throughput()) == (None, None), "nothing has ended yet"
        await it.leases.end(first, DONE)
        async with it.database.write() as connection:
            ten = jobs.c.ended_at - 10
            await connection.execute(update(jobs).where(jobs.c.id == first.job.id).values(started_at=ten))
            await connection.execute(
                update(jobs)
                .where(jobs.c.id == second.job.id)
                .values(started_at=it.database.now() - 30, done_seconds=60.0, total_seconds=180.0)
            )
        recent = await QueueMonitor(it.database, 2).throughput()
        start, end = estimate(waiting, 4, recent)
        assert start is not None
        assert end is not None
        assert start - recent.now == pytest.approx(10)
        assert end - start == pytest.approx(10)
        running = await it.queue.find("ann", second.job.id)
        start, end = estimate(running, None, recent)
        assert start is None
        assert end is not None
        assert end - recent.now == pytest.approx(60, abs=2)
        state = await monitor.state()
        assert state.by_state == {JobState.QUEUED: 4, JobState.RUNNING: 1}
        assert 0 < state.oldest_queued_seconds < 60

    run(jobs_url, test)


def _open_and_submit(url: str) -> None:
    async def main() -> None:
        async with opened(url) as it:
            await it.queue.submit("ann", [speech()], batch=False)

    asyncio.run(main())


def test_workers_that_start_at_once_make_the_tables_once(jobs_url: str) -> None:
    start = multiprocessing.get_context("spawn")
    workers = [start.Process(target=_open_and_submit, args=(jobs_url,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0

    async def test(it: Opened) -> None:
        assert len(await it.queue.page("ann", 9)) == 3

    run(jobs_url, test)


def test_a_table_of_another_application_is_not_taken_for_ours(jobs_url: str) -> None:
    async def names(engine: AsyncEngine) -> list[str]:
        async with engine.connect() as connection:
            return await connection.run_sync(lambda it: inspect(it).get_table_names())

    async def main() -> None:
        engine = create_async_engine(parse_address(jobs_url))
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE jobs (id VARCHAR(64) PRIMARY KEY, queue TEXT)"))
        with pytest.raises(DatabaseUnavailable, match="already exists"):
            async with Database(parse_address(jobs_url)):
                raise AssertionError("its tables are not there")
        assert await names(engine) == ["jobs"]
        await engine.dispose()

    asyncio.run(main())


def test_many_claim_at_once_and_no_job_is_claimed_twice(jobs_url: str) -> None:
    async def main() -> None:
        async with opened(jobs_url) as it, opened(jobs_url) as other:
            await it.queue.submit("ann", [speech() for _ in range(40)], batch=True)
            found = await asyncio.gather(
                *(one.leases.claim(3) for one in (it, other) for _ in range(8)), it.leases.claim(3)
            )
            ids = [leased.job.id for some in found for leased in some]
            assert len(ids) == len(set(ids)) == 40

    asyncio.run(main())


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mysql://localhost/voz", "postgresql:// or sqlite:///"),
        ("jobs.db", "must be like"),
        ("sqlite://", "must name a file"),
    ],
)
def test_an_address_that_is_none_is_refused(address: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_address(address)


def test_a_database_that_cannot_be_reached_is_named_without_its_password() -> None:
    async def main() -> None:
        async with Database(parse_address("postgresql://ann:open-sesame@127.0.0.1:1/voz")):
            raise AssertionError("nothing listens there")

    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/voz") as refused:
        asyncio.run(main())
    assert "sesame" not in str(refused.value)
