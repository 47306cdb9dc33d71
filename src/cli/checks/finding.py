"""What a check finds."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    OK = "ok"
    NOTE = "note"
    """It works, and could be better."""
    PROBLEM = "problem"
    """Something does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    status: Status
    detail: str
    advice: str = ""
    """What to do."""


Check = Callable[[], Iterable[Finding]]


def ok(what: str, detail: str) -> Finding:
    return Finding(what, Status.OK, detail)


def note(what: str, detail: str, advice: str) -> Finding:
    return Finding(what, Status.NOTE, detail, advice)


def problem(what: str, detail: str, advice: str) -> Finding:
    return Finding(what, Status.PROBLEM, detail, advice)


def findings(checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """What the checks find, as they find it. One that cannot be done is a finding, too."""
    for name, check in checks:
        try:
            yield from check()
        except ModuleNotFoundError as error:
            yield note(
                name,
                f"not looked at: {error.name} is not installed",
                "Only a server needs it. To run the models here: pip install .",
            )
        except Exception as error:  # a doctor must not die of what it looks for
            yield problem(name, f"{type(error).__name__}: {error}", "Please report this.")
