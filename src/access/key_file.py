"""The file of API_KEYS_FILE: names and hashes of keys."""

import re
from pathlib import Path

KEY_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Valid names of keys in logs, metrics and limits."""
_LINE = re.compile(rf"({KEY_NAME.pattern}):([0-9a-fA-F]{{64}})")


def read_key_file(file: Path) -> list[tuple[str, bytes]]:
    """Names and SHA-256 digests from a file with a line `name:hash in hex` for each key.

    Empty lines and lines that begin with # are skipped. A name may stand on several lines: its old key and
    its new one.

    Raises:
        ValueError: a line has another form. The message gives its number and nothing of its content.
        OSError: the file cannot be read.
    """
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise ValueError(
                f"line {number} of {file} is not name:sha256 (`python -m src.core.security NAME`)"
            )
        found.append((match[1], bytes.fromhex(match[2])))
    return found
