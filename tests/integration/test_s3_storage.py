"""Storage against a real S3 server. What both storages promise is tested on both."""

import asyncio
import logging
import re
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from src.composition import open_storage
from src.composition import s3_bucket as bucket_of
from src.config import Settings
from src.core.s3_handler import PART_BYTES, S3Storage
from src.errors import NotFound, StorageMisconfigured, StorageUnavailable
from src.observability.telemetry import configure_logging
from src.storage.base import Storage
from src.storage.keys import new_key
from tests.support.s3 import S3Bucket

pytestmark = pytest.mark.s3
MakeSettings = Callable[..., Settings]


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def many(count: int, size: int = 256 * 1024) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number % 256]) * size


def fetch(url: str, method: str = "GET") -> httpx.Response:
    """As anybody would: no credentials, no S3 library."""
    with httpx.Client(trust_env=False) as client:
        return client.request(method, url)


# --- both storages ---------------------------------------------------------------------------------------


@pytest.fixture(params=["local", "s3"])
def settings(request: pytest.FixtureRequest, make_settings: MakeSettings) -> Settings:
    if request.param == "local":
        return make_settings(storage="local")
    bucket: S3Bucket = request.getfixturevalue("s3_bucket")
    return make_settings(**bucket.settings(s3_prefix="dev"))


def test_put_get_delete(settings: Settings) -> None:
    async def main() -> None:
        async with open_storage(settings) as storage:
            await storage.check()
            key = new_key("wav")
            assert await storage.get(key) is None
            assert await storage.put(key, chunks(b"one ", b"", b"two"), "audio/wav") == 7
            assert await storage.get(key) == b"one two"
            assert await storage.put(key, chunks(b"three"), "audio/wav") == 5
            assert await storage.get(key) == b"three"
            assert await storage.put(key, chunks(), "audio/wav") == 0
            assert await storage.get(key) == b""
            await storage.delete(key)
            await storage.delete(key)
            assert await storage.get(key) is None

    asyncio.run(main())


def test_an_object_is_read_piece_by_piece(settings: Settings) -> None:
    async def main() -> None:
        async with open_storage(settings) as storage:
            key = new_key("wav")
            with pytest.raises(NotFound):
                await anext(storage.read(key))
            size = await storage.put(key, many(40), "audio/wav")
            pieces = [piece async for piece in storage.read(key)]
            assert b"".join(pieces) == b"".join([piece async for piece in many(40)])
            assert len(pieces) > 1
            assert sum(map(len, pieces)) == size
            async with aclosing(storage.read(key)) as left:
                # how large a piece is depends on what has arrived
                first = await anext(left)
                assert b"".join(pieces).startswith(first), "whoever leaves early leaves nothing open"
            await storage.delete(key)

    asyncio.run(main())


def test_a_source_that_fails_leaves_what_was_there(settings: Settings) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"new"
        raise RuntimeError("the engine failed")

    async def main() -> None:
        async with open_storage(settings) as storage:
            for key in ("kept.wav", "absent.wav"):
                if key == "kept.wav":
                    await storage.put(key, chunks(b"old"), "audio/wav")
                with pytest.raises(RuntimeError, match="the engine failed"):
                    await storage.put(key, failing(), "audio/wav")
            assert await storage.get("kept.wav") == b"old"
            assert await storage.get("absent.wav") is None

    asyncio.run(main())


def test_an_error_of_the_source_is_not_blamed_on_storage(settings: Settings) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"new"
        raise TimeoutError

    async def main() -> None:
        async with open_storage(settings) as storage:
            with pytest.raises(TimeoutError):
                await storage.put(new_key("wav"), failing(), "audio/wav")

    asyncio.run(main())


def test_many_at_once(settings: Settings) -> None:
    async def one(storage: Storage, number: int) -> None:
        key = new_key("wav")
        await storage.put(key, chunks(*[bytes([number])] * 1000), "audio/wav")
        assert await storage.get(key) == bytes([number]) * 1000

    async def main() -> None:
        async with open_storage(settings) as storage:
            await asyncio.gather(*(one(storage, number) for number in range(40)))

    asyncio.run(main())


def test_a_cancelled_put_leaves_nothing(settings: Settings) -> None:
    """Wherever it strikes: before, during and after the one request that stores the object."""

    async def main() -> None:
        async with open_storage(settings) as storage:
            for moment in range(0, 40, 2):
                key = new_key("wav")
                task = asyncio.create_task(storage.put(key, chunks(b"a" * 100_000), "audio/wav"))
                await asyncio.sleep(moment / 1000)
                task.cancel()
                [result] = await asyncio.gather(task, return_exceptions=True)
                found = await storage.get(key)
                assert (
                    found is None
                    if isinstance(result, asyncio.CancelledError)
                    else len(found or b"") == result
                )

    asyncio.run(main())


# --- links -----------------------------------------------------------------------------------------------


def test_a_presigned_link(s3_bucket: S3Bucket, make_settings: MakeSettings) -> None:
    async def main() -> tuple[str, str, str]:
        async with open_storage(make_settings(**s3_bucket.settings(s3_prefix="dev"))) as storage:
            key, other = new_key("flac"), new_key("flac")
            await storage.put(key, chunks(b"abc"), "audio/flac")
            await storage.put(other, chunks(b"other"), "audio/flac")
            return key, other, await storage.url(key, 60)

    key, other, url = asyncio.run(main())
    assert set(s3_bucket.keys()) == {f"dev/{key}", f"dev/{other}"}
    assert urlsplit(url).path == f"/{s3_bucket.name}/dev/{key}"
    assert parse_qs(urlsplit(url).query)["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    answer = fetch(url)
    assert (answer.status_code, answer.content) == (200, b"abc")
    assert answer.headers["content-type"] == "audio/flac"

    signature = parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]
    flipped = ("1" if signature[0] == "0" else "0") + signature[1:]
    assert fetch(url.replace(signature, flipped)).status_code == 403
    assert fetch(url.replace(key, other)).status_code == 403
    assert fetch(url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")).status_code == 403
    assert fetch(url, "DELETE").status_code == 403
    # not signed at all; Swift takes that for a request of its own API and refuses it as a bad one
    assert fetch(url.partition("?")[0]).status_code in {400, 401, 403}
    assert fetch(url).status_code == 200


def test_a_presigned_link_expires(s3_bucket: S3Bucket, make_settings: MakeSettings) -> None:
    async def main() -> str:
        async with open_storage(make_settings(**s3_bucket.settings())) as storage:
            await storage.put("a.wav", chunks(b"abc"), "audio/wav")
            return await storage.url("a.wav", 2)

    url = asyncio.run(main())
    assert fetch(url).status_code == 200
    time.sleep(2.1)
    assert fetch(url).status_code == 403


@pytest.mark.parametrize(
    ("region", "bucket", "address"),
    [
        ("us-east-1", "media", "media.s3.us-east-1.amazonaws.com"),
        ("eu-west-1", "media", "media.s3.eu-west-1.amazonaws.com"),
    ],
)
def test_links_to_aws_name_bucket_and_region(
    make_settings: MakeSettings, region: str, bucket: str, address: str
) -> None:
    """Else AWS would answer the first request for a new bucket's object with a redirect."""
    from src.core.s3_handler import _client

    async def main() -> str:
        settings = make_settings(
            storage="s3",
            s3_bucket_name=bucket,
            aws_region=region,
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        async with _client(bucket_of(settings)) as client:
            link: str = await client.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": "a.wav"}
            )
            return link

    url = urlsplit(asyncio.run(main()))
    assert (url.scheme, url.netloc, url.path) == ("https", address, "/a.wav")
    assert f"/{region}/s3/aws4_request" in parse_qs(url.query)["X-Amz-Credential"][0]


# --- long audio, in parts --------------------------------------------------------------------------------


def test_long_audio_goes_up_in_parts_in_bounded_memory(
    s3_bucket: S3Bucket, make_settings: MakeSettings
) -> None:
    count = 81  # 20.25 MiB: two parts and a rest

    async def main() -> str:
        async with open_storage(make_settings(**s3_bucket.settings())) as storage:
            await storage.put("warm.wav", chunks(b"x" * 100), "audio/wav")
            tracemalloc.start()
            try:
                assert await storage.put("long.wav", many(count), "audio/wav") == count * 256 * 1024
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert peak < 1.5 * PART_BYTES
            return await storage.url("long.wav", 60)

    answer = fetch(asyncio.run(main()))
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.content == b"".join(bytes([number]) * 256 * 1024 for number in range(count))
    assert s3_bucket.uploads() == []


@pytest.mark.parametrize("after", [PART_BYTES - 1, PART_BYTES, PART_BYTES + 1])
def test_sizes_around_one_part(s3_bucket: S3Bucket, make_settings: MakeSettings, after: int) -> None:
    async def main() -> None:
        async with open_storage(make_settings(**s3_bucket.settings())) as storage:
            content = b"ab" * (after // 2) + b"c" * (after % 2)
            assert await storage.put("a.wav", chunks(content), "audio/wav") == after
            assert await storage.get("a.wav") == content
        assert s3_bucket.uploads() == []

    asyncio.run(main())


def test_a_source_that_fails_midway_leaves_nothing(s3_bucket: S3Bucket, make_settings: MakeSettings) -> None:
    async def failing() -> AsyncIterator[bytes]:
        async for chunk in many(40):
            yield chunk
        assert s3_bucket.uploads() == ["a.wav"]
        raise RuntimeError("the engine failed")

    async def main() -> None:
        async with open_storage(make_settings(**s3_bucket.settings())) as storage:
            with pytest.raises(RuntimeError, match="the engine failed"):
                await storage.put("a.wav", failing(), "audio/wav")
            assert (s3_bucket.keys(), s3_bucket.uploads()) == ([], [])

    asyncio.run(main())


def test_a_long_put_cancelled_at_any_moment_leaves_nothing(
    s3_bucket: S3Bucket, make_settings: MakeSettings
) -> None:
    async def main() -> None:
        async with open_storage(make_settings(**s3_bucket.settings())) as storage:
            for moment in (0, 10, 20, 40, 60, 80, 120, 160):
                task = asyncio.create_task(storage.put("a.wav", many(33), "audio/wav"))
                await asyncio.sleep(moment / 1000)
                task.cancel()
                [result] = await asyncio.gather(task, return_exceptions=True)
                if not isinstance(result, asyncio.CancelledError):
                    assert result == 33 * 256 * 1024
                    await storage.delete("a.wav")
                assert (s3_bucket.keys(), s3_bucket.uploads()) == ([], [])

    asyncio.run(main())


# --- a server that fails ---------------------------------------------------------------------------------


@pytest.fixture
def restarted(s3_bucket: S3Bucket) -> Iterator[S3Bucket]:
    """A bucket whose server the test may stop."""
    try:
        yield s3_bucket
    finally:
        s3_bucket.server.stop()
        s3_bucket.server.start()


async def taken_back(storage: S3Storage) -> None:
    """Wait until the storage, in the background, has cleaned up behind its failed uploads."""
    async with asyncio.timeout(60):
        while storage._undoing:
            await asyncio.wait(storage._undoing)


def test_a_server_that_stops_in_mid_upload(restarted: S3Bucket, make_settings: MakeSettings) -> None:
    async def interrupted() -> AsyncIterator[bytes]:
        async for chunk in many(40):
            yield chunk
        assert restarted.uploads() == ["a.wav"]
        restarted.server.stop()
        async for chunk in many(40):
            yield chunk

    async def main() -> None:
        async with S3Storage(bucket_of(make_settings(**restarted.settings()))) as storage:
            await storage.put("old.wav", chunks(b"old"), "audio/wav")
            async with asyncio.timeout(30):
                with pytest.raises(StorageUnavailable, match="cannot be reached") as caught:
                    await storage.put("a.wav", interrupted(), "audio/wav")
                assert caught.value.retry_after > 0
                with pytest.raises(StorageUnavailable):
                    await storage.put("old.wav", chunks(b"new"), "audio/wav")
                with pytest.raises(StorageUnavailable):
                    await storage.check()
            await asyncio.to_thread(restarted.server.start)
            await storage.check()
            await taken_back(storage)
            assert (restarted.keys(), restarted.uploads()) == (["old.wav"], [])
            assert await storage.get("old.wav") == b"old"
            assert await storage.put("a.wav", chunks(b"works again"), "audio/wav") == 11

    asyncio.run(main())


def test_a_server_that_hangs(
    restarted: S3Bucket, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts the connection and never answers: every call is bounded in time."""

    async def main() -> None:
        async with S3Storage(bucket_of(make_settings(**restarted.settings()))) as storage:
            # only now: the start makes real calls, which a busy machine may need longer for
            monkeypatch.setattr("src.core.s3_handler._CALL_SECONDS", 1.0)
            monkeypatch.setattr("src.core.s3_handler._CHECK_SECONDS", 0.5)
            restarted.server.pause()
            try:
                async with asyncio.timeout(30):
                    with pytest.raises(StorageUnavailable, match="did not answer in time"):
                        await storage.check()
                    for count in (1, 40):  # one request, and several
                        with pytest.raises(StorageUnavailable, match="did not answer in time"):
                            await storage.put("a.wav", many(count), "audio/wav")
            finally:
                restarted.server.resume()
            monkeypatch.undo()
            await taken_back(storage)
            assert (restarted.keys(), restarted.uploads()) == ([], [])

    asyncio.run(main())


# --- at start --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"s3_bucket_name": "voz-absent"}, "there is no such bucket"),
        ({"s3_bucket_name": "No Bucket"}, "is not the name of a bucket"),
        ({"aws_secret_access_key": "not-the-secret-key"}, "the secret key is wrong"),
        ({"aws_access_key_id": "nobody:here"}, "the credentials are refused"),
        ({"aws_region": "eu-west-1"}, "Set AWS_REGION=us-east-1"),
        ({"aws_region": "Nowhere!"}, "is not the name of a region"),
        ({"s3_endpoint_url": "http://127.0.0.1:9"}, "cannot be reached"),
        ({"s3_endpoint_url": "localhost:9000"}, "S3_ENDPOINT_URL is not an address"),
        ({"aws_access_key_id": None, "aws_secret_access_key": None}, "no credentials were found"),
    ],
)
def test_what_is_wrong_is_said_at_start(
    s3_bucket: S3Bucket,
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    wrong: dict[str, str | None],
    words: str,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")

    async def main() -> None:
        with pytest.raises(StorageMisconfigured) as caught:
            await open_storage(make_settings(**s3_bucket.settings(**wrong))).__aenter__()
        assert words in str(caught.value)
        for secret in (s3_bucket.server.secret_key, "not-the-secret-key", "Signature="):
            assert secret not in str(caught.value)

    asyncio.run(main())


def test_the_check_at_start_leaves_nothing(s3_bucket: S3Bucket, make_settings: MakeSettings) -> None:
    async def main() -> None:
        async with open_storage(make_settings(**s3_bucket.settings())):
            assert (s3_bucket.keys(), s3_bucket.uploads()) == ([], [])

    asyncio.run(main())


def test_credentials_of_the_machine_are_used_when_none_are_set(
    s3_bucket: S3Bucket, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_bucket.server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_bucket.server.secret_key)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)

    async def main() -> None:
        none = {"aws_access_key_id": None, "aws_secret_access_key": None}
        async with open_storage(make_settings(**s3_bucket.settings(**none))) as storage:
            await storage.put("a.wav", chunks(b"abc"), "audio/wav")
            url = await storage.url("a.wav", 60)
            assert (await asyncio.to_thread(fetch, url)).content == b"abc"

    asyncio.run(main())


# --- logs ------------------------------------------------------------------------------------------------


@contextmanager
def logging_as_the_server_does() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("DEBUG", as_json=False)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def use_everything(bucket: S3Bucket, make_settings: MakeSettings) -> str:
    async def main() -> str:
        async with open_storage(make_settings(**bucket.settings())) as storage:
            await storage.put("a.wav", chunks(b"abc"), "audio/wav")
            await storage.put("b.wav", many(33), "audio/wav")
            await storage.get("a.wav")
            await storage.delete("a.wav")
            logging.getLogger("src.test").debug("a line")
            return await storage.url("b.wav", 60)

    return asyncio.run(main())


def test_no_key_and_no_signature_in_the_log(
    s3_bucket: S3Bucket, make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_as_the_server_does():
        url = use_everything(s3_bucket, make_settings)
    text = capsys.readouterr().err
    assert "a line" in text
    assert s3_bucket.server.secret_key not in text
    assert s3_bucket.server.access_key not in text
    assert parse_qs(urlsplit(url).query)["X-Amz-Signature"][0] not in text
    assert not re.search(r"(?i)signature", text)


def test_the_secret_key_is_not_even_in_what_botocore_could_say(
    s3_bucket: S3Bucket, make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "botocore", "aiobotocore", "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    use_everything(s3_bucket, make_settings)
    assert "botocore" in caplog.text
    assert s3_bucket.server.secret_key not in caplog.text
