"""A real nginx before a server, under a path prefix."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
  access_log off;
  client_max_body_size 200m;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  server {{
    listen 127.0.0.1:{port};
    location {prefix}/ {{
      proxy_pass {target};
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""


@contextmanager
def nginx_before(url: str, folder: Path, prefix: str, strips: bool) -> Iterator[str]:
    """Serve `url` below `prefix`; yields the address that callers see.

    Args:
        url: of the server behind.
        folder: for nginx's own files.
        prefix: e.g. `/voz`.
        strips: whether nginx removes the prefix before it forwards a request.
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "these tests need a real nginx: apt-get install nginx"
    port = free_port()
    target = f"{url}/" if strips else url
    file = folder / "nginx.conf"
    file.write_text(_CONFIGURATION.format(folder=folder, port=port, prefix=prefix, target=target))
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(file), "-e", "stderr"])
    try:
        end = time.monotonic() + 20
        while True:
            assert process.poll() is None, "nginx did not start"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < end, "nginx does not answer"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}{prefix}"
    finally:
        process.terminate()
        process.wait(timeout=20)
