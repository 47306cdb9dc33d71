"""A discrete-event simulation of the service on several machines.

A request passes an HTTP process (one at a time, for what it costs there), then the limits store, then goes
to the replica with the least work that the HTTP process knows of: of all, or of two drawn at random if
there are many (`src/cluster/router.py`). It knows what it has sent itself. What others have sent, it learns
twice a second. A replica works on its rows at the same time: all of them share the speed that it has with
so many rows.
"""

import heapq
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import simpy

REPORT_INTERVAL = 0.5
"""Seconds between two reports of the replicas' work to the HTTP processes."""
ALL_COMPARED = 4
"""So many replicas, or fewer, are all compared, as in `src/cluster/router.py`."""

_WARM_UP = 0.3
"""Share of the time that is not counted."""

Events = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Costs:
    """What was measured, or is assumed where the comment of `assumptions` says so."""

    speed: dict[int, float]
    """Seconds of audio that an engine transcribes in a second, by the number of its rows."""
    overhead: float
    """Seconds of a request outside engine and queues: from the socket to the row and back."""
    http: float
    """Seconds of CPU time of a request in the HTTP process."""
    handle: float
    """Seconds of a row's way to a replica and back; 0 in one process."""
    limits: float
    """Seconds of one operation of the limits store."""
    max_rows: int
    """Rows that an engine works on at the same time. Others wait."""
    max_queue: int
    """Rows that wait for each replica before callers get 503."""

    def speed_at(self, rows: int) -> float:
        """Interpolated between the measured numbers of rows."""
        known = sorted(self.speed)
        if rows <= known[0]:
            return self.speed[known[0]]
        for low, high in pairwise(known):
            if rows <= high:
                share = (rows - low) / (high - low)
                return self.speed[low] * (1 - share) + self.speed[high] * share
        return self.speed[known[-1]]

    def capacity(self) -> float:
        """Seconds of audio a second that one replica can do."""
        return self.speed_at(self.max_rows)


@dataclass
class Outcome:
    """What callers saw."""

    waits: list[float] = field(default_factory=list)
    """Seconds from request to answer, of those that were served."""
    refused: int = 0
    audio: float = 0.0
    """Seconds of audio in the answers."""
    seconds: float = 0.0
    """Simulated time."""
    http_busy: float = 0.0
    """Share of the time that HTTP processes worked."""
    limits_busy: float = 0.0
    """Share of the time that the limits store worked."""

    def percentile(self, share: float) -> float:
        return float(np.percentile(self.waits, share)) if self.waits else float("nan")


class Replica:
    """Rows that share an engine: the next one to end is the one with the least audio left."""

    def __init__(self, env: simpy.Environment, costs: Costs) -> None:
        self._env, self._costs = env, costs
        self._done = 0.0
        """Seconds of audio that each row in work since the start would have had done."""
        self._rows: list[tuple[float, int, simpy.Event]] = []
        self._waiting: deque[tuple[float, simpy.Event]] = deque()
        self._since, self._number, self._version = env.now, 0, 0
        self.work = 0.0
        """Seconds of audio here, whether in work or waiting."""

    def take(self, audio: float) -> simpy.Event:
        """A row of so many seconds of audio; the event is its end."""
        ended = self._env.event()
        self.work += audio
        if len(self._rows) < self._costs.max_rows:
            self._start(audio, ended)
        else:
            self._waiting.append((audio, ended))
        return ended

    def _start(self, audio: float, ended: simpy.Event) -> None:
        self._advance()
        self._number += 1
        heapq.heappush(self._rows, (self._done + audio, self._number, ended))
        self._await_next()

    def _rate(self) -> float:
        return self._costs.speed_at(len(self._rows)) / len(self._rows)

    def _advance(self) -> None:
        if self._rows:
            self._done += (self._env.now - self._since) * self._rate()
        self._since = self._env.now

    def _await_next(self) -> None:
        self._version += 1
        version = self._version
        if self._rows:
            left = max(self._rows[0][0] - self._done, 0.0) / self._rate()
            self._env.timeout(left).callbacks.append(lambda _: self._end(version))

    def _end(self, version: int) -> None:
        if version != self._version:  # the rows have changed since
            return
        self._advance()
        _, _, ended = heapq.heappop(self._rows)
        ended.succeed()
        if self._waiting:
            self._start(*self._waiting.popleft())
        else:
            self._await_next()


class Service:
    """HTTP processes, a limits store and replicas."""

    def __init__(self, costs: Costs, replicas: int, http_processes: int, seed: int = 1) -> None:
        self.env = simpy.Environment()
        self.outcome, self._since = Outcome(), 0.0
        self._costs, self._random = costs, np.random.default_rng(seed)
        self._replicas = [Replica(self.env, costs) for _ in range(replicas)]
        self._http = [simpy.Resource(self.env) for _ in range(http_processes)]
        self._limits = simpy.Resource(self.env)
        self._sent = np.zeros((http_processes, replicas))
        """Seconds of audio that each HTTP process has with each replica."""
        self._reported = np.zeros((http_processes, replicas))
        self._in_flight = 0
        if http_processes > 1:
            self.env.process(self._report())

    def _report(self) -> Events:
        while True:
            self._reported = self._sent.sum(axis=0) - self._sent
            yield self.env.timeout(REPORT_INTERVAL)

    def request(self, audio: float) -> Events:
        """One request with so many seconds of audio."""
        began, costs = self.env.now, self._costs
        number = int(self._random.integers(len(self._http)))
        with self._http[number].request() as turn:
            yield turn
            yield self.env.timeout(costs.http)
            self.outcome.http_busy += costs.http
        with self._limits.request() as turn:
            yield turn
            yield self.env.timeout(costs.limits)
            self.outcome.limits_busy += costs.limits
        if self._in_flight >= len(self._replicas) * (costs.max_rows + costs.max_queue):
            self.outcome.refused += 1
            return
        chosen = self._choose(number)
        self._sent[number, chosen] += audio
        self._in_flight += 1
        yield self.env.timeout(costs.handle)
        yield self._replicas[chosen].take(audio)
        self._in_flight -= 1
        self._sent[number, chosen] -= audio
        yield self.env.timeout(max(costs.overhead - costs.http, 0.0))
        self.outcome.waits.append(self.env.now - began)
        self.outcome.audio += audio

    def _choose(self, number: int) -> int:
        """The replica for a row of an HTTP process."""
        count = len(self._replicas)
        compared = np.arange(count) if count <= ALL_COMPARED else self._random.integers(count, size=2)
        known = self._sent[number, compared] + self._reported[number, compared]
        return int(self._random.choice(compared[known == known.min()]))

    def start_over(self) -> None:
        """Count from now on: the queues have filled."""
        self.outcome, self._since = Outcome(), self.env.now

    def finish(self) -> Outcome:
        """The outcome, with shares of the simulated time."""
        outcome = self.outcome
        outcome.seconds = self.env.now - self._since
        outcome.http_busy /= outcome.seconds * len(self._http)
        outcome.limits_busy /= outcome.seconds
        return outcome


def closed_loop(costs: Costs, replicas: int, lengths: list[float], callers: int, requests: int) -> Outcome:
    """Callers that each send a request when the last one is answered.

    Args:
        lengths: seconds of audio of the requests, drawn from at random.
        callers: how many.
        requests: how many are sent, by all of them together.
    """
    service = Service(costs, replicas, 1)
    drawn = iter(np.random.default_rng(2).choice(lengths, requests))

    def caller() -> Events:
        for audio in drawn:
            yield service.env.process(service.request(float(audio)))

    env = service.env
    env.run(until=env.all_of([env.process(caller()) for _ in range(callers)]))
    return service.finish()


def from_idle(costs: Costs, lengths: list[float], load: float, requests: int, seed: int) -> Outcome:
    """So many requests that come at random to one engine that has nothing to do; all of them are answered.

    Args:
        lengths: seconds of audio of the requests, drawn from at random.
        load: share of the engine's capacity.
        seed: another one is another draw.
    """
    service = Service(costs, 1, 1, seed)
    drawn = np.random.default_rng(seed)
    env, rate = service.env, load * costs.capacity() / float(np.mean(lengths))

    def source() -> Events:
        rows = []
        for audio in drawn.choice(lengths, requests):
            yield env.timeout(float(drawn.exponential(1 / rate)))
            rows.append(env.process(service.request(float(audio))))
        yield env.all_of(rows)

    env.run(until=env.process(source()))
    return service.finish()


def open_arrivals(
    costs: Costs, replicas: int, http_processes: int, lengths: list[float], load: float, requests: int
) -> Outcome:
    """Requests that come at random (Poisson), whether earlier ones are answered or not.

    Args:
        lengths: seconds of audio of the requests, drawn from at random.
        load: share of the replicas' capacity.
        requests: how many are sent.
    """
    service = Service(costs, replicas, http_processes)
    drawn = np.random.default_rng(2)
    rate = load * replicas * costs.capacity() / float(np.mean(lengths))

    def source() -> Events:
        for audio in drawn.choice(lengths, requests):
            service.env.process(service.request(float(audio)))
            yield service.env.timeout(float(drawn.exponential(1 / rate)))

    service.env.process(source())
    service.env.run(until=_WARM_UP * requests / rate)
    service.start_over()
    # not until all are answered: the end of an overload would look like spare capacity
    service.env.run(until=requests / rate)
    return service.finish()
