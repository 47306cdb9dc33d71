"""`make setup`: where it installs from, which PyTorch, which certificates."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from scripts.install import locked_versions, trusted_certificates
from scripts.package_index import parse_options, pip_options, uv_environment
from scripts.torch_build import choose_torch_index
from src.certificates import certificate_variables
from src.config import load_settings
from src.errors import ConfigurationError

REPOSITORY = Path(__file__).parent.parent.parent
DOCKERFILE = REPOSITORY / "Dockerfile"


def test_what_pip_is_configured_with_reaches_uv(tmp_path: Path) -> None:
    """From pip's own mouth: its file, and the environment, which goes before it."""
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        "[global]\nindex-url = https://mirror.test/simple\nextra_index_url = https://a.test https://b.test\n"
        "cert = /corp.pem\ntrusted-host = mirror.test\ntimeout = 7\nproxy = http://proxy.test:3128\n"
        "[install]\nno-index = true\nconstraint = /c.txt\n"
    )
    pip = [sys.executable, "-m", "pip"]
    environment = {
        "PIP_CONFIG_FILE": str(configuration),
        "PIP_FIND_LINKS": "/wheels /more",
        "PATH": os.defpath,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        options = pip_options(pip)
    assert uv_environment(options, {}) == {
        "UV_DEFAULT_INDEX": "https://mirror.test/simple",
        "UV_INDEX": "https://a.test https://b.test",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_NO_INDEX": "1",
        "UV_INSECURE_HOST": "mirror.test",
        "UV_HTTP_TIMEOUT": "7",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "SSL_CERT_FILE": "/corp.pem",
        "HTTPS_PROXY": "http://proxy.test:3128",
        "HTTP_PROXY": "http://proxy.test:3128",
    }
    assert options["constraint"] == "/c.txt"


def test_the_environment_goes_before_the_files_and_uvs_own_variables_before_both() -> None:
    options = parse_options(
        ":env:.index-url='https://environment.test'\nglobal.index-url='https://file.test'\nglobal.no-index='0'\n"
    )
    assert uv_environment(options, {})["UV_DEFAULT_INDEX"] == "https://environment.test"
    assert "UV_NO_INDEX" not in uv_environment(options, {})
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        assert "UV_DEFAULT_INDEX" not in uv_environment(options, {name: "https://own.test"})
    alone = uv_environment(options | {"extra-index-url": "https://a.test"}, {}, "https://torch.test")
    assert alone["UV_DEFAULT_INDEX"] == "https://torch.test"
    assert "UV_INDEX" not in alone


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.slow
def test_an_index_of_cpu_builds_that_does_not_answer_costs_little(silent: str) -> None:
    began = time.monotonic()
    index, reason = choose_torch_index({"TORCH_INDEX_URL": silent, "NO_PROXY": "*"}, DOCKERFILE)
    assert time.monotonic() - began < 30
    assert index is None
    assert silent in reason
    assert "cannot be reached" in reason


def test_with_a_driver_or_without_an_index_it_is_the_ordinary_build(tmp_path: Path) -> None:
    index, reason = choose_torch_index({}, DOCKERFILE, driver=True)
    assert (index, "driver" in reason) == (None, True)
    index, reason = choose_torch_index({"TORCH_INDEX_URL": ""}, DOCKERFILE, driver=False)
    assert (index, "TORCH_INDEX_URL" in reason) == (None, True)
    # the default is the image's
    image = tmp_path / "Dockerfile"
    image.write_text("FROM scratch\nARG TORCH_INDEX_URL=http://127.0.0.1:9/cpu\n")
    index, reason = choose_torch_index({}, image, driver=False)
    assert index is None
    assert "http://127.0.0.1:9/cpu cannot be reached" in reason
    assert "ARG TORCH_INDEX_URL=" in DOCKERFILE.read_text()


def test_constraints_are_the_locks_versions_without_its_hashes() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    lines = locked_versions(lock).splitlines()
    packages = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(lines) == len(packages) > 100
    assert not any("hash" in line or line.endswith("\\") for line in lines)
    [torch] = [line for line in lines if line.startswith("torch==")]
    assert torch.startswith("torch==2.")


def test_one_file_of_certificates_is_named_to_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = certificate_variables(Path("corp.pem"), {"PIP_CERT": "/of/pip.pem", "AWS_CA_BUNDLE": ""})
    assert set(variables) == {"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}
    assert set(variables.values()) == {str(Path.cwd() / "corp.pem")}
    assert certificate_variables(None, {}) == {}

    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert trusted_certificates(tmp_path / ".env") is None
    (tmp_path / ".env").write_text("API_KEY=long-enough\nSSL_CERT_FILE=/corp.pem\n")
    assert trusted_certificates(tmp_path / ".env") == Path("/corp.pem")


def started_with(certificates: str) -> dict[str, str]:
    """What a server's environment has of these variables once it has read its settings."""
    names = set(certificate_variables(Path("any"), {}))
    environment = {name: value for name, value in os.environ.items() if name not in names}
    # in a process of its own: the variables stay set
    code = "import json, os; from src.config import load_settings; load_settings(); "
    code += "print(json.dumps({**os.environ}))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"API_KEY": "long-enough", "SSL_CERT_FILE": certificates},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name: value for name, value in json.loads(found.stdout).items() if name in names}


def test_the_server_names_it_to_its_libraries(tmp_path: Path) -> None:
    authority = tmp_path / "corp.pem"
    authority.touch()
    assert set(started_with(str(authority)).values()) == {str(authority)}


def test_without_one_compose_s_empty_name_counts_for_nothing() -> None:
    """OpenSSL takes an empty name for a file without any certificate."""
    assert started_with("") == {}
    compose = YAML(typ="safe").load(REPOSITORY / "docker-compose.yml")["x-voz"]
    assert compose["environment"]["SSL_CERT_FILE"] == "${SSL_CERT_FILE:+/certificates.pem}"
    assert "${SSL_CERT_FILE:-/dev/null}:/certificates.pem:ro" in compose["volumes"]


def test_certificates_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_KEY", "long-enough")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE: there is no such file"):
        load_settings()
