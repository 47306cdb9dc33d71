"""The web page in a real browser: every journey, in both languages, with the real server and models."""

import io
import json
import re
import socket
import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from src.config import Settings
from src.main import create_app
from tests.support.faults_engines import open_engines
from tests.support.faults_proxy import Fault, proxy_to
from tests.support.server import KEY, RunningServer, app_with, serve
from tests.support.speech import clip, clip_path, silence, wav
from tests.support.visitor import Visitor, barriers, button, fact, launch, visiting

if TYPE_CHECKING:
    from src.engines.models import Models

pytestmark = pytest.mark.models

MAX_CHARS = 700
MAX_QUEUE = 2
WAIT_MS = 60_000


def long_text(subject: str) -> str:
    """Many short sentences that no other test has had spoken, so that there is time to stop it."""
    return " ".join(f"{subject} number {number} goes on." for number in range(1, 21))


@pytest.fixture(scope="module")
def server(models_once: "Models", make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    settings = make_settings(max_upload_mb=1, max_text_chars=MAX_CHARS, max_queue=MAX_QUEUE)
    with serve(app_with(models_once, settings)) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Its microphone says what is in the clip `en-agent`."""
    import numpy as np

    spoken = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    spoken.write_bytes(wav(np.concatenate([silence(0.3), clip("en-agent"), silence(60)])).getvalue())
    with sync_playwright() as playwright:
        opened = launch(playwright, spoken)
        yield opened
        opened.close()


@pytest.fixture
def english(browser: Browser, server: RunningServer) -> Iterator[Page]:
    """The page in English, with a key."""
    with visiting(browser, server.url) as visitor:
        page = visitor.open()
        page.set_default_timeout(WAIT_MS)
        yield page


def requests(server: RunningServer, engine: str) -> int:
    """In work or waiting."""
    with server.client() as client:
        return int(client.get("/models").json()[engine]["requests"])


def is_idle(server: RunningServer) -> bool:
    return requests(server, "stt") == requests(server, "tts") == 0


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def downloaded(page: Page, name: str) -> bytes:
    with page.expect_download(timeout=WAIT_MS) as download:
        button(page.locator(".panel:visible"), name).click()
    return Path(download.value.path()).read_bytes()


def say(page: Page, text: str, name: str = "Speak") -> None:
    page.get_by_label("Write something, and hear it").fill(text)
    button(page, name).click()


SPEAKING = {
    "en": {
        "locale": "en-GB", "key": "API key", "use": "Use this key", "speak": "Speak", "link": "Get a link",
        "download": "Download", "curl": "Copy as curl",
        "text": "Write something, and hear it", "file": "File",
        "engine": "Engine", "voice": "Voice", "first": "First sound after", "took": "Took", "speed": "Speed",
        "said": "One is here. It costs $5.", "state": "Ready", "expires": "Works without a key for",
    },
    "es": {
        "locale": "es-MX", "key": "Clave de API", "use": "Usar esta clave", "speak": "Hablar",
        "link": "Obtener enlace", "download": "Descargar", "curl": "Copiar como curl",
        "text": "Escribe algo y escúchalo", "file": "Archivo", "engine": "Motor", "voice": "Voz",
        "first": "Primer sonido a los", "took": "Tardó", "speed": "Velocidad",
        "said": "Uno está aquí. Cuesta 5 €.", "state": "Listo", "expires": "Funciona sin clave durante",
    },
}  # fmt: skip


@pytest.mark.parametrize("language", ["en", "es"])
def test_speak(browser: Browser, server: RunningServer, language: str, tmp_path: Path) -> None:
    words = SPEAKING[language]
    with visiting(browser, server.url, key=False, locale=words["locale"]) as visitor:
        page = visitor.open()
        page.set_default_timeout(WAIT_MS)
        page.get_by_label(words["key"], exact=True).fill(KEY)
        assert barriers(page) == []
        button(page, words["use"]).click()
        expect(page.locator("#state")).to_have_text(words["state"])
        assert page.locator("html").get_attribute("lang") == language

        page.get_by_label(words["text"]).fill(words["said"])
        lit = "window.lit = []; new MutationObserver(() => { const now = document.querySelector('.spoken "
        lit += ".is-current'); if (now) lit.push(now.textContent); }).observe(document.body, "
        page.evaluate(lit + "{ subtree: true, attributes: true, childList: true })")
        page.get_by_label(words["file"], exact=True).select_option("mp3")
        button(page, words["speak"]).click()
        page.locator(".facts").wait_for()
        # words light up one after the other, as they were written
        page.wait_for_function("word => window.lit.includes(word)", arg=words["said"].split()[-1])
        assert list(dict.fromkeys(page.evaluate("window.lit"))) == words["said"].split()
        assert page.locator(".spoken").inner_text() == words["said"]

        assert fact(page, words["engine"]) == "kokoro"
        seconds = {name: number(fact(page, words[name])) for name in ("first", "took", "speed")}
        assert 0 < seconds["first"] <= seconds["took"]
        assert seconds["speed"] > 0
        link_works(page, words, "mp3")
        sound = downloaded(page, f"{words['download']} MP3")
        assert sound[:3] == b"ID3" or sound[0] == 0xFF
        if language == "en":
            curl_works(page, words, tmp_path)
        assert barriers(page) == []
        assert KEY not in "".join(visitor.addresses)
        assert page.evaluate("JSON.stringify(localStorage)").count(KEY) == 0


def number(text: str) -> float:
    found = re.search(r"[\d.,]+", text)
    assert found is not None, text
    return float(found[0].replace(",", "."))


def link_works(page: Page, words: dict[str, str], extension: str) -> None:
    button(page, words["link"]).click()
    link = page.locator(".link-place a")
    link.wait_for()
    url = link.get_attribute("href") or ""
    assert urlsplit(url).path.endswith(extension)
    assert httpx.get(url, trust_env=False).status_code == 200
    left = page.locator(".expires")
    expect(left).to_contain_text(words["expires"])
    before = left.inner_text()
    expect(left).not_to_have_text(before)  # it counts down


def curl_works(page: Page, words: dict[str, str], folder: Path) -> None:
    button(page, words["curl"]).click()
    line = page.evaluate("navigator.clipboard.readText()")
    assert KEY not in line
    subprocess.run(
        ["sh", "-c", line.replace("curl", "curl -sS --fail --noproxy '*'", 1)],
        cwd=folder,
        env={"API_KEY": KEY, "PATH": "/usr/bin:/bin"},
        check=True,
    )
    assert (folder / "speech.mp3").stat().st_size > 1000


def test_sound_begins_while_the_rest_is_made(english: Page) -> None:
    say(english, long_text("Track"))
    english.locator(".player").wait_for()
    english.wait_for_function("() => document.querySelector('.wave').ariaValueNow > 0.3")
    assert english.locator(".facts").count() == 0, "the rest is still being made"
    button(english, "Stop").click()
    expect(button(english, "Play")).to_be_visible()
    position = english.locator(".wave").get_attribute("aria-valuenow")
    english.wait_for_timeout(200)
    assert english.locator(".wave").get_attribute("aria-valuenow") == position


def test_the_player_obeys_the_keyboard_and_the_file_is_what_was_heard(english: Page) -> None:
    say(english, "The train leaves from the last platform.")
    english.locator(".facts").wait_for()
    with wave.open(io.BytesIO(downloaded(english, "Download WAV"))) as file:
        seconds = file.getnframes() / file.getframerate()
    slider = english.get_by_role("slider", name="Position in the sound")
    assert float(slider.get_attribute("aria-valuemax") or 0) == pytest.approx(seconds, abs=0.1)
    assert number(fact(english, "Length")) == pytest.approx(seconds, abs=0.02)
    button(english, "Play").wait_for()  # it has ended
    slider.focus()
    english.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", "0.0")
    english.keyboard.press("Space")
    expect(button(english, "Pause")).to_be_visible()
    english.keyboard.press("Space")
    english.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuenow", f"{seconds:.1f}")
    drawn = "document.querySelector('.wave > div').shadowRoot.querySelectorAll('canvas').length"
    assert english.evaluate(drawn) > 0


def test_a_voice_can_be_heard_before_it_is_chosen(english: Page) -> None:
    english.get_by_label("Voice", exact=True).select_option("bf_emma")
    with english.expect_response(lambda response: response.url.endswith("/voices/bf_emma/sample")) as sample:
        button(english, "Hear this voice").click()
    assert sample.value.headers["content-type"] == "audio/mpeg"
    button(english, "Stop").click()
    say(english, "Hello.")
    english.locator(".facts").wait_for()
    assert fact(english, "Voice") == "bf_emma"


def test_a_voice_that_cannot_tell_when_words_are_said_still_speaks(
    browser: Browser, make_settings: Callable[..., Settings]
) -> None:
    app = create_app(make_settings(), open_engines)
    with serve(app) as server, visiting(browser, server.url, expected=("422",)) as visitor:
        page = visitor.open()
        say(page, "Plain sound. Without any words.")
        page.locator(".facts").wait_for()
        assert fact(page, "Voice") == "speaker-en"
        assert page.locator(".spoken .is-said").count() == 0
        with wave.open(io.BytesIO(downloaded(page, "Download WAV"))) as file:
            assert file.getnframes() / file.getframerate() == pytest.approx(
                number(fact(page, "Length")), abs=0.02
            )


def test_who_is_quicker_than_the_list_of_voices_hears_it_all_the_same(
    browser: Browser, make_settings: Callable[..., Settings]
) -> None:
    app = create_app(make_settings(), open_engines)
    with serve(app) as server, visiting(browser, server.url, expected=("422",)) as visitor:
        page = visitor.context.new_page()
        quick, held = False, list[Route]()
        page.route("**/voices", lambda route: route.continue_() if quick else held.append(route))
        page.goto(server.url)
        say(page, "Plain sound.")
        page.wait_for_timeout(300)
        quick = True
        for route in held:
            route.continue_()
        page.locator(".facts").wait_for()
        assert fact(page, "Voice") == "speaker-en"


LISTENING = {
    "en": {"locale": "en-US", "tab": "Listen", "language": "English", "engine": "Engine", "clip": "en-agent"},
    "es": {
        "locale": "es-ES",
        "tab": "Escuchar",
        "language": "Español",
        "engine": "Motor",
        "clip": "es-agent",
    },
}


@pytest.mark.parametrize("language", ["en", "es"])
def test_listen(browser: Browser, server: RunningServer, language: str) -> None:
    words = LISTENING[language]
    with visiting(browser, server.url, locale=words["locale"]) as visitor:
        page = visitor.open("/#listen")
        page.set_default_timeout(WAIT_MS)
        expect(page.get_by_role("tab", name=words["tab"])).to_have_attribute("aria-selected", "true")
        page.locator("input[type=file]").set_input_files(clip_path(words["clip"]))
        page.locator(".facts").wait_for()
        expect(page.locator(".chip")).to_contain_text(words["language"])
        expect(page.locator(".chip")).to_contain_text("%")
        assert fact(page, words["engine"]) == "whisper"
        with server.client() as client, clip_path(words["clip"]).open("rb") as file:
            fields = {"word_timestamps": "true", "response_format": "verbose_json"}
            answer = client.post("/stt", files={"file": file}, data=fields).json()
            file.seek(0)
            srt = client.post("/stt", files={"file": file}, data={"response_format": "srt"}).text
        assert downloaded(page, ".srt").decode() == srt, "what the server itself would have sent"
        written = json.loads(downloaded(page, ".json"))
        assert written["text"].split() == answer["text"].split()
        for mine, theirs in zip(written["segments"], answer["segments"], strict=True):
            assert {**mine, "words": None} == {**theirs, "words": None, "text": theirs["text"].strip()}
            for word, same in zip(mine["words"], theirs["words"], strict=True):
                assert (word["word"], word.keys()) == (same["word"], same.keys())
                assert word == same or word["start"] == pytest.approx(same["start"], abs=0.05)
        hear_and_correct(page, answer)
        assert barriers(page) == []


def hear_and_correct(page: Page, answer: dict[str, Any]) -> None:
    all_words = [word for segment in answer["segments"] for word in segment["words"]]
    page.locator(".player").wait_for()
    chosen = page.locator(".word").nth(3)
    chosen.click()
    start = all_words[3]["start"]
    page.wait_for_function("start => document.querySelector('.wave').ariaValueNow >= start - 0.1", arg=start)
    page.locator(".word.is-current").wait_for()
    page.locator(".play").click()

    page.keyboard.press("F2") if chosen.evaluate(
        "node => node === document.activeElement"
    ) else chosen.dblclick()
    page.locator(".word-input").fill("Quetzal")
    page.keyboard.press("Enter")
    expect(chosen).to_have_text("Quetzal")
    assert chosen.evaluate("node => node === document.activeElement")
    page.keyboard.press("ArrowRight")
    assert page.locator(".word").nth(4).evaluate("node => node === document.activeElement")
    for extension in ("txt", "srt", "vtt", "json"):
        assert "Quetzal" in downloaded(page, f".{extension}").decode(), extension
    page.locator(".result .button", has_text=re.compile("^(Copy|Copiar)$")).click()
    assert "Quetzal" in page.evaluate("navigator.clipboard.readText()")


def test_record(browser: Browser, server: RunningServer) -> None:
    with visiting(browser, server.url, permissions=["microphone"]) as visitor:
        page = visitor.open("/#listen")
        page.set_default_timeout(WAIT_MS)
        button(page, "Record").click()
        expect(page.locator(".recording")).to_contain_text("Recording")
        page.wait_for_function("() => document.querySelector('.recording .time').textContent >= '0:03'")
        assert page.locator(".level-bar").evaluate("node => node.style.transform") != ""
        button(page, "Stop and transcribe").click()
        page.locator(".facts").wait_for()
        assert "agent" in page.locator(".transcript").inner_text().lower()
        page.locator(".player").wait_for()
        assert float(page.locator(".wave").get_attribute("aria-valuemax") or 0) > 2


@pytest.mark.parametrize("language", ["en", "es"])
def test_jobs(
    browser: Browser,
    models_once: "Models",
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    language: str,
) -> None:
    words = {
        "en": ("en-US", "Done", "Failed", "finds no sound", "Open the result", "Delete", "No job yet."),
        "es": (
            "es-ES",
            "Hecho",
            "Fallido",
            "no encuentra sonido",
            "Abrir el resultado",
            "Borrar",
            "Aún no hay",
        ),
    }
    locale, done, failed, sentence, result, delete, none = words[language]
    notes = tmp_path / "notes.mp3"
    notes.write_text("This is no sound. " * 100)
    app = app_with(models_once, make_settings())  # which has no job yet
    with serve(app) as server, visiting(browser, server.url, locale=locale) as visitor:
        page = visitor.open("/#jobs")
        page.set_default_timeout(WAIT_MS)
        expect(page.locator("#jobs")).to_contain_text(none)
        page.locator("#jobs input[type=file]").set_input_files([clip_path("en-agent"), notes])
        jobs = page.locator(".jobs > li")
        expect(jobs).to_have_count(2)
        expect(jobs.locator(".chip")).to_have_text([failed, done], timeout=WAIT_MS)
        expect(jobs.first.locator(".problem-sentence")).to_contain_text(sentence)
        page.reload()
        expect(jobs.locator(".file-name")).to_have_text(["notes.mp3", "en-agent.flac"])
        assert barriers(page) == []
        url = jobs.last.get_by_role("link", name=result).get_attribute("href") or ""
        subtitles = httpx.get(url, trust_env=False).text
        assert "-->" in subtitles
        assert "agent number" in subtitles.replace("\n", " ")
        button(jobs.first, delete).click()
        expect(jobs).to_have_count(1)


def test_subtitles_are_cut_as_the_server_cuts_them(english: Page) -> None:
    """Many transcripts that nobody has spoken: long and short words, pauses, scripts without spaces."""
    import random

    from src.engines.base import Segment, Word
    from src.services.subtitles import to_srt, to_vtt

    drawn = random.Random(5)
    pool = [
        "a",
        "well,",
        "extraordinarily",
        "Yes.",
        "no!",
        "¿qué?",
        "R&D",
        "<b>",
        "-->",
        "可是",
        "天气。",
        "don't",
        "…",
    ]
    files = []
    for _ in range(60):
        at, segments = 0.0, []
        for _segment in range(drawn.randint(1, 5)):
            timed = []
            for _ in range(drawn.randint(1, 20)):
                at += drawn.choice([0.02, 0.3, 1.4])
                end = round(at + drawn.uniform(0.05, 0.9), 2)
                timed.append(Word(word=drawn.choice(pool), start=round(at, 2), end=end, probability=0.9))
                at = end
            text = " ".join(word.word for word in timed)
            words = tuple(timed)
            segments.append(Segment(words[0].start, words[-1].end, text, -0.2, 0.0, words))
        files.append(segments)
    as_page = [
        [
            {
                "start": segment.start,
                "end": segment.end,
                "words": [
                    {"word": word.word, "start": word.start, "end": word.end, "space": " " if index else ""}
                    for index, word in enumerate(segment.words or ())
                ],
            }
            for segment in segments
        ]
        for segments in files
    ]
    made = english.evaluate(
        """async (files) => {
          const { toSrt, toVtt } = await import("./web/subtitles.js");
          return files.map((segments) => [toSrt(segments), toVtt(segments)]);
        }""",
        as_page,
    )
    for segments, (srt, vtt) in zip(files, made, strict=True):
        assert srt == to_srt(segments)
        assert vtt == to_vtt(segments)


def test_a_wrong_key_is_refused_and_one_that_no_longer_works_is_asked_for_again(
    browser: Browser, server: RunningServer
) -> None:
    with visiting(browser, server.url, key=False, expected=("401",)) as visitor:
        page = visitor.open()
        page.set_default_timeout(WAIT_MS)
        page.get_by_label("API key", exact=True).fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("dialog .problem-sentence")).to_contain_text("does not know this key")
        page.get_by_label("API key", exact=True).fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator("dialog")).to_be_hidden()
        page.evaluate("sessionStorage.setItem('voz.key', 'rotated-away')")
        page.reload()
        expect(page.locator("dialog .problem-sentence")).to_contain_text("does not take your key any more")
        assert page.evaluate("sessionStorage.getItem('voz.key')") is None
        page.keyboard.press("Escape")
        say(page, "Without a key.")
        expect(page.locator("dialog")).to_be_visible()


def test_a_second_tab_has_the_key_until_it_is_forgotten(browser: Browser, server: RunningServer) -> None:
    with visiting(browser, server.url, key=False) as visitor:
        first = visitor.open()
        first.get_by_label("API key", exact=True).fill(KEY)
        first.keyboard.press("Enter")
        expect(first.locator("#state")).to_have_text("Ready")
        second = visitor.open()
        expect(second.locator("#state")).to_have_text("Ready")
        assert second.locator("dialog").count() == 0
        button(second, "Forget the key").click()
        expect(second.locator("dialog")).to_be_visible()
        expect(first.locator("#state")).to_have_text("No key yet")
        assert first.evaluate("sessionStorage.length") == 0


def test_a_reload_in_the_middle_frees_the_place_and_keeps_the_text(
    english: Page, server: RunningServer
) -> None:
    text = long_text("Letter")
    say(english, text)
    english.locator(".player").wait_for()
    assert not is_idle(server)
    english.reload()
    expect(english.locator("#state")).to_have_text("Ready")
    assert english.get_by_label("Write something, and hear it").input_value() == text
    assert english.locator("dialog").count() == 0
    wait_until(lambda: is_idle(server))


def test_a_lost_connection(browser: Browser, server: RunningServer) -> None:
    port = urlsplit(server.url).port or 0
    with ExitStack() as stack:
        proxy = stack.enter_context(proxy_to(port))
        url = f"http://127.0.0.1:{proxy.port}"
        expected = ("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE", "ERR_NETWORK", "ERR_SOCKET")
        visitor: Visitor = stack.enter_context(visiting(browser, url, expected=expected))
        page = visitor.open()
        page.set_default_timeout(WAIT_MS)
        expect(page.locator("#state")).to_have_text("Ready")
        say(page, long_text("Road"))
        page.locator(".player").wait_for()
        proxy.fault = Fault.REFUSED
        expect(page.locator("#speak .problem-sentence")).to_contain_text("broke off in the middle")
        assert page.locator("#speak .problem code").inner_text(), "the request_id"
        button(page, "Try again").click()
        expect(page.locator("#speak .problem-sentence")).to_contain_text("cannot be reached")
        expect(page.locator("#state")).to_have_text("The server does not answer")
        proxy.fault = Fault.NONE
        page.get_by_label("Write something, and hear it").fill("It works again.")
        button(page, "Try again").click()
        page.locator("#speak .facts").wait_for()
        wait_until(lambda: is_idle(server))


@contextmanager
def uploads_that_wait(server: RunningServer, count: int) -> Iterator[None]:
    """Uploads that have a place each, and send no more."""
    host, port = urlsplit(server.url).netloc.split(":")
    head = f"POST /stt HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {KEY}\r\nContent-Length: 9999\r\n"
    head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((host, int(port))))
            connection.sendall(head.encode())
        wait_until(lambda: requests(server, "stt") == count)
        yield


def test_a_full_server(browser: Browser, server: RunningServer) -> None:
    with visiting(browser, server.url, expected=("503",)) as visitor:
        page = visitor.open("/#listen")
        page.set_default_timeout(WAIT_MS)
        sentence = page.locator("#listen .problem-sentence")
        with uploads_that_wait(server, MAX_QUEUE):
            page.locator("input[type=file]").set_input_files(clip_path("en-agent"))
            expect(sentence).to_have_text(re.compile(r"The server is full\..* try again in [\d,]+ seconds\."))
            assert re.fullmatch(r"[0-9a-f]{16}", page.locator("#listen .problem code").inner_text())
            expect(page.locator("#state")).to_have_text("2 requests in work")
            page.locator("#language").click()
            expect(sentence).to_have_text(re.compile(r"El servidor está lleno\."))
            assert barriers(page) == []
        wait_until(lambda: is_idle(server))
        button(page, "Reintentar").click()
        page.locator("#listen .facts").wait_for()


def test_what_the_server_cannot_take(browser: Browser, server: RunningServer, tmp_path: Path) -> None:
    large, text = tmp_path / "large.wav", tmp_path / "notes.mp3"
    large.write_bytes(bytes(2**20 + 1))
    text.write_text("This is no sound. " * 100)
    with visiting(browser, server.url, expected=("413", "415")) as visitor:
        page = visitor.open()
        page.set_default_timeout(WAIT_MS)
        expect(page.locator("#speak-count")).to_contain_text(f"of {MAX_CHARS} characters")
        say(page, "a" * (MAX_CHARS + 1))
        expect(page.locator("#speak .problem-sentence")).to_contain_text("more than this server takes")
        expect(page.locator("#speak .problem code")).not_to_be_empty()
        page.get_by_role("tab", name="Listen").click()
        page.locator("input[type=file]").set_input_files(large)
        expect(page.locator("#listen .problem-sentence")).to_have_text(
            re.compile(r"The file has 1 MB, and this server takes 1 MB\. Send a shorter piece")
        )
        page.locator("input[type=file]").set_input_files(text)
        expect(page.locator("#listen .problem-sentence")).to_contain_text("finds no sound in this file")
        expect(page.locator("#listen .problem code")).not_to_be_empty()
        expect(page.locator("#listen")).to_contain_text("cannot play the file")


def test_language_colours_and_tabs_by_keyboard(browser: Browser, server: RunningServer) -> None:
    with visiting(browser, server.url, color_scheme="dark") as visitor:
        page = visitor.open()
        expect(page.locator("#server")).to_be_visible()
        assert barriers(page) == []
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.locator("#theme").click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
        assert barriers(page) == []
        page.keyboard.press("Tab")
        page.get_by_role("tab", name="Speak").focus()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tabpanel")).to_have_id("listen")
        assert barriers(page) == []
        page.locator("#language").click()
        assert page.title() == "Voz: habla en tu propia máquina"
        region = "async (tag) => (await import('./web/i18n.js')).regionName(tag)"
        assert [page.evaluate(region, tag) for tag in ("en-GB", "es")] == ["Reino Unido", ""]
        page.reload()
        expect(page.get_by_role("tab", name="Escuchar")).to_have_attribute("aria-selected", "true")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_a_phone(browser: Browser, server: RunningServer) -> None:
    phone: dict[str, Any] = {"is_mobile": True, "has_touch": True, "viewport": {"width": 360, "height": 740}}
    with visiting(browser, server.url, **phone) as visitor:
        page = visitor.open()
        page.set_default_timeout(WAIT_MS)
        fits = "document.documentElement.scrollWidth <= innerWidth"
        say(page, "Donaudampfschifffahrtsgesellschaft")
        page.locator("#speak .facts").wait_for()
        assert page.evaluate(fits)
        page.get_by_role("tab", name="Listen").tap()
        page.locator("input[type=file]").set_input_files(clip_path("en-agent"))
        page.locator("#listen .facts").wait_for()
        assert page.evaluate(fits)
        page.locator(".word").nth(1).tap()
        button(page, "Correct the word").tap()
        page.locator(".word-input").fill("thumb")
        page.keyboard.press("Enter")
        expect(page.locator(".word").nth(1)).to_have_text("thumb")
        assert barriers(page) == []


LIVE = {
    "en": {
        "locale": "en-GB",
        "tab": "Live",
        "start": "Start the microphone",
        "stop": "Stop",
        "off": "The microphone is off.",
    },
    "es": {
        "locale": "es-MX",
        "tab": "En directo",
        "start": "Encender el micrófono",
        "stop": "Parar",
        "off": "El micrófono está apagado.",
    },
}


@pytest.mark.parametrize("language", ["en", "es"])
def test_words_appear_while_they_are_spoken(browser: Browser, server: RunningServer, language: str) -> None:
    words = LIVE[language]
    with ExitStack() as stack:
        proxy = stack.enter_context(proxy_to(urlsplit(server.url).port or 0))
        url = f"http://127.0.0.1:{proxy.port}"
        visitor = stack.enter_context(visiting(browser, url, locale=words["locale"], expected=("WebSocket",)))
        page = visitor.open()
        page.set_default_timeout(WAIT_MS)
        page.get_by_role("tab", name=words["tab"]).click()
        page.evaluate("""
            window.grey = [];
            new MutationObserver(() => {
                const now = document.querySelector(".is-tentative");
                if (now?.textContent) window.grey.push(now.textContent);
            }).observe(document.body, { subtree: true, characterData: true, childList: true });
        """)
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        button(page, words["start"]).click()
        grey = page.locator(".is-tentative", has_text=re.compile(r"\w"))
        grey.first.wait_for()
        proxy.fault = Fault.NONE  # the connection breaks in the middle of the sentence
        final = page.locator(".live-text .is-final").first
        expect(final).to_contain_text("agent number", timeout=WAIT_MS)
        expect(final).to_contain_text("already logged on")
        assert sum("/stt/live" in address for address in sockets) == 2, sockets
        assert page.evaluate("window.grey.length") > 0, "no words before the end of the utterance"
        assert barriers(page) == []
        button(page, words["stop"]).click()
        expect(page.get_by_text(words["off"])).to_be_visible()
        expect(page.locator("#live .facts")).to_contain_text("whisper")
        expect(button(page, words["start"])).to_be_enabled()
    assert server.app.state.services.live_admission.in_flight == 0
