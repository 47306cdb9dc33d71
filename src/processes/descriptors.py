"""The limit on open files, and the number of connections that it allows."""

import contextlib
import resource

_ENOUGH = 65_536
"""Number of open files that is enough for this server. Hard limits go up to a billion."""
_MACOS = 10_240
"""Number of open files that every macOS allows (its OPEN_MAX)."""
_MOST_CONNECTIONS = 16_384


def raise_descriptor_limit() -> None:
    """Raise the soft limit on open files as far as the system allows.

    The usual limit of 1024 is for programs that use `select`, which cannot count further; nothing here does.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft == resource.RLIM_INFINITY:
        return
    for wanted in (most, _MACOS):
        if soft < wanted <= most:
            # macOS says that there is no hard limit, and refuses more than it has
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                return


def connection_limit() -> int:
    """Maximum number of connections. A quarter of the open files is left for uploads and models."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(soft * 3 // 4, _MOST_CONNECTIONS)
