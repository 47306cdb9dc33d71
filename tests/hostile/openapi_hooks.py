"""What `schemathesis` cannot make up by itself: speech, the codes of languages, a text with a word in it.

Loaded by `schemathesis`, in a process of its own. A request that is meant to be right is made right in what
an OpenAPI document has no words for, so that it must be answered with 200. One that is meant to be wrong goes
as it is. Of the requests that cover the document, those that repeat another one are left out.
"""

import ast
import copy
import re
import threading
from collections import defaultdict
from typing import Any, cast

import numpy as np
import schemathesis
from schemathesis.generation.meta import CoveragePhaseData

from tests.support.audio import wav_around
from tests.support.speech import clip

LANGUAGES = ("en", "es", "EN", " En ")
"""English is spoken. Only one is another language, because a doubtful text is decoded several times."""
EXAMPLES = ("Hello, and welcome to Voz.", "Hola, te damos la bienvenida a Voz.")
"""Of the document: sent again and again, and long."""
WORD = "Yes"
_MOST_CHARACTERS = 8

_parse = ast.parse
_one_parses = threading.Lock()


def _parse_alone(*arguments: Any, **options: Any) -> Any:
    """Python 3.11 counts how deep a tree is for all threads together, and raises if two are made at once."""
    with _one_parses:
        return _parse(*arguments, **options)


ast.parse = _parse_alone


def speech() -> str:
    """Two seconds of speech as a WAV file of 7-bit bytes.

    `schemathesis` takes anything but text for a mistake, whatever the document says of a file.
    """
    audio = np.resize(clip("en-extended")[::2], 0x4000)
    samples = np.round(64 + 62 * audio / np.abs(audio).max()).astype(np.uint8)
    return wav_around(samples.tobytes(), 8_000, bits=8).decode("ascii")


SPEECH = speech()


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """Called by `schemathesis` before each request."""
    if _is_right(case) and isinstance(case.body, dict):
        if case.path == "/jobs" and case.headers:
            case.headers.pop("Idempotency-Key", None)  # what repeats it must repeat the request
        case.body = _made_right(case.path, cast(Any, case.body))


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Called by `schemathesis` for each case that it makes: whether the case is to be sent.

    Right requests are left out that equal another one, once they have been made right. Wrong ones are left
    out that make the same mistake in the same field: the alternatives of a schema (a value or null; a job of
    either kind) have fields in common. In a batch of jobs each set of fields is right once, and each field
    has each kind of mistake once: its jobs are those that are also sent alone.
    """
    meta = case.meta
    if meta is None or not isinstance(meta.phase.data, CoveragePhaseData):
        return True
    about, place = meta.phase.data, meta.phase.data.location
    kind: Any
    if _is_right(case):
        body: Any = copy.deepcopy(case.body)
        if isinstance(body, dict):
            body = _made_right(case.path, body)
            if len(batch := body.get("jobs", ())) == 1:
                body = sorted(batch[0])
        kind = (case.path_parameters, case.query, case.headers, case.media_type, body)
    elif place is not None:
        field = re.sub(r"/(anyOf|oneOf|allOf)/\d+", "", place)
        wrong = "" if "/items/" in field else type(_value_at(case.body, place)).__name__
        kind = (case.media_type, about.parameter, about.scenario, field, wrong)
    else:
        return True
    with _seen_lock:
        seen = _seen[case.method, case.path]
        new = repr(kind) not in seen
        seen.add(repr(kind))
    return new


_seen_lock = threading.Lock()
_seen: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
"""Kinds of requests that are sent, by operation."""


def _is_right(case: schemathesis.Case[Any]) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def _value_at(body: Any, place: str) -> Any:
    """What a body has where a JSON pointer into its schema points to."""
    steps = iter(place.split("/"))
    for step in steps:
        if step == "properties" and isinstance(body, dict):
            body = body.get(next(steps))
    return body


def _made_right(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body of a request that is meant to be right, with what the document has no words for."""
    body.pop("timestamps", None)  # nothing is said in a tone
    if body.get("lexicon"):
        body["lexicon"] = {"en": {WORD: "yeah"}, "SQL": "sequel"}
    if path == "/jobs":
        body = _submission(body)
    if "file" in body:
        body["file"] = SPEECH
        if body.get("language"):
            body["language"] = _code(body["language"])
        if body.get("languages"):
            body["languages"] = [_code(language) for language in body["languages"]]
        body.pop("track", None)
        if "model" in body:
            body["model"] = "whisper-1"
            _fit_together(body)
    elif "input" in body:
        body |= {"model": "tts-1", "voice": "alloy", "input": f"{body['input'][:_MOST_CHARACTERS]} {WORD}"}
        if body.get("language"):
            body["language"] = "en"
    elif "text" in body and "type" not in body:
        text = "" if body["text"] in EXAMPLES else body["text"][:_MOST_CHARACTERS]
        body["text"] = f"{text} {WORD}"
        if body.get("language"):
            body["language"] = "en"
        if body.get("voice"):
            body["voice"] = "speaker-en"
    return body


def _submission(body: dict[str, Any]) -> dict[str, Any]:
    """One job, or a batch of them, that can be taken, though not every one can be done."""
    if "file" in body:
        return {name: value for name, value in body.items() if name not in ("callback_url", "metadata")}
    if "jobs" in body:
        return {"jobs": [_job(job) for job in body["jobs"]]}
    return _job(body)


_NOT_FOR_SURE = frozenset({"url", "callback_url", "language", "languages"})
"""Fields of a job whose values may be wrong in ways that the document has no words for."""


def _job(job: dict[str, Any]) -> dict[str, Any]:
    if job["type"] == "speech":
        return {"type": "speech", "text": WORD, "language": "en", "priority": job.get("priority", 0)}
    job = {name: value for name, value in job.items() if name not in _NOT_FOR_SURE}
    return job | {"key": "calls/a.wav"}


def _fit_together(body: dict[str, Any]) -> None:
    """Fields of OpenAI's form that may not stand beside each other, or only have a few values."""
    body["response_format"] = "json"
    for name in ("known_speaker_names", "known_speaker_references"):
        body.pop(name, None)
    if "chunking_strategy" in body:
        body["chunking_strategy"] = "auto"


def _code(language: str) -> str:
    """Always the same for the same text, so that a run can be repeated."""
    return LANGUAGES[len(language) % len(LANGUAGES)]
