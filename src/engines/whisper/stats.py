"""Counters of the engine."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stats:
    """Counters since the start."""

    rows: int = 0
    """Rows that the model took."""
    steps: int = 0
    """Model calls: decoder steps of the loop, decoded batches of CTranslate2."""
    row_steps: int = 0
    """Sum over the calls of the rows in each."""
    retried: int = 0
    """Rows that were decoded more than once."""
    issues: Counter[str] = field(default_factory=Counter)
    """The first issue of each retried row."""

    @property
    def retry_rate(self) -> float:
        """Share of rows that were decoded more than once."""
        return self.retried / self.rows if self.rows else 0.0
