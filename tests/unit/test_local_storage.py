"""What only the local folder does; what both storages do is in integration/test_s3_storage.py."""

import asyncio
import errno
import os
import stat
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from src.errors import Forbidden, NotFound, StorageMisconfigured, StorageUnavailable
from src.storage.keys import new_key
from src.storage.local import LocalObject, LocalStorage

KEY = "2026/11/22/abc.wav"


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def follow(storage: LocalStorage, link: str) -> LocalObject:
    parts = urlsplit(link)
    query = parse_qs(parts.query, strict_parsing=True)
    [expires], [signature] = query["expires"], query["signature"]
    return await storage.open(parts.path.removeprefix("/files/"), int(expires), signature)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_link_leads_to_its_file(tmp_path: Path) -> None:
    async def main() -> None:
        async with LocalStorage(tmp_path) as storage:
            await storage.put(KEY, chunks(b"ab", b"", b"c"), "audio/wav")
            found = await follow(storage, await storage.url(KEY, 60))
            assert found == LocalObject(tmp_path / KEY, 3, "audio/wav")
            assert found.path.read_bytes() == b"abc"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("extension", "content_type"),
    [("wav", "audio/wav"), ("mp3", "audio/mpeg"), ("opus", "audio/ogg"), ("x", "application/octet-stream")],
)
def test_content_type(tmp_path: Path, extension: str, content_type: str) -> None:
    async def main() -> None:
        async with LocalStorage(tmp_path) as storage:
            key = new_key(extension)
            await storage.put(key, chunks(b"x"), content_type)
            assert (await follow(storage, await storage.url(key, 60))).content_type == content_type

    asyncio.run(main())


def test_a_link_that_was_altered(tmp_path: Path) -> None:
    """Every character of the signature counts, its last one too, and so do the key and the time."""

    async def main() -> None:
        async with LocalStorage(tmp_path) as storage:
            for key in (KEY, "other.wav"):
                await storage.put(key, chunks(b"x"), "audio/wav")
            link = await storage.url(KEY, 60)
            await follow(storage, link)
            path, _, signature = link.rpartition("=")
            forged = [
                f"{path}={signature[:place]}{other}{signature[place + 1 :]}"
                for place, letter in enumerate(signature)
                for other in "ABé"
                if other != letter
            ]
            forged += [
                link + "A",
                link[:-1],
                path + "=%00",
                link.replace(KEY, "other.wav"),
                link.replace("expires=", "expires=9"),
            ]
            for bad in forged:
                with pytest.raises(Forbidden, match="altered"):
                    await follow(storage, bad)

    asyncio.run(main())


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", ".link-secret", "a/../../outside", "a\x00", ""])
def test_no_link_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    async def main() -> None:
        (tmp_path / "outside").write_text("secret")
        async with LocalStorage(tmp_path / "storage") as storage:
            with pytest.raises(ValueError, match="not a storage key"):
                await storage.url(key, 60)
            deadline = int(time.time()) + 60
            right = storage._signature(key, deadline)  # even if somebody got one signed
            with pytest.raises(Forbidden):
                await storage.open(key, deadline, right)
            for forbidden in (
                storage.put(key, chunks(b"x"), "audio/wav"),
                storage.get(key),
                storage.delete(key),
            ):
                with pytest.raises(ValueError, match="not a storage key"):
                    await forbidden

    asyncio.run(main())


def test_a_link_expires_and_a_deleted_file_is_gone(tmp_path: Path) -> None:
    async def main() -> None:
        async with LocalStorage(tmp_path) as storage:
            await storage.put(KEY, chunks(b"x"), "audio/wav")
            with pytest.raises(Forbidden, match="expired"):
                await follow(storage, await storage.url(KEY, 0))
            link = await storage.url(KEY, 60)
            await storage.delete(KEY)
            with pytest.raises(NotFound):
                await follow(storage, link)

    asyncio.run(main())


def test_workers_share_one_secret(tmp_path: Path) -> None:
    async def one(_: int) -> str:
        async with LocalStorage(tmp_path) as storage:
            return storage._signature(KEY, 1)

    with ThreadPoolExecutor(16) as pool:  # each with its own file descriptors, as processes have
        signatures = set(pool.map(lambda n: asyncio.run(one(n)), range(64)))
    assert len(signatures) == 1
    assert stat.S_IMODE((tmp_path / ".link-secret").stat().st_mode) == 0o600
    assert files(tmp_path) == [".link-secret"]


def test_another_folder_has_another_secret(tmp_path: Path) -> None:
    async def main() -> None:
        async with LocalStorage(tmp_path / "a") as a, LocalStorage(tmp_path / "b") as b:
            assert a._signature(KEY, 1) != b._signature(KEY, 1)

    asyncio.run(main())


def test_what_a_crash_left_is_cleaned_but_not_what_is_being_written(tmp_path: Path) -> None:
    async def main() -> None:
        incoming = tmp_path / ".incoming"
        incoming.mkdir()
        (incoming / "old").write_bytes(b"x")
        (incoming / "new").write_bytes(b"x")
        os.utime(incoming / "old", (0, time.time() - 2 * 86_400))
        async with LocalStorage(tmp_path):
            assert [path.name for path in incoming.iterdir()] == ["new"]

    asyncio.run(main())


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`/dev/full` answers each write as a full disk does."""

    async def main() -> None:
        async with LocalStorage(tmp_path) as storage:
            path = tmp_path / "file"
            path.write_bytes(b"")
            monkeypatch.setattr(
                "tempfile.mkstemp", lambda **_: (os.open("/dev/full", os.O_WRONLY), str(path))
            )
            with pytest.raises(StorageUnavailable, match="full") as caught:
                await storage.put(KEY, chunks(b"x"), "audio/wav")
            assert caught.value.retry_after == 60
            assert files(tmp_path) == [".link-secret"]

    asyncio.run(main())


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StorageMisconfigured, match=os.strerror(errno.ENOTDIR)):
            await LocalStorage(tmp_path / "file" / "storage").__aenter__()
        async with LocalStorage(tmp_path / "gone") as storage:
            (tmp_path / "gone" / ".incoming").rmdir()
            with pytest.raises(StorageUnavailable):
                await storage.check()
            with pytest.raises(StorageUnavailable):
                await storage.put(KEY, chunks(b"x"), "audio/wav")

    asyncio.run(main())


def test_a_damaged_secret(tmp_path: Path) -> None:
    async def main() -> None:
        tmp_path.joinpath(".link-secret").write_bytes(b"short")
        with pytest.raises(StorageMisconfigured, match=r"\.link-secret is damaged"):
            await LocalStorage(tmp_path).__aenter__()

    asyncio.run(main())


def test_cancelled_at_every_moment(tmp_path: Path) -> None:
    """Wherever a cancellation strikes, the file is there whole if `put` returned, and not at all if not."""

    async def main() -> None:
        async with LocalStorage(tmp_path) as storage:
            outcomes = set()
            for steps in range(60):
                key = new_key("wav")
                task = asyncio.create_task(storage.put(key, chunks(b"a" * 100_000, b"b"), "audio/wav"))
                for _ in range(steps):
                    await asyncio.sleep(0)
                await asyncio.sleep(steps / 20_000)
                task.cancel()
                [result] = await asyncio.gather(task, return_exceptions=True)
                outcomes.add(type(result))
                assert await storage.get(key) == (b"a" * 100_000 + b"b" if result == 100_001 else None)
                await storage.delete(key)
            assert asyncio.CancelledError in outcomes
            assert files(tmp_path) == [".link-secret"]

    asyncio.run(main())
