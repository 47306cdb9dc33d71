"""`make setup` on a toy index: by uv, and by pip where uv is not to be had."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.deploy_host import REPOSITORY


def wheel(index: Path, name: str, version: str, requires: str = "") -> None:
    """Put a package with one empty module on the index, a folder of folders."""
    information = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}.py": "",
        f"{information}/METADATA": metadata,
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
        f"{len(text)}"
        for path, text in files.items()
    ]
    files[f"{information}/RECORD"] = "\n".join([*record, f"{information}/RECORD,,", ""])
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the scripts, pins of its own, an index that has them, and an empty environment."""
    for name in ("scripts", "src"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "index", "beneath", version)
    wheel(tmp_path / "index", "above", "1.0", "beneath")
    wheel(tmp_path / "cpu", "torch", "1.0+cpu")
    wheel(tmp_path / "index", "torch", "1.0", "beneath")
    (tmp_path / "requirements.txt").write_text("above==1.0\ntorch==1.0\n")
    hashes = " \\\n    --hash=sha256:0\n"
    (tmp_path / "requirements.lock").write_text(
        f"above==1.0{hashes}beneath==1.0 ; python_version > '3'{hashes}torch==1.0{hashes}"
    )
    (tmp_path / "requirements-dev.txt").write_text("uv==0.0.1\n")
    (tmp_path / "Dockerfile").write_text("ARG TORCH_INDEX_URL=http://127.0.0.1:9/none\n")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / ".venv"], check=True)
    return tmp_path


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(project: Path) -> Iterator[str]:
    """The folder over HTTP. A listing of a folder is all that pip and uv ask of an index."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=project)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def setup(project: Path, served: str, **variables: str) -> tuple[str, set[str]]:
    """Run it: what it said, and which packages are there now."""
    python = str(project / ".venv/bin/python")
    environment = {"PATH": os.defpath, "HOME": str(project), "PIP_CONFIG_FILE": os.devnull}
    environment |= {"PIP_INDEX_URL": f"{served}/index", "UV_CACHE_DIR": str(project / "cache")}
    command = [python, "-m", "scripts.install", "requirements.txt", "requirements.lock"]
    done = subprocess.run(
        command, cwd=project, env=environment | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    packages = set(found.stdout.split())
    for package in {one.partition("==")[0] for one in packages} & {"above", "beneath", "torch"}:
        subprocess.run([python, "-m", "pip", "uninstall", "-q", "-y", package], env=environment, check=True)
    return done.stdout + done.stderr, packages


@pytest.mark.slow
def test_uv_installs_and_pip_where_there_is_no_uv(project: Path, served: str) -> None:
    said, packages = setup(project, served)
    assert "Installing by pip, which takes longer" in said
    assert "PyTorch: the ordinary build" in said
    assert {"above==1.0", "beneath==1.0", "torch==1.0"} <= packages  # the lock's, not the newest

    (project / ".venv/bin/uv").symlink_to(Path(sys.executable).with_name("uv"))
    said, packages = setup(project, served, TORCH_INDEX_URL="")
    assert "by pip" not in said
    assert "Installed 3 packages" in said
    assert {"above==1.0", "beneath==1.0", "torch==1.0"} <= packages

    # the build for the CPU counts as the version that is pinned
    said, packages = setup(project, served, TORCH_INDEX_URL=f"{served}/cpu")
    assert "the build for the CPU alone" in said
    assert {"above==1.0", "beneath==1.0", "torch==1.0+cpu"} <= packages
