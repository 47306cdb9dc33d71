"""The browser that the tests look at pages with. As a command: fetch one, if there is none."""

import shutil
import subprocess
import sys
from pathlib import Path

_NAMES = ("google-chrome", "google-chrome-stable", "chromium")


def installed_browser() -> str | None:
    """The path of the system's browser; None: Playwright's own is to be taken.

    A snap (Ubuntu's `chromium`) sees neither the tests' folders nor their sockets, and is passed over.
    """
    for name in _NAMES:
        found = shutil.which(name)
        if found is not None and "snap" not in Path(found).resolve().parts:
            return found
    return None


def _has_its_own() -> bool:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


if __name__ == "__main__" and installed_browser() is None and not _has_its_own():
    command = [sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"]
    sys.exit(subprocess.run(command, check=False).returncode)
