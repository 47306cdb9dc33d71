"""Callbacks: messages to receivers, stored with the end of their job and sent until they arrive.

A message may arrive twice (the receiver took it, and its answer was lost): its `webhook-id` is the same then.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import httpx
from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from src.errors import FetchFailed, JobsUnavailable
from src.jobs.addresses import AddressGuard, GuardedTransport
from src.jobs.database import Database
from src.jobs.model import Callback, CallbackState
from src.jobs.signing import owners_secret, signed_headers
from src.jobs.tables import callbacks
from src.jobs.tables import secrets as stored_secrets
from src.observability import metrics
from src.scheduling.background_loop import BackgroundLoop

log = logging.getLogger(__name__)

PAUSES = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800)
"""Seconds between two attempts: a day in all."""
_ANSWER_SECONDS = 15.0
_LEASE_SECONDS = 60.0
_AT_ONCE = 8
_POLL_SECONDS = 2.0
_GONE = 410
_STORED_SECRET = "callbacks"  # noqa: S105 - its name


class CallbackQueue:
    """Messages and their attempts, in the database.

    Args:
        database: of jobs, open.
        secret: of the server (JOBS_CALLBACK_SECRET); empty: one is made up once and kept in the database.
    """

    def __init__(self, database: Database, secret: str = "") -> None:
        self._database = database
        self._secret = secret.encode()

    async def secret_of(self, owner: str) -> str:
        """The secret that signs the callbacks of a key."""
        if not self._secret:
            self._secret = (await self._stored_secret()).encode()
        return owners_secret(self._secret, owner)

    async def of_jobs(self, job_ids: Sequence[str]) -> dict[str, Callback]:
        """The messages about the ends of these jobs, by the job; those without a receiver have none."""
        query = select(callbacks).where(callbacks.c.job_id.in_(job_ids))
        async with self._database.read() as connection:
            found = [_callback_of(row) for row in await connection.execute(query)]
        return {callback.job_id: callback for callback in found}

    async def claim(self, count: int) -> list[tuple[Callback, str]]:
        """Messages that are due, each with the token of its lease."""
        pending = callbacks.c.state == CallbackState.PENDING
        async with self._database.read() as connection:
            query = select(callbacks.c.id).where(pending, callbacks.c.next_at <= self._database.now())
            if (await connection.execute(query.limit(1))).first() is None:
                return []
        async with self._database.write() as connection:
            now = await self._database.clock(connection)
            due = (
                select(callbacks.c.id)
                .where(pending, callbacks.c.next_at <= now)
                .order_by(callbacks.c.next_at)
                .limit(count)
                .with_for_update(skip_locked=True)
            )
            claimed = []
            for message_id in list((await connection.execute(due)).scalars()):
                token = secrets.token_hex(16)
                # if this worker dies, it is due again when the lease is over
                row = await connection.execute(
                    update(callbacks)
                    .where(callbacks.c.id == message_id)
                    .values(lease_token=token, next_at=now + _LEASE_SECONDS)
                    .returning(callbacks)
                )
                claimed.append((_callback_of(row.one()), token))
            return claimed

    async def attempted(self, callback: Callback, token: str, status: int | None, error: str | None) -> None:
        """Record an attempt, and when the next one is due."""
        async with self._database.write() as connection:
            now = await self._database.clock(connection)
            tried = [*callback.attempts, {"at": now, "status": status, "error": error}]
            state, next_at = CallbackState.PENDING, None
            if error is None:
                state = CallbackState.DELIVERED
            elif status == _GONE or len(tried) > len(PAUSES):
                state = CallbackState.FAILED
            else:
                next_at = now + PAUSES[len(tried) - 1] * random.uniform(1, 1.1)
            await connection.execute(
                update(callbacks)
                .where(callbacks.c.id == callback.id, callbacks.c.lease_token == token)
                .values(state=state.value, next_at=next_at, attempts=tried, lease_token=None)
            )
        metrics.callback_attempted("delivered" if error is None else "failed")
        if state is CallbackState.FAILED:
            metrics.callback_given_up()
            log.warning("callback %s is given up after %d attempts", callback.id, len(tried))

    async def _stored_secret(self) -> str:
        query = select(stored_secrets.c.value).where(stored_secrets.c.name == _STORED_SECRET)
        with contextlib.suppress(IntegrityError):  # another worker was faster
            async with self._database.write() as connection:
                known: str | None = (await connection.execute(query)).scalar()
                if known is not None:
                    return known
                made = secrets.token_hex(32)
                await connection.execute(insert(stored_secrets).values(name=_STORED_SECRET, value=made))
                return made
        async with self._database.read() as connection:
            return str((await connection.execute(query)).scalar_one())


class CallbackSender(BackgroundLoop):
    """Sends what is due. An async context manager: it does so while it is open.

    Args:
        queue: of messages.
        guard: which addresses may be connected to.
        tls: how certificates are checked.
    """

    def __init__(self, queue: CallbackQueue, guard: AddressGuard, tls: ssl.SSLContext) -> None:
        super().__init__("send-callbacks")
        self._queue = queue
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(guard, tls),
            timeout=_ANSWER_SECONDS,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "voz", "Content-Type": "application/json"},
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        await self._client.aclose()

    async def _run(self) -> None:
        while True:
            sent: Sequence[object] = ()
            try:
                sent = await self._queue.claim(_AT_ONCE)
                await asyncio.gather(*(self._send(callback, token) for callback, token in sent))
            except JobsUnavailable as error:
                log.error("callbacks wait: %s", error)
            except Exception:
                log.exception("callbacks could not be sent")
            if len(sent) < _AT_ONCE:
                await asyncio.sleep(_POLL_SECONDS)

    async def _send(self, callback: Callback, token: str) -> None:
        body = callback.body.encode()
        headers = signed_headers(await self._queue.secret_of(callback.owner), callback.id, body)
        status, error = None, None
        try:
            async with (
                asyncio.timeout(_ANSWER_SECONDS),
                self._client.stream("POST", callback.url, content=body, headers=headers) as response,
            ):
                status = response.status_code
            if not 200 <= status < 300:
                error = f"the receiver answers {status}"
        except TimeoutError:
            error = f"the receiver did not answer within {_ANSWER_SECONDS:g} s"
        except FetchFailed as failed:
            error = str(failed)
        except (httpx.HTTPError, httpx.InvalidURL) as failure:
            error = f"the receiver cannot be reached: {type(failure).__name__}"
        await self._queue.attempted(callback, token, status, error)


def _callback_of(row: Row[Any]) -> Callback:
    values = dict(row._mapping)
    values.pop("lease_token")
    values["attempts"] = tuple(values["attempts"])
    return Callback(**values | {"state": CallbackState(values["state"])})
