"""Every error of the tree has a status, and says what was wrong and nothing more."""

import json

import pytest

from src import errors
from src.api.errors import describe, failure_of, problems, render
from src.errors import VozError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, VozError)]
ROOTS = {VozError, errors.StartupError, errors._Unavailable}


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind not in ROOTS], ids=lambda kind: kind.__name__
)
def test_every_error_that_a_request_can_meet_has_a_status(kind: type[VozError]) -> None:
    status, name, title = describe(kind("why"))
    if issubclass(kind, errors.StartupError):
        assert status == 500
    else:
        assert (name, title) != ("internal", "Internal error")
        assert 400 <= status < 600


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = {
        word
        for line in (errors.__doc__ or "").splitlines()
        if "──" in line
        for word in [line.split("── ")[1].split()[0]]
    }
    made = {
        name for name, item in vars(errors).items() if isinstance(item, type) and issubclass(item, VozError)
    }
    assert drawn == made - {"VozError", "_Unavailable"}


def test_a_problem_says_what_when_and_which_request() -> None:
    response = render(failure_of(errors.Overloaded("the queue is full", retry_after=7.4)), "id-1")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "7"
    assert response.headers["content-type"] == "application/problem+json"
    assert json.loads(bytes(response.body)) == {
        "type": "urn:voz:overloaded",
        "title": "Too much work at once",
        "status": 503,
        "detail": "the queue is full",
        "request_id": "id-1",
    }


def test_an_unexpected_error_tells_nothing() -> None:
    response = render(failure_of(ValueError("/etc/passwd: password is hunter2")), "id-2")
    assert response.status_code == 500
    assert b"hunter2" not in response.body
    assert b"id-2" in response.body


def test_documented_statuses_have_descriptions() -> None:
    assert all(
        entry["description"] for entry in problems(401, 403, 404, 413, 415, 422, 429, 500, 503).values()
    )
