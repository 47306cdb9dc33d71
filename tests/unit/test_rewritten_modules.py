"""Which modules pytest rewrites when they are imported."""

import sys

import anyio
from _pytest.assertion.rewrite import AssertionRewritingHook

PLUGINS = ("anyio.pytest_plugin", "pytest_timeout", "tests", "xdist")


def test_pytest_rewrites_tests_and_plugins_and_nothing_that_a_server_imports() -> None:
    """pytest parses what it rewrites, in the thread that imports it. Some of AnyIO is imported when it is
    used: `open_file`, for instance, with the first file that a server sends. Before Python 3.11.8 and 3.12.2,
    two threads may not parse at the same time (`SystemError: AST constructor recursion depth mismatch`).
    """
    assert callable(getattr(anyio, "open_file"))  # noqa: B009 - imports it
    rewritten = {
        name
        for name, module in sys.modules.items()
        if isinstance(getattr(module, "__loader__", None), AssertionRewritingHook)
    }
    assert rewritten
    assert {name for name in rewritten if not name.startswith(PLUGINS)} == set()
