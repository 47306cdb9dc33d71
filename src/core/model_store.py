"""The old name of the command `python -m src.weights`, which scripts may still call."""

import sys

from src.weights.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
