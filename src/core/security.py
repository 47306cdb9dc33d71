"""API keys: several at once, compared in constant time, named in logs but never shown.

They come from API_KEY, from a file of hashes that may change while the server runs (API_KEYS_FILE), or both.
`python -m src.core.security NAME` makes a key and the line for that file.
"""

import argparse
import asyncio
import hashlib
import hmac
import logging
import os
import secrets
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import SecretStr

from src.access.key_file import KEY_NAME, read_key_file

log = logging.getLogger(__name__)

_CHECK_SECONDS = 1.0


class ApiKeys:
    """The keys that open the API.

    Keys are kept as SHA-256 digests, and every digest is compared on every call. So the time of a call does
    not reveal how much of a key was right, nor which key it was.

    Args:
        keys: keys in plain text. The name of each is taken from its digest.
        file: a file for `read_key_file`. It is read again when it changes.

    Raises:
        ValueError, OSError: the file cannot be read.
    """

    def __init__(self, keys: Sequence[SecretStr], file: Path | None = None) -> None:
        digests = [_digest(key.get_secret_value()) for key in keys]
        self._fixed = [(f"key-{digest.hex()[:8]}", digest) for digest in digests]
        self._file = file
        self._seen = None if file is None else _version(file)
        self._from_file = [] if file is None else read_key_file(file)
        self._thread = ThreadPoolExecutor(1, "api-keys")
        self._checked = time.monotonic()
        self._complaint = ""

    def name_of(self, candidate: str | None) -> str | None:
        """The public name of the key (for logs, metrics and limits), or None if it is not one of ours."""
        if not candidate:
            return None
        digest = _digest(candidate)
        found = None
        for name, known in (*self._fixed, *self._from_file):
            if hmac.compare_digest(known, digest):
                found = name
        return found

    def digest_of(self, name: str) -> bytes | None:
        """The digest of the key with this name; None if there is none."""
        return next((digest for known, digest in (*self._fixed, *self._from_file) if known == name), None)

    async def refresh(self) -> None:
        """Read the file again if it has changed. Checks at most once a second, never on the event loop."""
        if self._file is None or time.monotonic() - self._checked < _CHECK_SECONDS:
            return
        self._checked = time.monotonic()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._reload, self._file)

    def _reload(self, file: Path) -> None:
        try:
            version = _version(file)
            if version == self._seen:
                self._complaint = ""
                return
            self._seen = version
            self._from_file = read_key_file(file)
        except (OSError, ValueError) as error:
            if str(error) != self._complaint:  # it is looked at every second
                log.error("the previous keys stay in use: API_KEYS_FILE: %s", error)
            self._complaint = str(error)
        else:
            self._complaint = ""
            log.info("API_KEYS_FILE was read again: %d keys", len(self._from_file))


def _version(file: Path) -> tuple[int, int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the line for API_KEYS_FILE on standard output; a key made for it, on standard error."""
    parser = argparse.ArgumentParser("python -m src.core.security", description=main.__doc__)
    parser.add_argument("name", help="what logs and metrics call the key: letters, digits and . _ -")
    parser.add_argument("--stdin", action="store_true", help="read the key from standard input")
    given = parser.parse_args(arguments)
    if not KEY_NAME.fullmatch(given.name):
        parser.error("a name is 1 to 64 letters, digits and . _ -")
    if given.stdin:
        # not an argument: those stand in the process list
        key = sys.stdin.readline().strip()
        if not key or not key.isascii():
            parser.error("standard input holds no key, or one that no HTTP header can carry")
    else:
        key = secrets.token_urlsafe(32)
        sys.stderr.write(f"The key, which is kept nowhere else: {key}{os.linesep}")
    sys.stdout.write(f"{given.name}:{_digest(key).hex()}{os.linesep}")


if __name__ == "__main__":
    main()
