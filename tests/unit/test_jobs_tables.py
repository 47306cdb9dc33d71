"""The tables of jobs in a new database, and in one that the migrations have brought up to date."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from src.errors import DatabaseUnavailable
from src.jobs.database import Database, parse_address
from src.jobs.migrations.upgrade import upgrade
from src.jobs.tables import VERSION, schema_version


def opened(file: Path) -> None:
    """Open a database as a server does, and close it."""

    async def main() -> None:
        async with Database(parse_address(f"sqlite:///{file}")):
            pass

    asyncio.run(main())


def content(file: Path) -> set[tuple[str, ...]]:
    """Definitions of tables and indices, by lines, and the version."""
    connection = sqlite3.connect(file)
    try:
        defined = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        versions = connection.execute("SELECT version_num FROM job_schema_version").fetchall()
    finally:
        connection.close()
    lines = {tuple(sorted(line.strip(" \t,") for line in sql.splitlines())) for (sql,) in defined}
    return lines | {tuple(*versions)}


def test_a_new_database_is_what_the_migrations_lead_to(tmp_path: Path) -> None:
    new, migrated = tmp_path / "new.db", tmp_path / "migrated.db"
    opened(new)
    engine = create_engine(f"sqlite:///{migrated}")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    assert content(new) == content(migrated)
    assert (VERSION,) in content(migrated)
    opened(migrated)
    opened(new)
    assert content(new) == content(migrated)


def test_a_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    opened(file)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE job_schema_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(DatabaseUnavailable, match="newer release"):
        opened(file)


def test_a_database_with_an_empty_table_of_versions_is_a_new_one(tmp_path: Path) -> None:
    """Alembic's `downgrade base` leaves it."""
    new, emptied = tmp_path / "new.db", tmp_path / "emptied.db"
    opened(new)
    engine = create_engine(f"sqlite:///{emptied}")
    schema_version.create(engine)
    engine.dispose()
    opened(emptied)
    assert content(emptied) == content(new)
