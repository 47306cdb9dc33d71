"""Describes errors of S3 in plain sentences, without anything of the request (keys, signatures)."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from src.errors import StorageUnavailable


@dataclass(frozen=True, slots=True)
class S3Bucket:
    """A bucket with its address and credentials."""

    name: str
    region: str
    """The bucket's own region, e.g. `eu-west-1`."""
    prefix: str = ""
    """Prefix of every key; empty, or ends with `/`."""
    endpoint_url: str = ""
    """Address of an S3-compatible store; empty: AWS."""
    access_key_id: str | None = field(default=None, repr=False)
    """Access key id; None: the instance role, or another source that boto knows."""
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    """Session token of temporary credentials."""


S3_ERRORS = (BotoCoreError, ClientError, aiohttp.ClientError, OSError)
"""Every exception of a call when S3 or the network fails (a TimeoutError is an OSError)."""

_MISSING = {"NoSuchKey", "NoSuchUpload", "NotFound", "404"}
_OTHER_REGION = {
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "TemporaryRedirect",
    "301",
    "307",
    "400",
}
_BAD_CREDENTIALS = {
    "SignatureDoesNotMatch": "the secret key is wrong, or the access key does not exist",
    "InvalidAccessKeyId": "the access key does not exist",
    "InvalidToken": "they belong with a session token, which is missing or wrong",
    "ExpiredToken": "they have expired",
}


@asynccontextmanager
async def answering(seconds: float) -> AsyncIterator[None]:
    """Limit the time of a call to S3, and turn its errors into StorageUnavailable."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except S3_ERRORS as error:
        raise StorageUnavailable(_runtime_sentence(error)) from error


def is_missing(error: ClientError) -> bool:
    return _code(error) in _MISSING


def startup_sentence(error: Exception, bucket: S3Bucket) -> str:  # noqa: PLR0911 (a case a line)
    """Why the bucket cannot be used, and what to do about it."""
    where = f"S3 bucket {bucket.name!r} at {_address(bucket.endpoint_url) or 'AWS'}"
    if isinstance(error, ClientError):
        return f"{where}: {_refusal(error, bucket.region)}"
    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        return (
            f"{where}: no credentials were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run "
            "where an instance role gives them"
        )
    if isinstance(error, InvalidRegionError):
        return f"AWS_REGION={bucket.region!r} is not the name of a region"
    if isinstance(error, ParamValidationError):
        return f"S3_BUCKET_NAME={bucket.name!r} is not the name of a bucket"
    if isinstance(error, SSLError):
        return f"{where}: its TLS certificate is not trusted. Is S3_ENDPOINT_URL right?"
    if isinstance(error, HTTPClientError | BotoConnectionError | aiohttp.ClientError | OSError):
        return f"{where} cannot be reached. Check S3_ENDPOINT_URL, AWS_REGION and the network"
    if isinstance(error, ValueError):
        return "S3_ENDPOINT_URL is not an address: it looks like https://host or http://host:port"
    return f"{where} cannot be used: {type(error).__name__}"


def _refusal(error: ClientError, configured: str) -> str:  # noqa: PLR0911 (the same)
    code = _code(error)
    if code == "NoSuchBucket" or code in _MISSING:
        return "there is no such bucket. Make it, or correct S3_BUCKET_NAME"
    if code in _BAD_CREDENTIALS:
        return (
            f"the credentials are refused: {_BAD_CREDENTIALS[code]}. Check AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
    if code in _OTHER_REGION:
        region = _region(error)
        if region and region != configured:
            return f"it is in the region {region}, not in {configured}. Set AWS_REGION={region}"
        return f"it is not in the region {configured}. Correct AWS_REGION"
    if code == "RequestTimeTooSkewed":
        return "the request is refused because the clock of this machine is wrong"
    if code in {"AccessDenied", "AllAccessDisabled", "403"}:
        return (
            "access is refused. The credentials need s3:ListBucket on the bucket, and s3:PutObject, "
            "s3:GetObject, s3:DeleteObject and s3:AbortMultipartUpload on its objects"
        )
    return f"the request is refused ({code})"


def _runtime_sentence(error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"S3 refused ({_code(error)})"
    if isinstance(error, ReadTimeoutError | TimeoutError):
        return "S3 did not answer in time"
    if isinstance(error, HTTPClientError | BotoConnectionError | aiohttp.ClientError | OSError):
        return "S3 cannot be reached"
    return f"S3 cannot be used ({type(error).__name__})"


def _code(error: ClientError) -> str:
    """S3's name of the error, or the status if S3 sent no body (as for HEAD)."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _region(error: ClientError) -> str:
    """The bucket's region, if the response names it."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = str(headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region") or "")
    return region if re.fullmatch(r"[a-z0-9-]{1,40}", region) else ""


def _address(url: str) -> str:
    """`url` without a user name and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
