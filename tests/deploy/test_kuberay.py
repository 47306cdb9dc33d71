"""KubeRay's manifest against schemas: of `RayService`, and Kubernetes' own of pods and services."""

import copy
import json
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from jsonschema import Draft7Validator, ValidationError

from tests.support.deploy_host import REPOSITORY

KUBERNETES = "1.34"
SCHEMA = Path(__file__).parent.parent / "data" / "kuberay-fields.json"
"""The fields of KubeRay's `RayService` (ray.io/v1) that the manifest uses, with their types, and no others.

Written by hand from the CustomResourceDefinition of KubeRay 1.7.0, which is one megabyte. Of pods it says
nothing: Kubernetes' own schema does.
"""

service, balancer = yaml.safe_load_all((REPOSITORY / "deploy" / "ray" / "kuberay.yaml").read_text())


def check(manifest: dict[str, Any]) -> None:
    """Raises a `ValidationError` for a field that is unknown, missing or of another type."""
    Draft7Validator(json.loads(SCHEMA.read_text())).validate(manifest)
    cluster = manifest["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        template = group["template"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "ray", **template.get("metadata", {})},
            "spec": template["spec"],
        }
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_the_manifest_has_the_fields_that_kuberay_and_kubernetes_know() -> None:
    check(service)
    kubernetes_validate.validate(balancer, KUBERNETES, strict=True)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "serveConfig"), "x"),
        (("spec", "rayClusterConfig", "rayVersion"), 2.6),
        (("spec", "rayClusterConfig", "authOptions", "mode"), "tokens"),
        (("spec", "rayClusterConfig", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
        (("spec", "rayClusterConfig", "workerGroupSpecs", 0, "replica"), 1),
        (("spec", "rayClusterConfig", "workerGroupSpecs", 0, "template", "spec", "containers", 0, "port"), 1),
        (
            (
                "spec",
                "rayClusterConfig",
                "workerGroupSpecs",
                1,
                "template",
                "spec",
                "containers",
                0,
                "env",
                0,
            ),
            {"name": "RAY_USAGE_STATS_ENABLED", "value": 0},
        ),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_found(path: tuple[Any, ...], value: Any) -> None:
    changed = copy.deepcopy(service)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises((ValidationError, kubernetes_validate.ValidationError)):
        check(changed)


def test_the_operator_reaches_the_dashboard_which_takes_the_configuration() -> None:
    cluster = service["spec"]["rayClusterConfig"]
    assert cluster["headGroupSpec"]["rayStartParams"].get("dashboard-host", "0.0.0.0") == "0.0.0.0"
    assert cluster["authOptions"] == {"mode": "token"}


def test_the_service_sends_to_the_pods_that_serve_http() -> None:
    [http] = [
        group
        for group in service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
        if balancer["spec"]["selector"].items()
        <= group["template"].get("metadata", {}).get("labels", {}).items()
    ]
    assert json.loads(json.loads(http["rayStartParams"]["resources"])) == {"http": 1}
    [container] = http["template"]["spec"]["containers"]
    assert {port["name"] for port in container["ports"]} == {balancer["spec"]["ports"][0]["targetPort"]}
