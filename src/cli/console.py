"""Results go to standard output, everything else to standard error. Rich uses no colour in a pipe."""

import dataclasses
import json
import sys
from typing import Any

from rich.console import Console

_UNBROKEN = 500
"""Characters in a line where no terminal says how many it has: programs read tables line by line."""

errors = Console(stderr=True, highlight=False, soft_wrap=True)
results = Console(highlight=False, width=None if sys.stdout.isatty() else _UNBROKEN)


def say(message: str, style: str | None = None) -> None:
    """A line on standard error."""
    errors.print(message, style=style, markup=False)


def write(text: str) -> None:
    """A result on standard output, just as it is."""
    sys.stdout.write(text)
    sys.stdout.flush()


def write_json(value: Any, *, one_line: bool = False) -> None:
    """A result for programs on standard output. Data classes become objects."""
    text = json.dumps(value, ensure_ascii=False, indent=None if one_line else 2, default=_plain)
    write(f"{text}\n")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no place in JSON")
