"""Leaves files out before they are imported: importing PyTorch and Coqui takes seconds.

`--engines=without` (`make test-fast`) takes those that import no engine. `-m instructions` takes those that
have that mark.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

_LIBRARIES = frozenset({"torch", "TTS", "ctranslate2", "numba", "faster_whisper"})
_LIGHT = ("src.engines.base", "src.engines.cpu", "src.engines.silero", "src.engines.vad")
"""Of the engines, what imports none of these libraries."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engines",
        choices=["without"],
        help="leave out the files that import an engine or its libraries",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not collection_path.name.startswith("test_"):
        return None
    if config.getoption("--engines") == "without" and imports_an_engine(collection_path):
        return True
    if config.getoption("markexpr") != "instructions" or "mark.instructions" in _text(collection_path):
        return None
    return True


@cache
def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@cache
def imports_an_engine(file: Path) -> bool:
    return any(
        name.split(".")[0] in _LIBRARIES or (name.startswith("src.engines") and name not in _LIGHT)
        for name in _imported(file)
    )


def _imported(file: Path) -> Iterator[str]:
    """Modules that the file imports as it is imported itself."""
    for node in ast.parse(_text(file)).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from src.engines import cpu` imports a module, too
            yield from (
                f"{node.module}.{alias.name}" if node.module == "src.engines" else node.module
                for alias in node.names
            )
