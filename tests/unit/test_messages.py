"""Every message of the catalogue, read as a caller would: it names the field and says what to do."""

from typing import Any

import pytest

from src.api.messages import _EXPLAINED, explain

JSON, FORM = "application/json; charset=utf-8", "multipart/form-data; boundary=b"
NO_FILENAME = "Value error, Expected UploadFile, received: <class 'str'>"


def finding(kind: str, *place: str | int, msg: str = "Pydantic's own words", **more: Any) -> dict[str, Any]:
    return {"type": kind, "loc": ("body", *place), "msg": msg, **more}


TEXTS = [
    (finding("json_invalid", 13, ctx={"error": "Expecting"}), JSON, "body", "Expecting at character 13"),
    (finding("json_invalid"), JSON, "body", "the body is not JSON: it cannot be read"),
    (finding("model_attributes_type"), "text/plain", "body", "application/json; this is text/plain"),
    (finding("model_attributes_type"), "", "body", "send Content-Type: application/json"),
    (finding("dict_type"), JSON, "body", 'the body must be a JSON object, such as {"text": "Hello"}'),
    (finding("model_type", "options"), JSON, "options", "Pydantic's own words"),
    (finding("missing", "file"), "audio/wav", "file", "with a part named `file`; this is audio/wav"),
    (finding("missing", "file"), "", "file", "named `file`; this is a body without a Content-Type"),
    (finding("missing", "file"), FORM, "file", "no part named `file`: with curl, -F file=@recording.wav"),
    (finding("missing"), "", "body", "send a JSON object as the body, with Content-Type: application/json"),
    (finding("missing", "text"), JSON, "text", "this field is required"),
    (finding("value_error", "file", msg=NO_FILENAME), FORM, "file", "has no `filename`"),
    (finding("value_error", "file", msg=NO_FILENAME), FORM, "file", "with curl, -F file=@recording.wav"),
    (finding("value_error", "at", msg="Value error, choose a time"), "", "at", "choose a time"),
    (finding("extra_forbidden", "sped"), JSON, "sped", "this route has no such field"),
    (finding("less_than_equal", "speed"), JSON, "speed", "Pydantic's own words"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "content_type", "field", "text"), TEXTS)
def test_a_message_names_the_field_and_what_to_do(
    item: dict[str, Any], content_type: str, field: str, text: str
) -> None:
    place, message = explain(item, content_type)
    assert place == field
    assert text in message
    assert "Value error" not in message


def test_every_entry_of_the_catalogue_is_read_here() -> None:
    assert {item["type"] for item, *_ in TEXTS} >= set(_EXPLAINED)
