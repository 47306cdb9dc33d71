"""Samples of metrics as plain data, so that the metrics of one process can be shown by another.

`prometheus_client` must not be imported here: metrics.py has to choose its mode first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its samples."""

    name: str
    documentation: str
    kind: str
    """`counter`, `gauge` or `histogram`."""
    samples: tuple[tuple[str, Mapping[str, str], float], ...]
    """Name, labels and value of each sample."""


def families(collector: "Collector", names: Iterable[str]) -> tuple[Family, ...]:
    """The metrics of `collector` that have one of `names`, without those that have no samples."""
    wanted = frozenset(names)
    return tuple(
        Family(
            metric.name,
            metric.documentation,
            metric.type,
            tuple((sample.name, dict(sample.labels), sample.value) for sample in metric.samples),
        )
        for metric in collector.collect()
        if metric.name in wanted and metric.samples
    )


class Merged:
    """The metrics of a collector together with those of other processes.

    Args:
        own: collector of this process's metrics.
        others: metrics of other processes, by the name of the process. It becomes the label `replica`.
    """

    def __init__(self, own: "Collector", others: Callable[[], Mapping[str, Sequence[Family]]]) -> None:
        self._own = own
        self._others = others

    def collect(self) -> "Iterator[Metric]":
        """Each metric once, with the samples of every process."""
        from prometheus_client.metrics_core import Metric

        found = {metric.name: metric for metric in self._own.collect()}
        for replica, theirs in self._others().items():
            for family in theirs:
                metric = found.setdefault(family.name, Metric(family.name, family.documentation, family.kind))
                for name, labels, value in family.samples:
                    metric.add_sample(name, {**labels, "replica": replica}, value)
        yield from found.values()
