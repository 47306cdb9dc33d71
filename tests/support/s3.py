"""A real S3 server: OpenStack Swift, which checks signatures (in headers and in links), expiry and region.

Fixtures: `s3_server` (one for all tests) and `s3_bucket` (a fresh bucket for one test). Every process of
pytest imports this module, and few need the client.
"""

import secrets
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port

PYTHON = "/usr/bin/python3"  # Debian's own: its packages are installed for this one
SERVE = Path(__file__).parent / "swift" / "serve.py"


@dataclass
class S3Server:
    """A server process. Its data survive `stop`."""

    folder: Path
    port: int
    access_key: str = "media:dev"  # ACCOUNT:USER
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20))
    region: str = "us-east-1"
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        log = self.folder / "swift.log"
        command = [PYTHON, "-I", str(SERVE), str(self.folder), str(self.port)]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [*command, self.region, self.access_key, self.secret_key],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], 60)
        if not readable or self._process.stdout.readline() != b"ready\n":
            self.stop()
            pytest.fail(f"OpenStack Swift did not start:\n{log.read_text()[-2000:]}")

    def stop(self) -> None:
        """Kill the server."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def pause(self) -> None:
        """Stop answering, but keep listening (SIGSTOP)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def client(self) -> Iterator[Any]:
        """A blocking client, for a look into the store from outside."""
        import botocore.session
        from botocore.config import Config

        client = botocore.session.get_session().create_client(
            "s3",
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        try:
            yield client
        finally:
            client.close()


@dataclass(frozen=True)
class S3Bucket:
    """A bucket, with its address and credentials."""

    server: S3Server
    name: str

    def settings(self, **overrides: Any) -> dict[str, Any]:
        """For `make_settings`."""
        return {
            "storage": "s3",
            "s3_bucket_name": self.name,
            "s3_endpoint_url": self.server.endpoint,
            "aws_access_key_id": self.server.access_key,
            "aws_secret_access_key": self.server.secret_key,
            "aws_region": self.server.region,
        } | overrides

    def keys(self) -> list[str]:
        with self.server.client() as client:
            return [entry["Key"] for entry in client.list_objects_v2(Bucket=self.name).get("Contents", ())]

    def uploads(self) -> list[str]:
        """Keys of multipart uploads that were begun and neither completed nor aborted."""
        with self.server.client() as client:
            found = client.list_multipart_uploads(Bucket=self.name)
            return [entry["Key"] for entry in found.get("Uploads", ())]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Fails, rather than skips, where Swift is not installed: a test that did not run proves nothing."""
    known = subprocess.run([PYTHON, "-I", "-c", "import swift"], capture_output=True, check=False)
    if known.returncode:
        pytest.fail(
            "the S3 tests need OpenStack Swift: apt-get install --no-install-recommends python3-swift"
        )
    port = free_port()
    server = S3Server(tmp_path_factory.mktemp("swift"), port)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> S3Bucket:
    bucket = S3Bucket(s3_server, f"voz-{secrets.token_hex(6)}")
    with s3_server.client() as client:
        client.create_bucket(Bucket=bucket.name)
    return bucket
