"""What this process knows of the replicas: written by `replicas.py` and `router.py`, read by both.

Ray sends the class of `router.py` to other processes by value, with a copy of every variable of that module
that its methods use. A module is sent by its name. So what the router shares with the rest of its process
stands here, and `router.py` imports this module, never names of it.
"""

_from_others: dict[str, float] = {}
"""Seconds of work that other processes have sent to each replica."""
_silent: set[str] = set()
_running: dict[str, frozenset[str]] = {}
"""The replicas that get rows, by deployment. One that is being stopped is not among them."""
_placed: dict[str, str] = {}
"""The replica of each row, by Ray's id of the request."""


def note_status(queued: dict[str, float], gone: set[str], silent: set[str]) -> None:
    """Note what the replicas of a deployment have reported.

    Args:
        queued: seconds of work that other processes have sent, by replica that has answered.
        gone: replicas that are there no longer.
        silent: replicas that should have answered. They get rows only if there is no other.
    """
    _from_others.update(queued)
    _silent.difference_update(queued, gone)
    _silent.update(silent)
    for replica in gone:
        _from_others.pop(replica, None)


def note_running(deployment: str, replicas: frozenset[str]) -> None:
    """Note which replicas get rows."""
    _running[deployment] = replicas


def note_placed(request_id: str, replica: str | None) -> None:
    """Note the replica of a row; None where it has ended."""
    if replica is None:
        _placed.pop(request_id, None)
    else:
        _placed[request_id] = replica


def running_replicas(deployment: str) -> frozenset[str]:
    """The replicas of a deployment that get rows."""
    return _running.get(deployment, frozenset())


def replica_of(request_id: str) -> str | None:
    """The replica that a row has been sent to, or is about to be; None if it has ended.

    Args:
        request_id: Ray's (`DeploymentResponse.request_id`).
    """
    return _placed.get(request_id)


def rank(replica: str) -> tuple[bool, float]:
    """Whether a replica is silent, and the seconds of work that others have sent to it."""
    return replica in _silent, _from_others.get(replica, 0.0)
