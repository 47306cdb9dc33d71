"""What must be true before the service starts on Ray."""

from collections.abc import Sequence

from src.config import Settings
from src.errors import ConfigurationError


def check_access(settings: Settings) -> None:
    """Ray listens on every interface, and whoever reaches its ports can run any code.

    Raises:
        ConfigurationError: its token authentication is off, and CLUSTER_OPEN does not allow that.
    """
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    if not settings.cluster_open and not is_token_auth_enabled():
        raise ConfigurationError(
            "Ray's token authentication is off, and Ray listens on every interface: whoever reaches its "
            "ports runs any code on this machine. Set RAY_AUTH_MODE=token, and the same RAY_AUTH_TOKEN (or "
            "RAY_AUTH_TOKEN_PATH) on every machine, before `ray start`. CLUSTER_OPEN=true starts it anyway"
        )


def check_folders(settings: Settings, machines: Sequence[str]) -> None:
    """What is written on one machine must be found on the others.

    Args:
        settings: of this process.
        machines: host names of all nodes.

    Raises:
        ConfigurationError: the service has several machines, and files or jobs would be on one of them only.
    """
    count = len(set(machines))
    if count < 2:
        return
    if not settings.uses_s3 and not settings.cluster_shared_folders:
        raise ConfigurationError(
            f"{count} machines cannot share a local STORAGE_DIR: a link to a file works only on the machine "
            "that wrote it. Set STORAGE=s3 with S3_BUCKET_NAME; or, if STORAGE_DIR is a folder that all "
            "machines share (NFS), CLUSTER_SHARED_FOLDERS=true"
        )
    if settings.jobs_address.startswith("sqlite"):
        raise ConfigurationError(
            f"{count} machines cannot share an SQLite database of jobs: set JOBS_DATABASE_URL to a "
            "PostgreSQL database"
        )


def warnings(settings: Settings, machines: Sequence[str]) -> list[str]:
    """What works with several machines, but not as one may expect."""
    if len(set(machines)) < 2 or not settings.rate_limit or settings.rate_limit_storage:
        return []
    return [
        "RATE_LIMIT holds for each machine alone: RATE_LIMIT_STORAGE=redis://... counts over all machines"
    ]
