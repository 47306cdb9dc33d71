"""A real PostgreSQL server, and the job databases for tests.

Fixtures: `postgres` (one server for all tests) and `jobs_url` (an empty database for one test: each such test
runs with SQLite and with PostgreSQL). Every process of pytest imports this module, and few need the driver.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.ports import free_port

_USER = "postgres"


@dataclass(frozen=True)
class Postgres:
    """A server process."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The address of a fresh database."""
        import psycopg

        name = f"voz_{secrets.token_hex(6)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)


def _program(name: str) -> str:
    """Path of one of PostgreSQL's programs. Debian does not put them on PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -float(folder.parts[-2]))
    path = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.fail("the tests of jobs need PostgreSQL: apt-get install --no-install-recommends postgresql")
    return found


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server with an empty cluster, on a port of its own, and end it. It refuses to run as root."""
    user = _USER if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="voz-postgres-"))
    if user is not None:
        shutil.chown(folder, user)
    port = free_port()
    data, log = folder / "data", folder / "log"
    initdb: list[str | Path] = [
        _program("initdb"),
        "-D",
        data,
        "-U",
        _USER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "-N",
    ]
    subprocess.run(initdb, check=True, capture_output=True, user=user, cwd=folder)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                _program("postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder,
                "-c", "max_connections=200", "-c", "fsync=off",
            ],
            stdout=output, stderr=output, user=user, cwd=folder,
        )  # fmt: skip
    server = Postgres(port)
    import psycopg

    try:
        end = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(server.url("postgres"), connect_timeout=5).close()
                break
            except psycopg.OperationalError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.1)
        yield server
    finally:
        process.send_signal(signal.SIGQUIT)  # at once: its data are not needed any more
        process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def jobs_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()
