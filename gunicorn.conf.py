"""gunicorn reads this file when it is started in this folder.

The command line and GUNICORN_CMD_ARGS go before what is set here.
"""

import gc
import logging
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

# gunicorn's own command does not look for modules in this folder
sys.path.insert(0, str(Path(__file__).parent))

from src.config import LogFormat, load_settings
from src.errors import ConfigurationError
from src.observability.telemetry import configure_logging
from src.processes.workers import MASTER_PID

try:
    _settings = load_settings()
except ConfigurationError as error:
    sys.stderr.write(f"Voz cannot start:\n  {str(error).replace(chr(10), chr(10) + '  ')}\n")
    raise SystemExit(3) from None

os.environ[MASTER_PID] = str(os.getpid())

bind = f"{_settings.host}:{_settings.port}"
worker_class = "deploy.worker.Worker"

# Each worker loads the models, so the customary 2 x cores + 1 would hold nine copies on four cores, and
# they would compete for the cores. One worker batches across requests. See docs/operations/tune.md.
workers = _settings.web_concurrency

# Neither CUDA nor the thread pools of torch and CTranslate2 outlive a fork.
preload_app = False

# Off: memory is flat, and a fresh worker is not ready before it has loaded and warmed its models.
# With two workers or more, `--max-requests 10000 --max-requests-jitter 2000` replaces them one at a time.
max_requests = 0

# Seconds without a beat of the event loop after which a worker is replaced. Work runs in threads and
# never holds the loop, so this is no limit on a request; REQUEST_TIMEOUT is.
timeout = 60

# On SIGTERM a worker takes no new connection and has so long to finish what is in flight. Whoever stops
# gunicorn must wait longer than this (stop_grace_period in docker-compose.yml).
graceful_timeout = max(60, round(_settings.shutdown_timeout) + 20)

# Longer than the 60 s after which most proxies let go of an idle connection: the proxy must close first,
# or it may send a request into a connection that is just being closed here.
keepalive = 75

# src/api/middleware/log.py writes a line a request.
accesslog = None

# Beats are written to a file; on a disk they could wait for other writes.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108

# No second way in; it would want a writable home, too.
control_socket_disable = True

START_LIMIT = 3600.0
"""Maximum number of seconds in which a worker must load its models; the first start fetches gigabytes."""


def on_starting(server: Any) -> None:
    # `gunicorn -w 4` shares out the CPU's threads as WEB_CONCURRENCY=4 does
    os.environ["WEB_CONCURRENCY"] = str(server.cfg.workers)
    # gunicorn's own lines look like the application's; the workers do the same for themselves
    configure_logging(
        _settings.log_level,
        _settings.log_format is LogFormat.JSON,
        secrets=[key.get_secret_value() for key in _settings.api_key],
    )


def on_reload(server: Any) -> None:
    on_starting(server)  # gunicorn has just put its own handlers back: every line would come twice


def post_fork(server: Any, worker: Any) -> None:
    _end_if_told(server)
    # Importing the application makes some 170,000 objects that stay. The garbage collector would look for
    # cycles among them again and again, which takes an eighth of the import.
    gc.disable()
    config = getattr(worker, "config", None)
    if config is None:  # not one of uvicorn's workers
        return
    # Streams that outlast the grace time are ended by the worker itself, so that it still closes its
    # engines and its storage, rather than by SIGKILL.
    config.timeout_graceful_shutdown = max(1, server.cfg.graceful_timeout - 5)
    if config.http == "auto":
        config.http = "src.api.protocol:BoundedProtocol"
    _beat_while_loading(worker, config, server.cfg.timeout)


def post_worker_init(worker: Any) -> None:
    """Called once the application is imported, before it starts."""
    gc.freeze()  # no later collection looks at what is there now
    gc.enable()


def _end_if_told(server: Any) -> None:
    """End this new process if the master has told it to stop already.

    So far it had the master's signal handler, which puts a signal into a queue that only the master reads.
    gunicorn sends each worker one SIGTERM: if that is lost, the worker serves on, and the master waits for
    it until the grace time is over.
    """

    def end(_number: int, _frame: object) -> NoReturn:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    with suppress(queue.Empty):
        while server.SIG_QUEUE.get_nowait() != signal.SIGTERM:
            pass
        raise SystemExit(0)


def _beat_while_loading(worker: Any, config: Any, timeout: float) -> None:
    """Send heartbeats for the worker until its event loop does.

    uvicorn beats from its main loop, which begins once start-up is over: a worker that fetches or loads
    models for longer than `timeout` would be killed and restarted endlessly.
    """
    if not timeout:
        return
    started = threading.Event()
    notify = config.callback_notify

    async def first_beat() -> None:
        started.set()
        config.callback_notify = notify
        await notify()

    def beat() -> None:
        pause = timeout / 4
        for _ in range(int(START_LIMIT / pause)):
            try:
                worker.notify()
            except ValueError:  # the file is closed: the worker ends before it has started
                return
            if started.wait(pause):
                return
        logging.getLogger("gunicorn.error").error("still loading after %g s: given up", START_LIMIT)

    config.callback_notify = first_beat
    threading.Thread(target=beat, name="beat-while-loading", daemon=True).start()
