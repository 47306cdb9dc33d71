"""A real Caddy before a server, with the configuration of compose's profile `proxy`."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.deploy_host import REPOSITORY
from tests.support.ports import free_port


@contextmanager
def caddy_before(url: str, folder: Path) -> Iterator[str]:
    """Serve `url` as the profile does; yields the address that callers see.

    Args:
        url: of the server behind, `http://ADDRESS:PORT`.
        folder: for Caddy's own files.
    """
    shutil.copytree(REPOSITORY / "deploy" / "proxy", folder / "proxy")
    file = folder / "proxy" / "Caddyfile"
    # no port of its own for commands: several tests run at once
    file.write_text("{\n\tadmin off\n}\n" + file.read_text().replace("voz:8000", url.removeprefix("http://")))
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("caddy")), "run", "--config", str(file)]
    environment = {"DOMAIN": address, "HOME": str(folder), "PATH": os.environ["PATH"]}
    with (folder / "caddy.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--adapter", "caddyfile"], env=environment, stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + 60
        while True:
            assert process.poll() is None, (folder / "caddy.log").read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < end, "Caddy does not answer"
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)
