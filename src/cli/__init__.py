"""The command line: `voz`, or `python -m src.cli`. It talks to a server through the client (`voz`).

Nothing imports this package. What only the server needs (PyTorch, FastAPI, ...) is imported by the commands
that need it, so that the others start at once and work where only the client is installed.
"""


def main() -> None:
    """Run the command that the arguments name; ends the process with its exit code."""
    from src.cli.app import run

    run()
