"""`--engines=without`, `--engines=only`: selects tests by what their file imports.

`without` selects tests that are quick to import and to run (`make test-fast`). `only` selects those whose
outcome may depend on the CPU's instructions.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

_LIBRARIES = frozenset({"torch", "TTS", "ctranslate2", "numba", "faster_whisper"})
_LIGHT = ("src.engines.base", "src.engines.cpu", "src.engines.vad")
"""Of the engines, what imports none of these libraries."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engines",
        choices=["without", "only"],
        help="leave out the files that import an engine or its libraries, or take them alone",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Before the file is imported: importing PyTorch and Coqui is what takes the time."""
    wanted = config.getoption("--engines")
    if wanted is None or not collection_path.name.startswith("test_"):
        return None
    return True if imports_an_engine(collection_path) == (wanted == "without") else None


@cache
def imports_an_engine(file: Path) -> bool:
    return any(
        name.split(".")[0] in _LIBRARIES or (name.startswith("src.engines") and name not in _LIGHT)
        for name in _imported(file)
    )


def _imported(file: Path) -> Iterator[str]:
    """Modules that the file imports as it is imported itself."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from src.engines import cpu` imports a module, too
            yield from (
                f"{node.module}.{alias.name}" if node.module == "src.engines" else node.module
                for alias in node.names
            )
