"""The command `voz`, and `python -m voz`."""

import importlib
import sys
from pathlib import Path


def main() -> None:
    """Run the command line.

    It belongs to the server's package, which an installed wheel keeps in `voz/_app`, and a checkout beside
    `voz`. The client must not depend on it, so it is imported by its name.
    """
    here = Path(__file__).parent
    installed = here / "_app"
    sys.path.insert(0, str(installed if installed.is_dir() else here.parent))
    importlib.import_module("src.cli").main()


if __name__ == "__main__":
    main()
