"""Keys, the choice of storage, and what is said when S3 refuses.

The client of S3 is imported by the tests that use it: it takes as long as all of them.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from src.composition import open_storage, s3_bucket
from src.config import Settings
from src.storage.keys import checked, is_key, new_key
from src.storage.local import LocalStorage


def test_keys_are_dated_and_unguessable() -> None:
    keys = {new_key("wav") for _ in range(1000)}
    assert len(keys) == 1000
    today = f"{datetime.now(UTC):%Y/%m/%d}"
    for key in keys:
        assert re.fullmatch(rf"{today}/[A-Za-z0-9_-]{{32}}\.wav", key)
        assert is_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", ".hidden", "a/.hidden",
        "a b", "a\\b", "a\n", "a\x00b", "á", "a?b", "a%2e", "~", "a" * 513, ".link-secret", "C:/a",
    ],
)  # fmt: skip
def test_what_is_no_key(key: str) -> None:
    assert not is_key(key)
    with pytest.raises(ValueError, match="not a storage key"):
        checked(key)


@given(st.text("aZ0-_./ \\%~\0"))
def test_no_key_leaves_its_folder(key: str) -> None:
    if is_key(key):
        assert not key.startswith("/")
        assert not any(segment.startswith(".") or not segment for segment in key.split("/"))


def test_the_choice(make_settings: Callable[..., Settings]) -> None:
    from src.core.s3_handler import S3Storage

    assert isinstance(open_storage(make_settings(storage="auto")), LocalStorage)
    assert isinstance(open_storage(make_settings(storage="auto", s3_bucket_name="b")), S3Storage)
    assert isinstance(open_storage(make_settings(storage="local", s3_bucket_name="b")), LocalStorage)


def refusal(code: str, region: str = "", status: int = 403, **error: str) -> ClientError:
    headers = {"x-amz-bucket-region": region} if region else {}
    metadata: Any = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    details: Any = {"Code": code, "Message": "secret AKIAEXAMPLE", **error}
    return ClientError({"Error": details, "ResponseMetadata": metadata}, "ListObjectsV2")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refusal("NoSuchBucket", status=404), "no such bucket"),
        (refusal("SignatureDoesNotMatch"), "secret key is wrong"),
        (refusal("InvalidAccessKeyId"), "access key does not exist"),
        (refusal("InvalidToken"), "session token"),
        (refusal("AccessDenied", region="eu-west-1"), "s3:PutObject"),
        (refusal("RequestTimeTooSkewed"), "clock"),
        (refusal("PermanentRedirect", region="eu-west-1", status=301), "Set AWS_REGION=eu-west-1"),
        (refusal("AuthorizationHeaderMalformed", Region="eu-west-1"), "Set AWS_REGION=eu-west-1"),
        (refusal("PermanentRedirect", region="<script>", status=301), "Correct AWS_REGION"),
        (refusal("Teapot"), "refused (Teapot)"),
        (NoCredentialsError(), "no credentials were found"),
        (EndpointConnectionError(endpoint_url="http://h/b?X-Amz-Signature=1"), "cannot be reached"),
        (ConnectionRefusedError(), "cannot be reached"),
        (ValueError("Invalid endpoint: x"), "S3_ENDPOINT_URL is not an address"),
    ],
)
def test_what_is_said_at_start(make_settings: Callable[..., Settings], error: Exception, words: str) -> None:
    from src.storage.s3_errors import startup_sentence

    settings = make_settings(s3_bucket_name="media", s3_endpoint_url="http://me:pass@store:9000")
    sentence = startup_sentence(error, s3_bucket(settings))
    assert words in sentence
    for hidden in ("AKIAEXAMPLE", "Signature=", "pass", "script"):
        assert hidden not in sentence
