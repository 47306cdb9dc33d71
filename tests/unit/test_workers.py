"""The folder that workers share."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from src.processes import workers
from src.processes.workers import is_alive, shared_folder


def _join_and_wait(temporary: str, pipe: Connection) -> None:
    workers._MEMORY = Path(temporary)
    folder = shared_folder()
    assert folder is not None
    (folder / f"of-{os.getpid()}").touch()
    pipe.send(folder)
    if pipe.recv() == "die":
        os.kill(os.getpid(), 9)


class Worker:
    def __init__(self, temporary: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_join_and_wait, args=(str(temporary), theirs))
        self.process.start()
        self.folder: Path = self.pipe.recv()

    def end(self, how: str = "leave") -> None:
        self.pipe.send(how)
        self.process.join()


def test_a_lone_process_shares_nothing() -> None:
    assert shared_folder() is None


def test_the_last_worker_removes_the_folder(tmp_path: Path) -> None:
    one, two = Worker(tmp_path), Worker(tmp_path)
    assert one.folder == two.folder
    assert one.folder.stat().st_mode & 0o777 == 0o700
    one.end()
    assert len(list(two.folder.glob("of-*"))) == 2
    two.end()
    assert list(tmp_path.iterdir()) == []


def test_what_killed_workers_left_is_removed_by_the_next(tmp_path: Path) -> None:
    killed = Worker(tmp_path)
    killed.end("die")
    assert killed.folder.is_dir()
    fresh = Worker(tmp_path)
    assert len(list(fresh.folder.glob("of-*"))) == 1
    fresh.end()
    assert list(tmp_path.iterdir()) == []


def test_gunicorn_is_known_by_its_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    from src.processes.workers import is_worker

    assert not is_worker()
    monkeypatch.setenv("SERVER_SOFTWARE", "gunicorn/27.0.1")
    assert is_worker()


def test_a_process_is_alive_until_it_is_gone() -> None:
    process = multiprocessing.get_context("spawn").Process(target=os.getpid)
    process.start()
    assert process.pid is not None
    assert is_alive(os.getpid())
    process.join()
    assert not is_alive(process.pid)
    assert is_alive(1)  # somebody else's


def test_servers_that_preload_share_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --preload gunicorn's master asks for the folder, and masters may have one parent."""
    monkeypatch.setenv("SERVER_SOFTWARE", "gunicorn/27.0.1")
    script = (
        "from pathlib import Path; from src.processes import workers; "
        f"workers._MEMORY = Path({str(tmp_path)!r}); print(workers.shared_folder(), flush=True); input()"
    )
    masters = []
    for number in ("101", "202"):
        monkeypatch.setenv("VOZ_MASTER_PID", number)
        command = [sys.executable, "-c", script]
        pipe = subprocess.PIPE
        masters.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
    folders = [master.stdout.readline() for master in masters if master.stdout is not None]
    for master in masters:
        master.communicate("\n")
    assert len(set(folders)) == 2
    assert all(str(tmp_path) in folder for folder in folders)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_in_memory_where_there_is_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(workers, "_MEMORY", tmp_path)
    (tmp_path / "there").mkdir()
    assert workers._base("new") == tmp_path
    monkeypatch.setattr(workers, "_ENOUGH_BYTES", 2**60)
    assert workers._base("new") == tmp_path / "tmp"
    assert workers._base("there") == tmp_path, "the first worker has made it while there was room"
    monkeypatch.setattr(workers, "_MEMORY", tmp_path / "none")
    assert workers._base("new") == tmp_path / "tmp"
