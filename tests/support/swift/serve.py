"""serve.py FOLDER PORT REGION ACCESS_KEY SECRET_KEY: a whole OpenStack Swift in one process, speaking S3.

Runs under Debian's own Python, for which its package `python3-swift` is installed. One node, one replica,
the proxy and the three servers behind it as green threads. Prints `ready` once it listens, and dies with
its parent. Objects are in FOLDER/disk, which must be on a file system with user xattrs (ext4, xfs, btrfs).
"""

# ruff: noqa: E402  (Swift must be patched before its parts are imported)
# mypy: ignore-errors
import ctypes
import signal
import sys
import time
from pathlib import Path

ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no orphan, however the tests end

from swift.common import utils

utils.eventlet_monkey_patch()
folder, port, region, access_key, secret_key = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
(folder / "swift.conf").write_text(
    "[swift-hash]\nswift_hash_path_suffix = voz\n[storage-policy:0]\nname = one\ndefault = yes\n"
)
utils.SWIFT_CONF_FILE = str(folder / "swift.conf")
utils.validate_configuration()

import eventlet
from eventlet import wsgi
from swift.account.server import AccountController
from swift.common.ring import RingBuilder
from swift.common.storage_policy import reload_storage_policies
from swift.common.wsgi import SwiftHttpProtocol, loadapp
from swift.container.server import ContainerController
from swift.obj.server import ObjectController

EGGS = ("catch_errors", "gatekeeper", "listing_formats", "copy", "slo", "dlo", "versioned_writes")
PROXY = f"""
[DEFAULT]
swift_dir = {folder}
[pipeline:main]
pipeline = catch_errors gatekeeper memory listing_formats s3api tempauth copy
  slo dlo versioned_writes proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:memory]
paste.filter_factory = __main__:memory
[filter:s3api]
use = egg:swift#s3api
location = {region}
[filter:tempauth]
use = egg:swift#tempauth
user_{access_key.replace(":", "_")} = {secret_key} .admin
""" + "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in EGGS)


class Memory:
    """What Swift asks of memcached, in a dict: with one process there is nobody to share it with."""

    def __init__(self):
        self._values = {}

    def get(self, key, *_, **__):
        value, deadline = self._values.get(key, (None, 0))
        return value if deadline > time.monotonic() else None

    def set(self, key, value, *_, **more):
        self._values[key] = (value, time.monotonic() + (more.get("time") or 3600))

    def delete(self, key, *_, **__):
        self._values.pop(key, None)


def memory(_global_conf, **_conf):
    """The filter that hands `Memory` to the others."""
    cache = Memory()

    def wrap(app):
        def call(env, start_response):
            env["swift.cache"] = cache
            return app(env, start_response)

        return call

    return wrap


def listen(where):
    return eventlet.listen(("127.0.0.1", where), reuse_port=False)


def serve(sock, app):
    eventlet.spawn(wsgi.server, sock, app, log_output=False, protocol=SwiftHttpProtocol, keepalive=True)


def main():
    reload_storage_policies()
    (folder / "disk" / "d1").mkdir(parents=True, exist_ok=True)
    conf = {
        "devices": str(folder / "disk"),
        "mount_check": "false",
        "swift_dir": str(folder),
        "fallocate_reserve": "0",
    }
    servers = {"account": AccountController, "container": ContainerController, "object": ObjectController}
    sockets = {name: listen(0) for name in servers}
    for name, sock in sockets.items():
        address = {"ip": "127.0.0.1", "port": sock.getsockname()[1]}
        builder = RingBuilder(4, 1, 0)
        builder.add_dev(
            {"id": 0, "region": 1, "zone": 1, "weight": 1.0, "device": "d1", "meta": "", **address}
            | {f"replication_{key}": value for key, value in address.items()}
        )
        builder.rebalance(seed=1)
        builder.get_ring().save(str(folder / f"{name}.ring.gz"))
    for name, server in servers.items():
        serve(sockets[name], server(conf))
    (folder / "proxy.conf").write_text(PROXY)
    serve(listen(port), loadapp(str(folder / "proxy.conf")))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        eventlet.sleep(3600)


main()
