"""What a caller is told about a wrong field: which one, and what to do. All these messages are here."""

from collections.abc import Callable, Mapping
from typing import Any

_JSON = "application/json"
_FORM = "multipart/form-data"


def explain(item: Mapping[str, Any], content_type: str) -> tuple[str, str]:
    """The field and the message for one finding of Pydantic's.

    Args:
        item: as `ValidationError.errors()` lists it; its location begins with `body`, `query` or `path`.
        content_type: of the request.
    """
    place = ".".join(str(part) for part in item["loc"][1:]) or "body"
    sent = content_type.partition(";")[0].strip().lower()
    explained = _EXPLAINED.get(item["type"])
    return explained(place, item, sent) if explained else (place, item["msg"])


def _not_json(_: str, item: Mapping[str, Any], __: str) -> tuple[str, str]:
    reason = item.get("ctx", {}).get("error", "it cannot be read")
    where = item["loc"][-1] if isinstance(item["loc"][-1], int) else None
    at = f" at character {where}" if where is not None else ""
    return "body", f"the body is not JSON: {reason}{at}"


def _not_an_object(place: str, item: Mapping[str, Any], sent: str) -> tuple[str, str]:
    if place != "body":
        return place, item["msg"]
    if sent != _JSON:
        return "body", f"send Content-Type: {_JSON}" + (f"; this is {sent}" if sent else "")
    return "body", 'the body must be a JSON object, such as {"text": "Hello"}'


def _missing(place: str, item: Mapping[str, Any], sent: str) -> tuple[str, str]:
    if place == "file" and sent != _FORM:
        is_that = f"; this is {sent or 'a body without a Content-Type'}"
        return place, f"send {_FORM} with a part named `file`{is_that}"
    if place == "file":
        return place, "there is no part named `file`: with curl, -F file=@recording.wav"
    if place == "body":
        return place, f"send a JSON object as the body, with Content-Type: {_JSON}"
    return place, "this field is required"


def _wrong_value(place: str, item: Mapping[str, Any], _: str) -> tuple[str, str]:
    message = str(item["msg"]).removeprefix("Value error, ")
    if "Expected UploadFile" in message:
        return (
            place,
            # RFC 7578, 4.2 forbids `filename*`
            f"the part `{place}` has no `filename` (`filename*` is not for forms), so it is no file: "
            f"with curl, -F {place}=@recording.wav",
        )
    return place, message


def _unknown_field(place: str, _: Mapping[str, Any], __: str) -> tuple[str, str]:
    return place, "this route has no such field"


_EXPLAINED: dict[str, Callable[[str, Mapping[str, Any], str], tuple[str, str]]] = {
    "json_invalid": _not_json,
    "model_attributes_type": _not_an_object,
    "dict_type": _not_an_object,
    "model_type": _not_an_object,
    "missing": _missing,
    "value_error": _wrong_value,
    "extra_forbidden": _unknown_field,
}
"""Messages by the type of Pydantic's error."""
