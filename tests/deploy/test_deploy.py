"""deploy.sh against a real sshd; `docker` there is a stand-in that really starts the application sent."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import pytest

from tests.support.deploy_host import REPOSITORY, Host, Line, ProcessList, Release, deploy_host

KEY = "deploy-test-key-$HOME#1"
SECRETS = {
    "API_KEY": KEY,
    "APP_AWS_ACCESS_KEY_ID": "ACCESSKEYID/test",
    "APP_AWS_SECRET_ACCESS_KEY": 'secret "access" key',
    "AWS_REGION": "eu-west-1",
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    folder = tmp_path / "host"
    folder.mkdir()
    with deploy_host(folder) as running:
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with a first release in service, which every test that takes it leaves there."""
    folder = tmp_path_factory.mktemp("deploy")
    (folder / "host").mkdir()
    with deploy_host(folder / "host") as running:
        deployed(Release(folder / "release").deploy(running, "develop", **SECRETS))
        yield running


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path / "release")


def deployed(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def failed(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    return output


def ask(host: Host, path: str, key: str, branch: str = "develop") -> tuple[int, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{host.ports[branch]}{path}", headers={"X-API-Key": key}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, ""


def answers(host: Host) -> bool:
    with contextlib.suppress(urllib.error.URLError):
        return ask(host, "/health/ready", KEY)[0] == 200
    return False


def mark(host: Host) -> str:
    """Which release answers, asked with the key that was sent."""
    status, text = ask(host, "/mark", KEY)
    assert status == 200
    return text.strip('"')


class Visitor:
    """Asks ten times a second which release answers."""

    def __init__(self, port: int, key: str) -> None:
        self.answers: list[str] = []
        self.failures: list[str] = []
        self._request = urllib.request.Request(f"http://127.0.0.1:{port}/mark", headers={"X-API-Key": key})
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._visit)

    def __enter__(self) -> "Visitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _visit(self) -> None:
        while not self._over.wait(0.1):
            try:
                with urllib.request.urlopen(self._request, timeout=30) as answer:
                    self.answers.append(answer.read().decode().strip('"'))
            except OSError as error:
                self.failures.append(repr(error))


def own_address() -> str:
    """An address of this machine that is not the loopback's; else one that nobody answers at."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        with contextlib.suppress(OSError):
            probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
        return address if address != "0.0.0.0" else "192.0.2.1"


def eventually(what: Callable[[], object]) -> None:
    for _ in range(1200):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within a minute")


def test_a_release_and_the_next_and_back(host: Host, release: Release) -> None:
    with ProcessList(list(SECRETS.values())) as processes:
        said = deployed(release.deploy(host, "develop", **SECRETS))
    assert mark(host) == "first"
    assert ask(host, "/models", "another")[0] == 401
    first = host.current("development")
    assert [call["command"][0] for call in host.calls("build", "run", "up", "down")] == ["build", "run", "up"]
    assert {call["mode"] for call in host.calls("build", "run", "up")} == {"600"}

    release.commit(mark="second")
    said += deployed(release.deploy(host, "develop", **SECRETS))
    assert mark(host) == "second"
    assert host.current("development") != first

    said += deployed(release.deploy(host, "develop", "--rollback"))
    assert mark(host) == "first"
    assert host.current("development") == first

    assert processes.looks > 10
    assert not processes.seen, "a secret stood in a process list"
    for secret in (*SECRETS.values(), host.private_key.splitlines()[1]):
        assert secret not in said
        assert secret not in host.everything_written()


def test_one_that_never_gets_ready_is_taken_back(served: Host, release: Release) -> None:
    first = served.current("development")
    release.commit(mark="second", stalls="")
    said = failed(release.deploy(served, "develop", **SECRETS, READY_TIMEOUT="5"))
    assert "/health/ready did not say 200 within 5 s" in said
    assert f"{first}, the release before, is still in service" in said
    assert mark(served) == "first"
    assert served.current("development") == first
    assert len(served.containers("development")) == 1


def test_one_that_crashes_is_taken_back_without_waiting(served: Host, release: Release) -> None:
    release.commit(mark="second")
    said = failed(release.deploy(served, "develop", **SECRETS, VOZ_SETTINGS="MAX_UPLOAD_MB=0"))
    assert "it starts and ends again and again" in said
    assert "MAX_UPLOAD_MB" in said, "the log says why"
    assert mark(served) == "first"


def test_one_that_does_not_build_touches_nothing(served: Host, release: Release) -> None:
    before = served.calls("up", "stop")
    release.commit(**{"mark": "second", "does-not-build": ""})
    said = failed(release.deploy(served, "develop", **SECRETS))
    assert "the image could not be built" in said
    assert served.calls("up", "stop") == before
    assert mark(served) == "first"


def test_a_connection_cut_while_the_release_is_sent(served: Host, release: Release) -> None:
    before = served.calls("build")
    release.commit(mark="second", ballast=os.urandom(4_000_000))
    line = Line(served.ssh_port)
    line.cut_after = 1_000_000
    with contextlib.closing(line):
        said = failed(release.deploy(served, "develop", **SECRETS, LIGHTSAIL_PORT=str(line.port)))
    assert "nothing has changed on the host" in said
    assert served.calls("build") == before
    assert mark(served) == "first"


def test_the_first_release_of_all_fails(host: Host, release: Release) -> None:
    release.commit(stalls="")
    said = failed(release.deploy(host, "develop", **SECRETS, READY_TIMEOUT="3"))
    assert "There is no release before it to go back to" in said
    assert not host.containers("development"), "it does not stay, neither ready nor gone"
    said = failed(release.deploy(host, "develop", "--rollback"))
    assert "no release has ever been in service here" in said


def test_a_connection_cut_while_the_host_works(host: Host, release: Release) -> None:
    hold = host.state / "hold"
    hold.touch()
    with contextlib.closing(Line(host.ssh_port)) as line:
        process = release.deploy(host, "develop", **SECRETS, LIGHTSAIL_PORT=str(line.port))
        eventually(lambda: host.calls("build"))
        line.cut()
        hold.unlink()
        said = deployed(process)
    assert "the connection broke" in said
    assert mark(host) == "first"
    assert [call["command"][0] for call in host.calls("build", "up")] == ["build", "up"], "done once"


def test_two_at_once_go_one_after_the_other(host: Host, release: Release) -> None:
    hold = host.state / "hold"
    hold.touch()
    first = release.deploy(host, "develop", **SECRETS)
    eventually(lambda: host.calls("build"))
    second = release.deploy(host, "develop", **SECRETS)
    logs = host.home / "voz" / "development" / "logs"
    eventually(lambda: any("waiting for it" in log.read_text() for log in logs.glob("*.log")))
    assert len(host.calls("build")) == 1
    hold.unlink()
    deployed(first)
    deployed(second)
    releases = [call["release"] for call in host.calls("build", "run", "up")]
    assert releases == 3 * [releases[0]] + 3 * [releases[-1]], "no call of one between those of the other"
    assert releases[0] != releases[-1]
    assert host.current("development") == releases[-1]


def test_three_environments_side_by_side(host: Host, release: Release) -> None:
    for branch in ("develop", "quality", "main"):
        deployed(release.deploy(host, branch, **(SECRETS | {"API_KEY": f"key-of-{branch}"})))
    for branch in ("develop", "quality", "main"):
        assert ask(host, "/models", f"key-of-{branch}", branch)[0] == 200
        assert ask(host, "/models", KEY, branch)[0] == 401


def test_three_deployments_without_a_gap(host: Host, release: Release) -> None:
    deployed(release.deploy(host, "develop", **SECRETS))
    with Visitor(host.ports["develop"], KEY) as visitor, ThreadPoolExecutor() as pool:
        slow = pool.submit(ask, host, "/mark?after=12", KEY)
        release.commit(mark="second")
        said = deployed(release.deploy(host, "develop", **SECRETS))
        release.commit(mark="third", stalls="")
        failed(release.deploy(host, "develop", **SECRETS, READY_TIMEOUT="3"))
        release.commit(mark="fourth", stalls=None)
        deployed(release.deploy(host, "develop", **SECRETS))
        slow_answer = slow.result()
    assert not visitor.failures
    assert len(visitor.answers) > 50
    assert [mark for mark, _ in groupby(visitor.answers)] == ["first", "second", "fourth"]
    assert slow_answer == (200, '"first"'), "a release finishes what it has begun"
    assert re.search(r"a second release needs 101 MiB; \d+ MiB are free: the new one starts beside", said)
    assert len(host.containers("development")) == 1


def test_too_little_memory_for_two(host: Host, release: Release) -> None:
    deployed(release.deploy(host, "develop", **SECRETS))
    (host.state / "memory").write_text("900.5GiB / 2TiB\n")
    release.commit(mark="second")
    said = deployed(release.deploy(host, "develop", **SECRETS))
    assert re.search(r"needs 1152640 MiB beside 256 MiB to spare; only \d+ MiB are free", said)
    assert "nobody answers until the new one is ready" in said
    assert mark(host) == "second"
    release.commit(mark="third", stalls="")
    said = failed(release.deploy(host, "develop", **SECRETS, READY_TIMEOUT="3"))
    assert "the release before, is in service again" in said
    assert mark(host) == "second"
    said = deployed(release.deploy(host, "develop", "--rollback", **SECRETS))
    assert mark(host) == "first"
    release.commit(mark="fourth", stalls=None)
    said = deployed(release.deploy(host, "develop", **SECRETS, VOZ_SETTINGS="DEPLOY_MEMORY_MB=64"))
    assert "a second release needs 64 MiB" in said
    assert mark(host) == "fourth"


def test_what_a_killed_deployment_left_is_removed(host: Host, release: Release) -> None:
    deployed(release.deploy(host, "develop", **SECRETS))
    release.commit(mark="second", stalls="")
    process = release.deploy(host, "develop", **SECRETS)
    eventually(lambda: len(host.containers("development")) == 2)
    (worker,) = [
        int(file.read_text())
        for file in (host.home / "voz/development/logs").glob("*.pid")
        if Path(f"/proc/{file.read_text().strip()}").exists()
    ]
    os.killpg(worker, signal.SIGKILL)
    assert "the deployment was killed" in failed(process)
    assert mark(host) == "first"
    release.commit(mark="third", stalls=None)
    deployed(release.deploy(host, "develop", **SECRETS))
    assert mark(host) == "third"
    assert len(host.containers("development")) == 1


def deploy_without_a_proxy(host: Host, release: Release) -> None:
    """What the host looks like where an older version has deployed."""
    deployed(release.deploy(host, "develop", **SECRETS))
    (folder,) = (host.home / "voz/development/releases").iterdir()
    host.forget_proxy()
    options = ["--project-name", "voz-development", "--project-directory", str(folder)]
    options += ["--file", str(folder / "docker-compose.yml"), "--env-file", str(folder / ".env")]
    host.docker("compose", *options, "up", "--detach", PORT=str(host.ports["develop"]))
    eventually(lambda: answers(host))


def test_a_proxy_that_does_not_start_in_its_place(host: Host, release: Release) -> None:
    """The release of before has left its port, so it is started again."""
    deploy_without_a_proxy(host, release)
    release.commit(mark="second")
    (host.state / "proxy-fails").touch()
    said = failed(release.deploy(host, "develop", **SECRETS))
    assert "the proxy does not reach it" in said
    assert "the release before, is in service again" in said
    assert mark(host) == "first"


def test_a_release_of_before_there_was_a_proxy(host: Host, release: Release) -> None:
    """It holds the port that the proxy listens on from now on."""
    deploy_without_a_proxy(host, release)
    release.commit(mark="second")
    deployed(release.deploy(host, "develop", **SECRETS))
    assert mark(host) == "second"
    deployed(release.deploy(host, "develop", "--rollback"))
    assert mark(host) == "first"


def test_a_domain_has_https_and_the_port_stays_on_the_host(host: Host, release: Release) -> None:
    deployed(release.deploy(host, "develop", **SECRETS))
    deployed(
        release.deploy(host, "quality", **SECRETS, DOMAIN="voz.invalid", VOZ_SETTINGS="MAX_UPLOAD_MB=300")
    )
    assert mark(host) == "first"
    site = (host.home / "voz/proxy/sites/qa.caddy").read_text()
    assert "voz.invalid {\n" in site
    assert f"http://:{host.ports['quality']} {{\n\tbind 127.0.0.1\n" in site
    assert site.count("max_size 600MB") == 2
    env_file = next((host.home / "voz/qa/releases").glob("*/.env")).read_text()
    assert "PUBLIC_URL='https://voz.invalid'" in env_file
    with pytest.raises(OSError), socket.create_connection((own_address(), host.ports["quality"])):
        pass


@pytest.mark.parametrize(
    ("branch", "environment"),
    [
        ("develop", "development 8001 base dev/"),
        ("quality", "qa 8002 base qa/"),
        ("main", "production 8000 medium prod/"),
    ],
)
def test_the_table_of_branches(branch: str, environment: str) -> None:
    script = 'source deploy/deploy.sh; environment_of "$1"; echo "$environment $port $stt_model $s3_prefix"'
    command = ["bash", "-c", script, "bash", branch]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == environment


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["feature"], {}, "the branch 'feature' has no environment"),
        (["develop"], {"API_KEY": ""}, "API_KEY is not set"),
        (["develop"], {"S3_BUCKET_NAME": "b", "AWS_REGION": ""}, "AWS_REGION is not set"),
        (["develop"], {"LIGHTSAIL_SSH_KEY": ""}, "LIGHTSAIL_SSH_KEY is not set"),
    ],
)
def test_what_cannot_be_deployed(arguments: list[str], environment: dict[str, str], said: str) -> None:
    variables = {"PATH": os.environ["PATH"], "LIGHTSAIL_HOST": "127.0.0.1", "LIGHTSAIL_USERNAME": "nobody"}
    variables |= {"LIGHTSAIL_SSH_KEY": "none", "LIGHTSAIL_PORT": "1"} | SECRETS | environment
    command = [str(REPOSITORY / "deploy" / "deploy.sh"), *arguments]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert KEY not in done.stderr + done.stdout


@pytest.mark.parametrize("name", ["API_KEY", "VOZ_SETTINGS"])
def test_a_value_that_env_cannot_carry_is_refused(served: Host, release: Release, name: str) -> None:
    before = served.calls()
    value = {"API_KEY": "it's", "VOZ_SETTINGS": "not a setting"}[name]
    said = failed(release.deploy(served, "develop", **(SECRETS | {name: value})))
    assert name in said
    assert value not in said
    assert served.calls() == before
