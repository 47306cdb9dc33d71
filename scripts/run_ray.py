"""`make run-ray`: the service on Ray Serve, on this machine alone. Several machines: docs/scale.md."""

import argparse
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from src.cli.commands.serve import greet, local_url, make_env
from src.cluster.environment import secure_environment
from src.config import LogFormat, Settings, load_settings
from src.errors import StartupError
from src.observability.telemetry import configure_logging
from src.processes.cores import usable_cores

log = logging.getLogger(__name__)

_OBJECT_STORE_BYTES = 200 * 2**20
"""Shared memory for rows on their way: one has 2 MB at most."""
_ROOT = Path(__file__).parent.parent


def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C; gives the exit code."""
    given = _parser().parse_args(arguments)
    make_env(Path(".env"), _ROOT / ".env.example")
    try:
        settings = load_settings()
        configure_logging(settings.log_level, settings.log_format is LogFormat.JSON, settings.secrets)
        _check_port(settings.host, settings.port)
        _serve(settings, given)
    except StartupError as error:
        sys.stderr.write(f"Voz cannot start:\n  {str(error).replace(chr(10), chr(10) + '  ')}\n")
        return 3
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make run-ray", description=__doc__)
    parser.add_argument("--replicas", type=_positive, default=2, help="of each engine")
    parser.add_argument(
        "--threads", type=_positive, help="CPU threads of each replica (the cores, shared out)"
    )
    parser.add_argument("--http-processes", type=_positive, default=2)
    parser.add_argument("--temp-dir", help="where Ray keeps its sockets and logs; a short path")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text}")
    return int(text)


def _check_port(host: str, port: int) -> None:
    """Raise before anything is loaded: the replicas share the port, and one more program could join them."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartupError(f"cannot listen on {host}:{port}: {error.strerror}") from None


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _serve(settings: Settings, given: argparse.Namespace) -> None:
    secure_environment()
    # the processes of Ray import the code from here
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))

    import ray
    from ray import serve

    from src.cluster.application import LOGGING, NAME, build

    threads = given.threads or max(1, usable_cores() // given.replicas)
    try:
        ray.init(
            # these are places for replicas; both engines may use the same cores, as in one process
            num_cpus=2 * given.replicas * threads,
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            logging_level=logging.WARNING,
            _temp_dir=given.temp_dir,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _interrupt)
        log.info("Ray listens on every interface, and asks for a token")
        serve.start(proxy_location="Disabled", logging_config=LOGGING)
        application = build(
            {
                "api_processes": given.http_processes,
                "api_processes_per_machine": given.http_processes,
                "stt_replicas": given.replicas,
                "tts_replicas": given.replicas,
                "threads": threads,
            }
        )
        try:
            serve.run(application, name=NAME, route_prefix=None)
        except RuntimeError as error:
            raise StartupError(f"{error}\nThe lines above say why") from None
        greet(settings, local_url(settings.host, settings.port))
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        log.info("stopping")
        with contextlib.suppress(Exception):  # Ray may not have started, or be gone
            serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
