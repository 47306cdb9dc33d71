"""Read by gunicorn by itself when it is started in this folder.

It tells the workers how many they are, so that `gunicorn -w 4` shares out the CPU's threads just as
WEB_CONCURRENCY=4 does.
"""

import os
from typing import Any


def on_starting(server: Any) -> None:
    os.environ["WEB_CONCURRENCY"] = str(server.cfg.workers)
