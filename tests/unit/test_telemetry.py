"""Logs: for a person, for a machine, and never with a key in them."""

import json
import logging
from collections.abc import Iterator

import pytest

from src.observability.telemetry import annotate, begin_request, configure_logging, origin

SECRET = "s3cr3t-k3y"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("uvicorn.access").disabled = False


def log_line(capsys: pytest.CaptureFixture[str], as_json: bool) -> str:
    configure_logging("INFO", as_json, secrets=[SECRET])
    begin_request("id-7")
    try:
        raise PermissionError(f"refused {SECRET}")
    except PermissionError:
        logging.getLogger("anybody").exception("key %s", SECRET, extra={"header": SECRET, "ms": 12})
    return capsys.readouterr().err


def test_a_machine_can_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    line = json.loads(log_line(capsys, as_json=True))
    assert (line["event"], line["level"], line["logger"]) == ("key [key]", "error", "anybody")
    assert (line["request_id"], line["ms"]) == ("id-7", 12)
    assert line["exception"][0]["exc_value"] == "refused [key]"


def test_a_person_can_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    said = log_line(capsys, as_json=False)
    assert "request_id=id-7" in said
    assert "PermissionError: refused [key]" in said


@pytest.mark.parametrize("as_json", [True, False])
def test_no_line_holds_a_key(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    assert SECRET not in log_line(capsys, as_json)


def test_debug_is_quiet_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", as_json=False)
    logging.getLogger("anybody").debug("detail")
    logging.getLogger("uvicorn.access").info("GET / 200")
    assert capsys.readouterr().err == ""


def test_facts_reach_the_line_of_their_own_request() -> None:
    annotations = begin_request("a")
    annotate(audio_seconds=2.5)
    other = begin_request("b")
    annotate(audio_seconds=1.0)
    assert (annotations, other) == ({"audio_seconds": 2.5}, {"audio_seconds": 1.0})


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_nothing_of_what_a_caller_wrote(
    capsys: pytest.CaptureFixture[str], as_json: bool, level: str
) -> None:
    configure_logging(level, as_json)
    letter = "my private" + " letter"  # the source lines of a traceback are shown
    words: dict[str, int] = {}
    try:
        try:
            try:
                words[letter]
            except KeyError as error:
                raise OSError("no space left") from error
        except OSError:
            parts = [ValueError(letter), ValueError(f"CUDA, says {letter}"), RuntimeError("CUDA error 7")]
            group = ExceptionGroup("letters", parts)
            group.add_note(letter)
            raise group  # noqa: B904
    except ExceptionGroup:
        logging.getLogger("anybody").exception("it failed")
    said = capsys.readouterr().err
    for shown in ("it failed", "KeyError", "ValueError", "no space left", "CUDA error 7", "test_telemetry"):
        assert shown in said
    assert (letter in said) == (level == "DEBUG")


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "<built-in method read of Letter(text='{}') object> returned a result with an exception set",
            "<built-in method read of Letter...> returned a result with an exception set",
        ),
        (
            "Letter(text='<class x> {}')\n returned NULL without setting an exception",
            "<...> returned NULL without setting an exception",
        ),
        (
            "../Objects/tupleobject.c:927: bad argument to internal function",
            "tupleobject.c:927: bad argument",
        ),
    ],
)
def test_what_the_interpreter_says_of_broken_c_code_is_logged(
    capsys: pytest.CaptureFixture[str], as_json: bool, message: str, shown: str
) -> None:
    configure_logging("INFO", as_json)
    letter = "my private" + " letter"
    try:
        raise SystemError(message.format(letter)) from ResourceWarning(letter)
    except SystemError as error:
        logging.getLogger("anybody").exception("unexpected %s", origin(error))
        first = origin(error)
    said = capsys.readouterr().err
    assert said.count(shown) >= 2  # in the line, and in the traceback
    assert letter not in said
    assert shown in first
    place = "(in test_what_the_interpreter_says_of_broken_c_code_is_logged, tests/unit/test_telemetry.py:"
    assert place in first
    assert first.endswith(", from ResourceWarning")


def test_a_message_that_only_sounds_like_the_interpreters_is_not_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("INFO", True)
    letter = "my private" + " letter"  # the source lines of a traceback are shown
    try:
        raise SystemError(f"{letter}: bad argument to internal function")
    except SystemError as error:
        logging.getLogger("anybody").exception("unexpected %s", origin(error))
    said = capsys.readouterr().err
    assert "unexpected SystemError" in said
    assert letter not in said
