"""The environment of Ray's processes. Ray reads it when it is imported, so nothing here imports it."""

import os
import secrets

DEFAULTS = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # a node that hangs is taken for dead after 8 s; with Ray's own values (3 s, 10 s, 5) after a minute
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    # rows are sent from the loop that serves HTTP: half a millisecond less than by way of a loop of Ray's own
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    # a replica runs rows on the loop that receives them: 0.9 ms less than by way of another one in a thread
    # beside it. The work is done in the engine's thread anyway
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    # Serve's own lines are in its log files
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # rows that do not go by gRPC are a part of Ray's call up to 1 MB: quicker than by way of the object store
    "RAY_max_direct_call_object_size": "1048576",
    # the speech of a row that went by gRPC comes back the same way; gRPC's own limit of 4 MB is 43 s of it
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": "67108864",
}
"""Environment of every process on every machine. docs/scale.md and deploy/ray/kuberay.yaml repeat it."""


def secure_environment() -> None:
    """Set what is not set: token authentication, with a token for this run alone; no usage statistics."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
