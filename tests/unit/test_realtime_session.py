"""The session object of the Realtime API: what a client may change, and what it becomes."""

import time
from typing import Any

import numpy as np
import pytest

from src.access.client_secrets import ClientSecret, ClientSecrets
from src.api.live.pcm import Encoding, PcmStream
from src.api.openai.realtime.session import RealtimeSession
from src.engines.base import EngineInfo
from src.errors import InvalidInput, UnknownModel
from src.services.model_names import Catalogue

INFO = EngineInfo("whisper", "base", "cpu", "int8", ("en", "es"))


def session(**begun: Any) -> RealtimeSession:
    return RealtimeSession(Catalogue(INFO, (), {}), INFO.languages, (), begun or None)


def audio(**fields: Any) -> dict[str, Any]:
    return {"audio": {"input": fields}}


def test_it_begins_as_at_openai() -> None:
    one = session()
    assert one.options.turn_detection is not None
    assert one.options.turn_detection.silence_seconds == 0.5
    assert one.format == ("audio/pcm", 24_000)
    assert one.options.stt.language is None


def test_what_is_absent_stays_and_null_turns_off() -> None:
    one = session()
    one.update(audio(transcription={"language": "es-MX"}))
    one.update(audio(turn_detection=None))
    assert one.options.stt.language == "es"
    assert one.options.turn_detection is None
    assert one.shown["audio"]["input"]["transcription"]["model"] == "whisper-1"
    one.update(audio(transcription={"language": None}))
    assert one.options.stt.language is None


def test_semantic_vad_replaces_the_fields_of_server_vad() -> None:
    one = session()
    one.update(audio(turn_detection={"type": "semantic_vad", "eagerness": "high"}))
    assert one.shown["audio"]["input"]["turn_detection"] == {"type": "semantic_vad", "eagerness": "high"}
    assert one.options.turn_detection is not None
    assert one.options.turn_detection.unfinished_seconds == 2.0


@pytest.mark.parametrize(
    ("change", "param"),
    [
        (
            audio(turn_detection={"type": "server_vad", "threshold": 3}),
            "session.audio.input.turn_detection.threshold",
        ),
        (audio(format={"type": "audio/mp3"}), "session.audio.input.format.type"),
        (audio(transcription={"language": "klingon"}), "session.audio.input.transcription.language"),
        (audio(transcription={"delay": "never"}), "session.audio.input.transcription.delay"),
    ],
)
def test_a_wrong_field_is_named_and_changes_nothing(change: dict[str, Any], param: str) -> None:
    one = session()
    before = one.shown
    with pytest.raises(InvalidInput) as refused:
        one.update(change)
    assert refused.value.field == param
    assert one.shown is before


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UnknownModel):
        session().update(audio(transcription={"model": "tts-1"}))


def test_a_client_secret_says_what_its_key_made_of_it() -> None:
    digests = {"phone": b"1" * 32}
    secrets = ClientSecrets(digests.get)
    now = int(time.time())
    made = secrets.make(ClientSecret("phone", now + 60, {"type": "transcription"}))
    read = secrets.read(made)
    assert read is not None
    assert (read.key_name, read.session) == ("phone", {"type": "transcription"})
    assert secrets.read(made[:-2]) is None
    assert secrets.read("ek_" + made) is None
    assert secrets.read(secrets.make(ClientSecret("phone", now - 1, {}))) is None
    digests["phone"] = b"2" * 32
    assert secrets.read(made) is None, "the key was replaced"
    digests.clear()
    assert secrets.read(made) is None, "the key is gone"


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_pcm_of_any_rate_in_any_pieces_is_the_same(rate: int) -> None:
    samples = (0.3 * np.sin(np.arange(rate) * 2 * np.pi * 440 / rate) * 32767).astype("<i2").tobytes()
    whole = PcmStream(rate=rate).push(samples)
    stream = PcmStream(rate=rate)
    pieces = np.concatenate([stream.push(samples[at : at + 333]) for at in range(0, len(samples), 333)])
    length = min(len(whole), len(pieces))
    assert length > 15_000
    assert np.allclose(whole[:length], pieces[:length], atol=2e-4)


@pytest.mark.parametrize("encoding", [Encoding.MULAW, Encoding.ALAW])
def test_telephone_encodings_are_read(encoding: Encoding) -> None:
    quiet = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5"}[encoding]
    audio_ = PcmStream(encoding, 8_000).push(quiet * 8_000)
    assert len(audio_) > 15_000
    assert np.abs(audio_).max() < 0.01
