"""Dashboard, alerts and Prometheus' settings fit what a running server exports, and what compose does."""

import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from src.config import Settings
from src.engines.models import Models
from src.observability.metrics import BatchMetrics
from tests.support.deploy_host import REPOSITORY
from tests.support.server import KEY, OTHER_KEY, RunningServer, app_with, serve

MONITORING = REPOSITORY / "deploy" / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana" / "dashboards" / "voz.json").read_text())
OF_PROMETHEUS = {"up"}
"""Made by Prometheus itself."""
ADDED_BY_A_SCRAPE = {"job", "instance"}


def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


COMPOSE = yaml(REPOSITORY / "docker-compose.yml")
ALERTS = yaml(MONITORING / "alerts.yml")["groups"][0]["rules"]
PROMETHEUS = yaml(MONITORING / "prometheus.yml")


def queries() -> dict[str, str]:
    """Where a query stands -> the query."""
    found = {alert["alert"]: alert["expr"] for alert in ALERTS}
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            name = f"{panel['title']} {target['refId']}"
            found[name] = target["expr"].replace("$__rate_interval", "5m")  # Grafana's own variable
    return found


QUERIES = queries()


def used(query: str) -> tuple[dict[str, set[str]], set[str]]:
    """Metrics with the labels that they are selected by, and the labels that results are kept by."""
    metrics: dict[str, set[str]] = {}
    kept: set[str] = set()

    def visit(expression: Any) -> None:
        if isinstance(expression, promql_parser.VectorSelector):
            matchers = {matcher.name for matcher in expression.matchers.matchers}
            metrics.setdefault(str(expression.name), set()).update(matchers)
        elif isinstance(expression, promql_parser.AggregateExpr) and expression.modifier:
            kept.update(expression.modifier.labels)

    promql_parser.walk(promql_parser.parse(query), visit)
    return metrics, kept


@pytest.fixture(scope="module")
def exported(models: Models, make_settings: Callable[..., Settings]) -> Iterator[dict[str, set[str]]]:
    """Name of a sample -> its labels, from a server which has done something of everything."""
    with serve(app_with(models, make_settings(rate_limit="60/minute"))) as server:
        text = {"text": "Somebody has to watch this.", "language": "en"}
        with server.client() as client:
            spoken = client.post("/tts", json=text).json()
            assert client.post("/tts", json=text).json()["cached"]
            speech = client.get(spoken["url"]).content
            assert client.post("/stt", files={"file": speech}).status_code == 200
            job = client.post("/jobs", json={"type": "speech", **text}).json()
            end = time.monotonic() + 60
            while client.get(f"/jobs/{job['id']}").json()["state"] != "succeeded":
                assert time.monotonic() < end
                time.sleep(0.5)
        leave(server)
        with server.client(OTHER_KEY) as client:
            answers = [client.get("/models").status_code for _ in range(61)]
            assert answers[-1] == 429
        BatchMetrics().retried("kokoro")  # as its engine does; no text makes it happen on demand
        yield scrape(server)


def leave(server: RunningServer) -> None:
    long = {"text": "Nobody waits for the end of this. " * 40, "language": "en"}
    with server.client() as client, pytest.raises(httpx.ReadTimeout):
        client.post("/tts", json=long, timeout=httpx.Timeout(60, read=1))
    end = time.monotonic() + 60
    while "voz_cancelled_requests_total" not in scrape(server):
        assert time.monotonic() < end, "the caller has left, and nobody noticed"
        time.sleep(0.1)


def scrape(server: RunningServer) -> dict[str, set[str]]:
    """As Prometheus does it."""
    with server.client(key=None) as client:
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.models
def test_every_metric_and_label_in_a_query_is_exported(exported: dict[str, set[str]]) -> None:
    unknown = []
    for where, query in QUERIES.items():
        metrics, kept = used(query)
        assert metrics
        for name, matched in metrics.items():
            if name in OF_PROMETHEUS:
                continue
            labels = exported.get(name)
            if labels is None:
                unknown.append(f"{where}: {name}")
            elif missing := (matched | kept) - labels - ADDED_BY_A_SCRAPE:
                unknown.append(f"{where}: {name} has no {missing}")
    assert not unknown


@pytest.mark.models
def test_every_metric_is_shown(exported: dict[str, set[str]]) -> None:
    shown = {name for query in QUERIES.values() for name in used(query)[0]}
    # of a histogram one kind is enough, and nobody wants to see when a series was made
    families = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in exported}
    families -= {name.removesuffix("_total") for name in families if name.endswith("_total")}
    assert len(families) > 20
    assert families <= {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}


def test_the_dashboard_is_one_that_grafana_can_show() -> None:
    panels = DASHBOARD["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids)
    provisioned = yaml(MONITORING / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    uids = {source["uid"] for source in provisioned}
    shown = [panel for panel in panels if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in shown} <= uids
    covered: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & covered, f"{panel['title']} lies over another panel"
        covered |= cells


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"]
    todo = alert["annotations"]["description"]
    assert re.search(r"`[^`]+`", todo), "a command, or a file"
    [page] = re.findall(r"docs/operations/[a-z-]+\.md", todo)
    assert (REPOSITORY / page).is_file()


def test_each_alert_is_in_the_handbook() -> None:
    handbook = (REPOSITORY / "docs" / "operations" / "watch.md").read_text()
    assert {alert["alert"] for alert in ALERTS} == set(re.findall(r"`(Voz[A-Z]\w+)`", handbook))


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({"API_KEY": "the-only-key"}, "the-only-key"),
        ({"API_KEY": "the-first-key, the second"}, "the-first-key"),
        ({"API_KEY": "the-first-key", "METRICS_KEY": "for-metrics-only"}, "for-metrics-only"),
        ({"METRICS_KEY": "for-metrics-only", "API_KEY": ""}, "for-metrics-only"),
    ],
)
def test_prometheus_finds_the_key_of_env(tmp_path: Path, environment: dict[str, str], key: str) -> None:
    """What compose runs in Prometheus' container, with another folder and another Prometheus."""
    service = COMPOSE["services"]["prometheus"]
    [job] = PROMETHEUS["scrape_configs"]
    there = Path(job["authorization"]["credentials_file"])
    assert there.parent == Path("/dev/shm"), "memory, and every container has it"
    shell, options, script, name = (part.replace("$$", "$") for part in service["entrypoint"])
    stand_in = tmp_path / "prometheus"
    stand_in.write_text('#!/bin/sh\necho "$@"\nenv\n')
    stand_in.chmod(0o755)
    done = subprocess.run(
        [shell, options, script.replace(str(there.parent), str(tmp_path)), name, *service["command"]],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "METRICS_KEY": "", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    written = tmp_path / there.name
    assert written.read_text() == key
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert done.stdout.splitlines()[0] == " ".join(service["command"])
    assert key not in done.stdout, "Prometheus itself has no use for it"


@pytest.mark.parametrize("timeout", ["", "0", "30", "45.5", "600"])
def test_docker_waits_longer_than_the_server_needs_to_stop(timeout: str) -> None:
    written = COMPOSE["services"]["voz"]["stop_grace_period"]
    match = re.fullmatch(r"(\d+)m\$\{SHUTDOWN_TIMEOUT:-(\d+)\}s", written)
    assert match is not None
    asked = os.environ | {"API_KEY": KEY, "SHUTDOWN_TIMEOUT": timeout}
    config = subprocess.run(
        [sys.executable, "-c", "import runpy; print(runpy.run_path('gunicorn.conf.py')['graceful_timeout'])"],
        cwd=REPOSITORY,
        env=asked,
        capture_output=True,
        text=True,
        check=True,
    )
    grace = 60 * int(match[1]) + float(timeout or match[2])
    assert grace >= float(timeout or match[2]) + 20
    assert grace > int(config.stdout)
    default = Settings.model_fields["shutdown_timeout"].default
    assert float(match[2]) == default
