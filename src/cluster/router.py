"""Chooses the replica for a row: the one whose queue is shortest in seconds of work.

Ray's own router compares numbers of requests. A row of 30 s is then as good as one of 1 s, and a replica may
get all of the long ones.

Of many replicas, two drawn at random are compared (M. Mitzenmacher, "The Power of Two Choices in Randomized
Load Balancing", 2001). If several HTTP processes compared all of them, each would send its rows to the same
few that had least to do when they reported last.

A process knows which rows it has sent itself. What others have sent, the replicas report about twice a second
(`ReplicaStatus.queued`), and `replicas.py` notes it in `known.py`.
"""

import random
from collections import deque
from typing import Any

from ray.serve.request_router import PendingRequest, ReplicaID, ReplicaResult, RequestRouter, RunningReplica

from src.cluster import known
from src.engines.remote import RowCall

_EARLY_ENDS = 64
"""Rows that ended before Ray said which replica took them, remembered until it does: a moment later."""
_CANDIDATES = 16
"""How many replicas are tried in turn. Those that have MAX_ONGOING_REQUESTS rows are passed over."""
_ALL_COMPARED = 4
"""So many replicas, or fewer, are all compared; of more, two."""


class ShortestQueue(RequestRouter):
    """See the module. Ray creates one for each deployment in every process that sends rows to it."""

    def initialize_state(self, **_: Any) -> None:
        self._sent: dict[str, tuple[str, float, str]] = {}
        """Replica, seconds and id of the request of each row that is on its way or being worked on, by id of
        the call. Both ids are Ray's."""
        self._seconds: dict[str, float] = {}
        """Seconds that this process has sent to each replica."""
        self._routed: set[str] = set()
        """The rows of `_sent` that a replica has accepted."""
        self._ended_early: deque[tuple[str, str]] = deque(maxlen=_EARLY_ENDS)

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """Ray tells which replicas there are now."""
        super().update_replicas(replicas)
        names = frozenset(replica.replica_id.unique_id for replica in replicas)
        known.note_running(self._deployment_id.name, names)

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """The best replicas for a row, each a rank of its own."""
        best = self._ordered(candidate_replicas)
        row = pending_request.args[0] if pending_request is not None and pending_request.args else None
        if best and pending_request is not None and isinstance(row, RowCall):
            if pending_request.future.done():  # it has found its replica, or its caller has left
                return [[replica] for replica in best]
            call = pending_request.metadata.internal_request_id
            # counted at once: two rows that are routed at the same time should not choose the same replica
            self._count(pending_request, best[0].replica_id.unique_id, row.seconds)
            pending_request.future.add_done_callback(
                lambda future: self._forget(call) if future.cancelled() else None
            )
        return [[replica] for replica in best]

    def on_request_routed(
        self, pending_request: PendingRequest, replica_id: ReplicaID, result: ReplicaResult
    ) -> None:
        """A replica has accepted a row: it need not be the first choice.

        A row that takes a millisecond may have ended before.
        """
        row = pending_request.args[0] if pending_request.args else None
        call, replica = pending_request.metadata.internal_request_id, replica_id.unique_id
        if (call, replica) in self._ended_early:
            self._forget(call)
        elif isinstance(row, RowCall):
            self._count(pending_request, replica, row.seconds)
            self._routed.add(call)

    def on_request_completed(self, replica_id: ReplicaID, internal_request_id: str) -> None:
        """A row has ended in this replica, in whatever way: a full one has refused it, for instance."""
        call, replica = internal_request_id, replica_id.unique_id
        if call not in self._routed:
            if call in self._sent:
                self._ended_early.append((call, replica))
            self._forget(call)
        elif self._sent[call][0] == replica:
            self._forget(call)

    def _ordered(self, replicas: list[RunningReplica]) -> list[RunningReplica]:
        """The replicas to try in turn."""
        if len(replicas) <= _ALL_COMPARED:
            return sorted(replicas, key=self._rank)
        alive = [
            replica for replica in replicas if not known.rank(replica.replica_id.unique_id)[0]
        ] or replicas
        drawn = random.sample(alive, min(_CANDIDATES, len(alive)))
        return sorted(drawn[:2], key=self._rank) + sorted(drawn[2:], key=self._rank)

    def _rank(self, replica: RunningReplica) -> tuple[bool, float, float]:
        name = replica.replica_id.unique_id
        silent, seconds = known.rank(name)
        return silent, self._seconds.get(name, 0.0) + seconds, random.random()

    def _count(self, request: PendingRequest, replica: str, seconds: float) -> None:
        call, request_id = request.metadata.internal_request_id, request.metadata.request_id
        self._forget(call)
        self._sent[call] = (replica, seconds, request_id)
        known.note_placed(request_id, replica)
        self._seconds[replica] = self._seconds.get(replica, 0.0) + seconds

    def _forget(self, call: str) -> None:
        self._routed.discard(call)
        replica, seconds, request_id = self._sent.pop(call, ("", 0.0, ""))
        known.note_placed(request_id, None)
        left = self._seconds.get(replica, 0.0) - seconds
        if left > 1e-6:
            self._seconds[replica] = left
        else:
            self._seconds.pop(replica, None)
