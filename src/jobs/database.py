"""The database of jobs: SQLite in a file, or PostgreSQL."""

import asyncio
import fcntl
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    cast,
    event,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from src.errors import ConfigurationError, DatabaseUnavailable, JobsUnavailable
from src.jobs.tables import VERSION, metadata, schema_version

log = logging.getLogger(__name__)

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
}
"""SQLAlchemy's scheme, with the installed driver, by the scheme of an address."""
_BUSY_SECONDS = 30
"""Seconds that a statement of SQLite waits for the writer before it."""
_STATEMENT_SECONDS = 30
"""Seconds that a statement of PostgreSQL may take."""
_CONNECT_SECONDS = 10
_POOL = 5
_MIGRATION_LOCK = 0x566F7A01
"""Number of the advisory lock under which PostgreSQL is migrated."""


def parse_address(address: str) -> URL:
    """The address of a database, with the driver that is installed for it.

    Raises:
        ConfigurationError: it is no address, or one of another kind of database.
    """
    try:
        url = make_url(address)
    except SQLAlchemyError:
        raise ConfigurationError(
            "JOBS_DATABASE_URL: must be like postgresql://user:password@host/name, or sqlite:///file"
        ) from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise ConfigurationError("JOBS_DATABASE_URL: must begin with postgresql:// or sqlite:///")
    if driver.startswith("sqlite") and not (url.database and url.database != ":memory:"):
        raise ConfigurationError("JOBS_DATABASE_URL: must name a file: sqlite:///folder/jobs.db")
    return url.set(drivername=driver)


class Database:
    """Connections to the database of jobs. Entering it brings the tables up to date.

    Args:
        url: of `parse_address`.

    Raises:
        DatabaseUnavailable: on entering, if the database cannot be used.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._engine: AsyncEngine
        self._writer: AsyncEngine

    async def __aenter__(self) -> Self:
        try:
            if self.is_sqlite:
                await asyncio.to_thread(_prepare_file, Path(self._url.database or ""))
            self._engine = self._create()
            self._writer = self._engine.execution_options(voz_writes=True)
            try:
                async with asyncio.timeout(120), self._writer.begin() as connection:
                    await connection.run_sync(_migrate)
            except BaseException:
                await self._engine.dispose()
                raise
        except (OSError, SQLAlchemyError, sqlite3.Error, TimeoutError) as error:
            where = self._url.render_as_string(hide_password=True)
            raise DatabaseUnavailable(
                f"JOBS_DATABASE_URL: {where} cannot be used: {_reason(error)}"
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write. It is committed at the end of the block, or rolled back.

        In SQLite there is one at a time (`BEGIN IMMEDIATE`); in PostgreSQL, rows are locked.

        Raises:
            JobsUnavailable: the database does not answer, or refuses.
            IntegrityError: a row of this key is there already.
        """
        with _answering():
            async with self._writer.begin() as connection:
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that reads one state of the database. Raises as `write` does."""
        with _answering():
            async with self._engine.connect() as connection:
                yield connection

    def now(self) -> ColumnElement[float]:
        """The time, in seconds since 1970, of the one clock that all workers share: the database's."""
        if self.is_sqlite:
            return literal(time.time(), Double)  # a file, and so one machine
        return cast(func.extract("epoch", func.clock_timestamp()), Double)

    async def clock(self, connection: AsyncConnection) -> float:
        """The same time as a number; SQLite need not be asked for it."""
        if self.is_sqlite:
            return time.time()
        return float((await connection.execute(select(self.now()))).scalar_one())

    def _create(self) -> AsyncEngine:
        # parameters are what callers wrote: they must not get into messages
        if not self.is_sqlite:
            return create_async_engine(
                self._url,
                hide_parameters=True,
                pool_size=_POOL,
                max_overflow=_POOL,
                pool_pre_ping=True,
                connect_args={
                    "connect_timeout": _CONNECT_SECONDS,
                    "options": f"-c statement_timeout={_STATEMENT_SECONDS * 1000}",
                    "prepare_threshold": None,  # a pooler such as PgBouncer may stand before the database
                },
            )
        engine = create_async_engine(
            self._url,
            hide_parameters=True,
            pool_size=_POOL,
            max_overflow=_POOL,
            connect_args={"timeout": _BUSY_SECONDS},
        )
        event.listen(engine.sync_engine, "connect", _on_connect)
        event.listen(engine.sync_engine, "begin", _on_begin)
        return engine


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what a driver raises into JobsUnavailable."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeout, sqlite3.Error, OSError) as error:
        raise JobsUnavailable(f"the database of jobs cannot be used: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """The first line of what the driver says; it never holds what callers wrote."""
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines()
    return lines[0] if lines else type(original).__name__


def _prepare_file(file: Path) -> None:
    """Make the folder, and switch the file to a write-ahead log, once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # several workers start at once, and SQLite does not wait for the lock that this switch takes
    with file.with_name(file.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = sqlite3.connect(file, timeout=_BUSY_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()


def _on_connect(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver begins no transactions: `_on_begin` does
    cursor = connection.cursor()
    # FULL: what was answered with 202 survives a power cut
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("voz_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(connection: Connection) -> None:
    """Bring the tables up to date, in one transaction, one worker at a time."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
    known = None
    if inspect(connection).has_table(schema_version.name):
        known = connection.execute(select(schema_version.c.version_num)).scalar()
    if known == VERSION:
        return
    if known is None:
        schema_version.create(connection, checkfirst=True)
        # unchecked: tables that are there already are another application's, or of an unknown release
        others = [table for table in metadata.sorted_tables if table is not schema_version]
        metadata.create_all(connection, others, checkfirst=False)
        connection.execute(insert(schema_version).values(version_num=VERSION))
    elif known > VERSION:
        raise SQLAlchemyError("a newer release of Voz has migrated it; go back to that release")
    else:
        from src.jobs.migrations.upgrade import upgrade  # Alembic takes a tenth of a server's start

        upgrade(connection)
    log.info("the tables of jobs are at version %s", VERSION)
