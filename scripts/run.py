"""`make run`: what `voz serve` does."""

import sys

from src.cli.commands.serve import run

if __name__ == "__main__":
    sys.exit(run())
