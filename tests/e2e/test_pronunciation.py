"""Pauses, phonemes and lexicons over a socket: Kokoro's real weights, and Coqui models as released."""

import base64
import io
import json
import wave
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from src.config import Settings
from src.engines.base import Audio
from tests.support.server import RunningServer, app_with, background, serve

if TYPE_CHECKING:
    from src.engines.models import Models
    from src.weights.store import CoquiFiles

pytestmark = pytest.mark.models

MARKED = "The [kettle](/kˈɛtəl/) is hot. [pause:1.5s] We can have our tea."
UNMARKED = "The kettle is hot. We can have our tea."


def samples(content: bytes) -> Audio:
    with wave.open(io.BytesIO(content)) as wav:
        # a streamed file does not know its length
        return np.frombuffer(wav.readframes(len(content)), "<i2").astype(np.float32)


def streamed(client: httpx.Client, path: str = "/tts/stream", **body: Any) -> Audio:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return samples(answer.content)


def test_a_pause_is_silence_of_its_length(voz: RunningServer) -> None:
    with voz.client() as client:
        short, long = (
            streamed(client, text=MARKED.replace("1.5s", length), markup=True) for length in ("0s", "1.5s")
        )
    assert len(long) - len(short) == 36_000
    [start] = [at for at in range(len(long) - 36_000) if not long[at : at + 36_000].any()][:1]
    np.testing.assert_array_equal(np.delete(long, slice(start, start + 36_000)), short)


def test_word_times_count_pauses_and_keep_words_as_they_were_written(voz: RunningServer) -> None:
    body = {"text": MARKED, "markup": True, "timestamps": True, "lexicon": {"tea": "coffee and milk"}}
    with voz.client() as client:
        answer = client.post("/tts", json=body).json()
        without = client.post("/tts", json=body | {"text": MARKED.replace("1.5s", "0s")}).json()
        events = client.post("/tts/stream", json=body).text
    assert [word["word"] for word in answer["words"]] == UNMARKED.split()
    for number, (word, before) in enumerate(zip(answer["words"], without["words"], strict=True)):
        shift = 1.5 if number > 3 else 0.0
        assert word["start"] == pytest.approx(before["start"] + shift, abs=0.0011)
    data = [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: ")]
    assert [word for each in data for word in each.get("words", ())] == answer["words"]
    audio = samples(b"".join(base64.b64decode(each.get("audio", "")) for each in data))
    assert len(audio) / 24_000 == pytest.approx(answer["duration"], abs=0.001)


def test_marks_are_text_by_default_and_wrong_ones_are_named(voz: RunningServer) -> None:
    with voz.client() as client:
        plain = client.post("/tts", json={"text": "A [link](/kˈɛtəl/).", "timestamps": True}).json()
        assert [word["word"] for word in plain["words"]] == ["A", "[link](/kˈɛtəl/)."]
        for text, why in (
            ("So [pause:one]", "'[pause:one]' at character 4 is no pause: write [pause:1.5s]"),
            ("So [x](/kˈɬ/)", "'[x](/kˈɬ/)' at character 4: the voice has no phoneme 'ɬ'"),
        ):
            for path in ("/tts", "/tts/stream"):
                refused = client.post(path, json={"text": text, "markup": True})
                assert refused.status_code == 422
                assert why in refused.json()["detail"]
                assert refused.json()["errors"][0]["field"] == "text"
            openai = {"model": "tts-1", "voice": "alloy", "input": text, "markup": True}
            refused = client.post("/v1/audio/speech", json=openai)
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, "input")
            assert why in refused.json()["error"]["message"]
        refused = client.post("/tts", json={"text": "SQL", "lexicon": {"SQL": "/ɬ/", "good": "fine"}})
        assert refused.status_code == 422
        assert "'SQL': /ɬ/: the voice has no phoneme 'ɬ'" in refused.json()["detail"]
        refused = client.post("/tts", json={"text": "SQL", "lexicon": ["SQL"]})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "lexicon")


@pytest.fixture(scope="module")
def coqui_server(
    models: "Models",
    coqui_files: "dict[str, CoquiFiles]",
    make_settings: Callable[..., Settings],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningServer]:
    """English by characters, Spanish by phonemes, and a lexicon."""
    from src.engines.coqui import CoquiEngine
    from src.engines.models import Models

    file = tmp_path_factory.mktemp("lexicon") / "lexicon.json"
    file.write_text(json.dumps({"SQL": "sequel", "es": {"Voz": "/bˈos/"}}), "utf-8")
    voices = [replace(files, language=language) for language, files in coqui_files.items()]
    with background(CoquiEngine(voices)) as engine:
        app = app_with(Models(models.stt, engine), make_settings(tts_lexicon=file, openai_markup=True))
        with serve(app) as server:
            yield server


def test_a_coqui_voice_of_phonemes_says_the_servers_lexicon_and_marks(coqui_server: RunningServer) -> None:
    """The tests' models spend the same time on each symbol: a length tells the number of symbols."""
    with coqui_server.client() as client:
        voices = {voice["language"]: voice["phonemes"] for voice in client.get("/voices").json()["voices"]}
        assert voices["en"] == ""
        assert "ʃ" in voices["es"]

        def length(text: str, language: str = "es", **more: Any) -> int:
            return len(streamed(client, text=text, language=language, **more))

        said = length("Habla Voz ahora.")
        assert said == length("Habla bos ahora.") == length("Habla [eso](/bˈos/) ahora.", markup=True)
        assert said < length("Habla [eso](/bˈosbosbos/) ahora.", markup=True)
        assert length("Habla bosbosbos ahora.", lexicon={"bosbosbos": "/bˈos/"}) == said
        assert length("Use SQL now.", "en") == length("Use sequel now.", "en")
        short, long = (length(f"Habla ahora. [pause:{seconds}s] Y ya.", markup=True) for seconds in (1, 3))
        assert long - short == 48_000


def test_a_voice_of_letters_takes_no_phonemes_and_the_openai_route_has_marks_by_a_setting(
    coqui_server: RunningServer,
) -> None:
    body = {"model": "tts-1", "voice": "alloy", "language": "en", "response_format": "wav"}
    with coqui_server.client() as client:
        refused = client.post("/tts", json={"text": "So [x](/a/)", "language": "en", "markup": True})
        assert refused.status_code == 422
        assert "'[x](/a/)' at character 4: the voice reads letters and takes no phonemes" in refused.text
        path = "/v1/audio/speech"
        text = "It is hot. [pause:2s] It is cold."
        with_pause = streamed(client, path, **body, input=text)
        without = streamed(client, path, **body, input=text.replace("2s", "0s"))
        as_text = streamed(client, path, **body, input=text, markup=False)
        assert len(with_pause) - len(without) == 2 * 22_050
        assert len(as_text) > len(without)
        sequel = streamed(client, path, **body, input="It is hot.", lexicon={"hot": "sequel"})
        assert len(sequel) == len(streamed(client, path, **body, input="It is sequel."))
