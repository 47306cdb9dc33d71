"""The process that downloads with `huggingface_hub`, which resumes and retries.

It is a process of its own because nothing else ends a call of a library that hangs. It ends with the process
that started it.

    python -P transfer.py file URL TARGET
    python -P transfer.py repository NAME COMMIT FOLDER FILE...
"""

import os
import sys
import threading
import time
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.file_download import http_get


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main() -> None:
    """Do what the arguments say; the exit status is 0 if it is done."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    # the library's own 10 MB would look like a stall in a slow network, and be lost with a broken connection
    constants.DOWNLOAD_CHUNK_SIZE = 1 << 16
    try:
        match sys.argv[1:]:
            case ["file", url, target]:
                with Path(target).open("wb") as file:
                    http_get(url, file)
            case ["repository", name, commit, folder, *files]:
                snapshot_download(name, revision=commit, local_dir=folder, allow_patterns=files)
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
