"""Make the bucket of the local S3 store (compose profile `s3`): `python -m deploy.make_bucket`."""

import asyncio
import sys

from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from src.config import Settings, load_settings
from src.errors import ConfigurationError

ATTEMPTS = 30
"""Maximum number of seconds in which the store must start."""


async def make_bucket(settings: Settings, attempts: int = ATTEMPTS) -> None:
    """Make S3_BUCKET_NAME at S3_ENDPOINT_URL; it is no error if it is there.

    Raises:
        ClientError, BotoCoreError: the store refuses, or does not answer within `attempts` seconds.
    """
    region = settings.aws_region
    # S3 wants no name for its first region, and one for every other
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    key, secret = settings.aws_access_key_id, settings.aws_secret_access_key
    async with get_session().create_client(
        "s3",
        region_name=region,
        endpoint_url=settings.s3_endpoint_url,
        aws_access_key_id=key.get_secret_value() if key else None,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
    ) as client:
        for attempt in range(1, attempts + 1):
            try:
                await client.create_bucket(Bucket=settings.s3_bucket_name, **where)
                return
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in {
                    "BucketAlreadyOwnedByYou",
                    "BucketAlreadyExists",
                }:
                    return
                raise
            except BotoCoreError:
                if attempt == attempts:
                    raise
                await asyncio.sleep(1)


def main() -> int:
    try:
        settings = load_settings()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    if not (settings.s3_endpoint_url and settings.s3_bucket_name and settings.aws_access_key_id):
        sys.stderr.write(
            "The profile s3 needs in .env: S3_ENDPOINT_URL=http://s3.localhost:9000, S3_BUCKET_NAME, "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\n"
        )
        return 3
    try:
        asyncio.run(make_bucket(settings))
    except (ClientError, BotoCoreError) as error:
        sys.stderr.write(f"the bucket {settings.s3_bucket_name} could not be made: {error}\n")
        return 1
    sys.stdout.write(f"the bucket {settings.s3_bucket_name} is there\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
