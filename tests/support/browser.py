"""The browser for tests of web pages. As a command: install one if there is none."""

import shutil
import subprocess
import sys
from pathlib import Path

_NAMES = ("google-chrome", "google-chrome-stable", "chromium")


def installed_browser() -> str | None:
    """The path of the system's browser, or None if Playwright's own is used.

    A snap (Ubuntu's `chromium`) cannot access the tests' folders and sockets, so it is skipped.
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
