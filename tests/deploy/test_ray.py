"""The configuration of Ray Serve: what the files say is what the application takes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.config import Settings
from src.errors import ConfigurationError
from tests.support.deploy_host import REPOSITORY

pytest.importorskip("ray", reason="requirements-ray.txt is not installed")

FILES = sorted((REPOSITORY / "deploy" / "ray").glob("*.yaml"))


def configuration(file: Path) -> dict[str, Any]:
    document = next(iter(yaml.safe_load_all(file.read_text())))
    if document.get("kind") == "RayService":
        document = yaml.safe_load(document["spec"]["serveConfigV2"])
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_names_the_deployments_and_arguments_that_there_are(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray._common.utils import import_attr
    from ray.serve._private.api import call_user_app_builder_with_args_if_necessary
    from ray.serve.schema import ServeDeploySchema

    from src.cluster.application import NAME

    ServeDeploySchema.model_validate(configuration(file))
    monkeypatch.setenv("API_KEY", "a-key-of-the-test")
    monkeypatch.setenv("CLUSTER_OPEN", "true")
    [application] = configuration(file)["applications"]
    assert application["name"] == NAME
    builder = import_attr(application["import_path"])
    built = call_user_app_builder_with_args_if_necessary(builder, application["args"])
    names = {"Api", *(argument._bound_deployment.name for argument in built._bound_deployment.init_args[:2])}
    assert names == {"Api", "SpeechToText", "TextToSpeech"}
    assert {one["name"] for one in application.get("deployments", [])} <= names


def test_the_manifest_has_the_version_that_is_pinned() -> None:
    pinned = re.search(
        r"^ray\[serve\]==(\S+)", (REPOSITORY / "requirements-ray.txt").read_text(), re.MULTILINE
    )
    manifest = next(iter(yaml.safe_load_all((REPOSITORY / "deploy" / "ray" / "kuberay.yaml").read_text())))
    assert pinned is not None
    assert manifest["spec"]["rayClusterConfig"]["rayVersion"] == pinned[1]
    assert manifest["spec"]["rayClusterConfig"]["authOptions"] == {"mode": "token"}


def test_the_environment_of_ray_is_the_same_wherever_it_is_started() -> None:
    from src.cluster.environment import DEFAULTS

    guide = (REPOSITORY / "docs" / "scale.md").read_text()
    manifest = next(iter(yaml.safe_load_all((REPOSITORY / "deploy" / "ray" / "kuberay.yaml").read_text())))
    cluster = manifest["spec"]["rayClusterConfig"]
    for name, value in DEFAULTS.items():
        assert f"{name}={value}" in guide
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        [container] = group["template"]["spec"]["containers"]
        given = {one["name"]: one["value"] for one in container["env"]}
        # the operator sets the mode of authentication (authOptions)
        assert given | {"RAY_AUTH_MODE": "token"} == DEFAULTS


def settings(tmp_path: Path, **given: Any) -> Settings:
    values: dict[str, Any] = {"api_key": "a-key-of-the-test", "data_dir": tmp_path}
    return Settings(_env_file=None, **(values | given))


def test_without_authentication_of_ray_it_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from src.cluster.startup_checks import check_access

    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(ConfigurationError, match="RAY_AUTH_MODE=token"):
        check_access(settings(tmp_path))
    check_access(settings(tmp_path, cluster_open=True))


def test_files_on_one_machine_are_refused_where_there_are_several(tmp_path: Path) -> None:
    from src.cluster.startup_checks import check_folders

    local = settings(tmp_path, storage="local")
    check_folders(local, ["one", "one"])
    with pytest.raises(ConfigurationError, match="2 machines cannot share a local STORAGE_DIR"):
        check_folders(local, ["one", "two"])
    shared = settings(tmp_path, storage="local", cluster_shared_folders=True)
    with pytest.raises(ConfigurationError, match="JOBS_DATABASE_URL"):
        check_folders(shared, ["one", "two"])
    jobs = {"jobs_database_url": "postgresql://user@host/jobs"}
    check_folders(settings(tmp_path, storage="local", cluster_shared_folders=True, **jobs), ["one", "two"])
    check_folders(settings(tmp_path, storage="s3", s3_bucket_name="bucket", **jobs), ["one", "two"])


def test_limits_that_each_machine_counts_alone_are_told(tmp_path: Path) -> None:
    from src.cluster.startup_checks import warnings

    assert warnings(settings(tmp_path, rate_limit="5/minute"), ["one"]) == []
    assert warnings(settings(tmp_path), ["one", "two"]) == []
    [warning] = warnings(settings(tmp_path, rate_limit="5/minute"), ["one", "two"])
    assert "RATE_LIMIT_STORAGE" in warning
    counted = settings(tmp_path, rate_limit="5/minute", rate_limit_storage="redis://host")
    assert warnings(counted, ["one", "two"]) == []
