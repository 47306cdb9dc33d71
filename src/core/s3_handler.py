"""Storage in S3, or in a store that speaks its protocol (MinIO, Ceph, R2), through aiobotocore.

Short audio is one PUT; longer audio goes up in parts while it is still being spoken. A process that is
killed in mid-upload leaves parts behind, which are never visible but are paid for: let a lifecycle rule of
the bucket abort incomplete multipart uploads after a day.
"""

import asyncio
import io
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from src.errors import NotFound, StorageMisconfigured, StorageUnavailable
from src.storage.keys import checked, new_key
from src.storage.s3_errors import S3_ERRORS, S3Bucket, answering, is_missing, startup_sentence

log = logging.getLogger(__name__)

PART_BYTES = 8 * 1024 * 1024
"""Size of an upload's parts. S3 allows 10,000 parts of at least 5 MiB, so an object may have 78 GiB."""
_CALL_SECONDS = 60.0
"""Maximum number of seconds for one S3 request with its retries. A part needs 1.2 Mbit/s then."""
_CHECK_SECONDS = 3.0
_READ_BYTES = 2**20
_UNDO_WAIT_SECONDS = 5.0
_GRACE_SECONDS = 4.0
"""Seconds that a request to S3 may go on after its caller has left, so that its outcome is known."""
_UNDO_PAUSES = (0, 1, 2, 4, 8, 16, 30, *[60] * 60)
"""Seconds before each attempt to undo an upload: about an hour in all."""
_UNDO_LIMIT = 1000


class S3Storage:
    """One bucket, through one client for the life of the app."""

    name = "s3"

    def __init__(self, bucket: S3Bucket) -> None:
        self._configured = bucket
        self._bucket = bucket.name
        self._prefix = bucket.prefix
        self._opened = AsyncExitStack()
        self._client: Any = None
        self._undoing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            try:
                self._client = await stack.enter_async_context(_client(self._configured))
                self._client.meta.events.register("before-call.s3", _stay_in_region)
                async with asyncio.timeout(_CALL_SECONDS):
                    await self._try_out()
            except (*S3_ERRORS, ValueError) as error:
                raise StorageMisconfigured(startup_sentence(error, self._configured)) from error
            self._opened = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._undoing:
                await asyncio.wait(self._undoing, timeout=_UNDO_WAIT_SECONDS)
            for task in self._undoing:
                task.cancel()
            await asyncio.gather(*self._undoing, return_exceptions=True)
        finally:
            await self._opened.aclose()

    async def put(self, key: str, chunks: AsyncIterator[bytes], content_type: str) -> int:
        upload = _Upload(self._client, self._bucket, self._prefix + checked(key), content_type)
        try:
            return await upload.send(chunks)
        except StorageUnavailable:
            self._undo(upload)  # in the background: there is no use in waiting for a store that is down
            raise
        except BaseException:
            if (undo := self._undo(upload)) is not None:
                await asyncio.wait({undo}, timeout=_UNDO_WAIT_SECONDS)
            raise

    async def get(self, key: str) -> bytes | None:
        async with answering(_CALL_SECONDS):
            try:
                answer = await self._client.get_object(Bucket=self._bucket, Key=self._prefix + checked(key))
            except ClientError as error:
                if is_missing(error):
                    return None
                raise
            async with answer["Body"] as body:
                content: bytes = await body.read()
                return content

    async def read(self, key: str) -> AsyncGenerator[bytes, None]:
        async with answering(_CALL_SECONDS):
            try:
                answer = await self._client.get_object(Bucket=self._bucket, Key=self._prefix + checked(key))
            except ClientError as error:
                if is_missing(error):
                    raise NotFound("there is no such object in storage") from None
                raise
        body = answer["Body"]
        try:
            while True:
                async with answering(_CALL_SECONDS):
                    chunk: bytes = await body.read(_READ_BYTES)
                if not chunk:
                    return
                yield chunk
        finally:
            body.close()

    async def exists(self, key: str) -> bool:
        name = self._prefix + checked(key)
        async with answering(_CALL_SECONDS):
            # not head_object: some stores send a body with their 404, which spoils the connection
            found = await self._client.list_objects_v2(Bucket=self._bucket, Prefix=name, MaxKeys=1)
        return any(entry["Key"] == name for entry in found.get("Contents", ()))

    async def delete(self, key: str) -> None:
        async with answering(_CALL_SECONDS):
            await self._client.delete_object(Bucket=self._bucket, Key=self._prefix + checked(key))

    async def url(self, key: str, expires: int) -> str:
        """A presigned link, made without a request to S3.

        With the temporary credentials of an instance role the link stops working when they expire, hours from
        now, even if `expires` is longer.
        """
        async with answering(_CALL_SECONDS):  # an instance role may have to renew its credentials
            link: str = await self._client.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._bucket, "Key": self._prefix + checked(key)},
                ExpiresIn=expires,
            )
        return link

    async def check(self) -> None:
        async with answering(_CHECK_SECONDS):
            await self._client.head_bucket(Bucket=self._bucket)

    async def _try_out(self) -> None:
        """Check the rights to read and write, without leaving an object behind."""
        # not head_bucket: the answer to a HEAD has no body, so it would not say why
        await self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
        trial = {"Bucket": self._bucket, "Key": self._prefix + new_key("trial")}
        upload = await self._client.create_multipart_upload(**trial)
        await self._client.abort_multipart_upload(**trial, UploadId=upload["UploadId"])

    def _undo(self, upload: "_Upload") -> asyncio.Task[None] | None:
        """Delete what an upload may have left. Retries until S3 answers."""
        if not upload.may_have_left_something:
            return None
        if len(self._undoing) >= _UNDO_LIMIT:
            log.warning("what is left of an unfinished upload stays in the bucket: %s", upload.key)
            return None
        task = asyncio.create_task(_undo(upload))
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)
        return task


class _Upload:
    """The upload of one object."""

    def __init__(self, client: Any, bucket: str, key: str, content_type: str) -> None:
        self.key = key
        self.in_doubt = False
        """Whether the outcome of the last request is unknown, because S3 never answered."""
        self._client = client
        self._object = {"Bucket": bucket, "Key": key}
        self._mark = secrets.token_hex(8)  # by which we know our object from another under the same key
        self._description = {"ContentType": content_type, "Metadata": {"upload": self._mark}}
        self._request: asyncio.Task[Any] | None = None
        self._upload_id: str | None = None
        self._parts: list[dict[str, Any]] = []
        self._stored = False

    @property
    def may_have_left_something(self) -> bool:
        return self.in_doubt or self._stored or self._upload_id is not None

    async def send(self, chunks: AsyncIterator[bytes]) -> int:
        """Send the object and return its bytes. Memory holds one part and one chunk at most."""
        total = 0
        part = io.BytesIO()
        async for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                room = PART_BYTES - part.tell()
                part.write(rest[:room])
                rest = rest[room:]
                if part.tell() == PART_BYTES:
                    await self._send_part(part)
                    part = io.BytesIO()
            total += len(chunk)
        if self._upload_id is None:
            part.seek(0)
            await self._ask("put_object", **self._description, Body=part)
        else:
            if part.tell():
                await self._send_part(part)
            await self._ask(
                "complete_multipart_upload", UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )
        return total

    async def _send_part(self, body: io.BytesIO) -> None:
        if self._upload_id is None:
            await self._ask("create_multipart_upload", **self._description)
        number = len(self._parts) + 1
        body.seek(0)
        answer = await self._ask("upload_part", UploadId=self._upload_id, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    async def _ask(self, method: str, **arguments: Any) -> Any:
        """Send one request. A cancelled caller does not cut it off at once, so that its outcome is known."""
        self.in_doubt = True
        self._request = asyncio.create_task(self._carry_out(method, arguments))
        return await asyncio.shield(self._request)

    async def _carry_out(self, method: str, arguments: dict[str, Any]) -> Any:
        async with answering(_CALL_SECONDS):
            try:
                answer = await getattr(self._client, method)(**self._object, **arguments)
            except ClientError as error:
                # a second try to complete an upload finds it gone if the first one did it
                self.in_doubt = error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 or is_missing(
                    error
                )
                raise
        self.in_doubt = False
        self._stored = method in {"put_object", "complete_multipart_upload"}
        self._upload_id = answer.get("UploadId", self._upload_id)
        return answer

    async def take_back(self) -> None:
        """Delete everything of this upload from the bucket. It may be called again."""
        if self._request is not None and not self._request.done():
            try:
                await asyncio.wait({self._request}, timeout=_GRACE_SECONDS)
            finally:
                self._request.cancel()
            await asyncio.wait({self._request})
        async with answering(_CALL_SECONDS):
            if self.in_doubt or self._stored:
                await self._delete_if_ours()
            if not self._stored:
                for upload_id in [self._upload_id] if self._upload_id else await self._open_uploads():
                    with _missing_is_fine():
                        await self._client.abort_multipart_upload(**self._object, UploadId=upload_id)

    async def _delete_if_ours(self) -> None:
        with _missing_is_fine():
            # not head_object: Swift's 404 to a HEAD has a body, which spoils the connection
            found = await self._client.get_object(**self._object)
            found["Body"].close()
            if self._mark in found["Metadata"].values():
                await self._client.delete_object(**self._object)

    async def _open_uploads(self) -> list[str]:
        """Multipart uploads to our key, needed when S3 began one but its answer never came."""
        if not self.in_doubt:
            return []
        answer = await self._client.list_multipart_uploads(Bucket=self._object["Bucket"], Prefix=self.key)
        return [upload["UploadId"] for upload in answer.get("Uploads", ()) if upload["Key"] == self.key]


async def _undo(upload: _Upload) -> None:
    looks = 0
    try:
        for pause in _UNDO_PAUSES:
            await asyncio.sleep(pause)
            try:
                await upload.take_back()
            except StorageUnavailable as error:
                log.debug("could not take back %s yet: %s", upload.key, error)
                continue
            looks += 1
            if looks == 2 or not upload.in_doubt:  # S3 may still be at work when we first look
                return
    finally:
        if not looks:
            log.warning("what is left of an unfinished upload stays in the bucket: %s", upload.key)


@contextmanager
def _missing_is_fine() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if not is_missing(error):
            raise


def _client(bucket: S3Bucket) -> AbstractAsyncContextManager[Any]:
    config = AioConfig(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=20,
        max_pool_connections=64,
        retries={"mode": "standard", "total_max_attempts": 3},
        s3={
            "addressing_style": "path" if bucket.endpoint_url else "virtual",
            "us_east_1_regional_endpoint": "regional",
        },
        # plain signed bodies: many stores do not know the trailing checksums of today's AWS
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client: AbstractAsyncContextManager[Any] = get_session().create_client(
        "s3",
        region_name=bucket.region,
        endpoint_url=bucket.endpoint_url or None,
        aws_access_key_id=bucket.access_key_id,
        aws_secret_access_key=bucket.secret_access_key,
        aws_session_token=bucket.session_token,
        config=config,
    )
    return client


def _stay_in_region(context: dict[str, Any], **_: Any) -> None:
    """Keep botocore from following a bucket into another region.

    Each request and link would need two requests then. AWS_REGION is the better place to correct it.
    """
    context.get("s3_redirect", {})["redirected"] = True
