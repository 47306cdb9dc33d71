"""What the engine counts."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stats:
    """Counters since the start."""

    rows: int = 0
    steps: int = 0
    """Model calls that wrote something: a token of each row in work, or the texts of a batch."""
    row_steps: int = 0
    """Rows in these calls, summed."""
    retried: int = 0
    """Rows that the gate sent back."""
    faults: Counter[str] = field(default_factory=Counter)
    """Why."""

    @property
    def gate_rate(self) -> float:
        """Share of rows that the gate sent back."""
        return self.retried / self.rows if self.rows else 0.0

    @property
    def company(self) -> float:
        """Mean number of rows in a call."""
        return self.row_steps / self.steps if self.steps else 0.0
