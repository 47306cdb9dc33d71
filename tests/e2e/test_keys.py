"""Every route of the OpenAPI document: without a key, with a wrong one, with each right one."""

from typing import Any

import pytest

from tests.support.server import KEY, OTHER_KEY, RunningServer

PUBLIC = {"/health/live", "/health/ready", "/files/{key}"}


def routes(server: RunningServer) -> list[tuple[str, str, dict[str, Any]]]:
    with server.client(None) as client:
        document = client.get("/openapi.json").json()
    found = [
        (method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    assert len(found) >= 8
    return found


@pytest.mark.models
def test_who_may_come_in(voz: RunningServer) -> None:
    with voz.client(None) as client:
        for method, path, operation in routes(voz):
            url = path.replace("{key}", "2026/01/01/none.wav")
            statuses = {
                key: client.request(method, url, headers={"X-API-Key": key} if key else {}).status_code
                for key in (None, "", "wrong", KEY[:-1], KEY, OTHER_KEY)
            }
            if path in PUBLIC:
                assert 401 not in statuses.values(), (method, path)
                continue
            refused = {key for key, status in statuses.items() if status == 401}
            assert refused == {None, "", "wrong", KEY[:-1]}, (method, path, statuses)
            assert "401" in operation["responses"], f"{method} {path} does not list 401"
            assert operation["security"][0] == {"ApiKey": []}, (method, path)


@pytest.mark.models
def test_a_key_in_the_query_string_opens_nothing(voz: RunningServer) -> None:
    with voz.client(None) as client:
        assert client.get("/models", params={"X-API-Key": KEY, "api_key": KEY}).status_code == 401


@pytest.mark.models
def test_every_field_and_every_error_is_described(voz: RunningServer) -> None:
    with voz.client(None) as client:
        document = client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["ApiKey"]["name"] == "X-API-Key"
    for method, path, operation in routes(voz):
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)
        for status, response in operation["responses"].items():
            assert response["description"] not in ("", "Successful Response") or status == "200"
    form = document["components"]["schemas"]["Body_transcribe_stt_post"]["properties"]
    undescribed = [name for name, field in form.items() if not field.get("description")]
    assert undescribed == []
