"""Takes the pictures of the web page in docs/images: light, dark, and as wide as a phone."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from src.config import Settings, StorageKind
from src.main import create_app
from src.weights.tts_engine import TtsEngine
from tests.support.server import KEY, serve
from tests.support.speech import clip_path
from tests.support.visitor import launch, visiting

IMAGES = Path("docs/images")
TEXT = (
    "The first sentence is sent as soon as it is spoken. Each word lights up when you hear it. "
    "Numbers are read as people read them: on 11/26/2026 it costs $5."
)
TEXTO = (
    "La primera frase suena en cuanto está hablada. Cada palabra se ilumina cuando la oyes. "
    "Los números se leen como los lee la gente: el 26/11/2026 cuesta 5 €."
)
WAIT_MS = 300_000
WIDE: dict[str, Any] = {"viewport": {"width": 1040, "height": 905}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
SPANISH: dict[str, Any] = {"locale": "es-ES"}
DARK: dict[str, Any] = {"color_scheme": "dark"}


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        _env_file=None,
        api_key=KEY,
        tts_engine=TtsEngine.KOKORO,
        storage=StorageKind.LOCAL,
        storage_dir=Path(tempfile.mkdtemp()),
        data_dir=Path(tempfile.mkdtemp()),
    )
    with serve(create_app(settings)) as server, sync_playwright() as playwright:
        browser = launch(playwright)

        @contextmanager
        def visit(**options: Any) -> Iterator[Page]:
            with visiting(browser, server.url, device_scale_factor=2, **options) as visitor:
                page = visitor.open()
                page.set_default_timeout(WAIT_MS)
                page.locator("#server").wait_for()
                yield page

        with visit(**WIDE) as page:
            speak(page, TEXT)
            take(page, "speak-light", full_page=False)
            listen(page, "en-agent")
            take(page, "listen-light")
        with visit(**WIDE, **DARK, **SPANISH) as page:
            speak(page, TEXTO)
            take(page, "speak-dark", full_page=False)
            listen(page, "es-agent")
            take(page, "listen-dark")
        with visit(**PHONE) as page:
            listen(page, "en-agent")
            take(page, "listen-phone")
        browser.close()


def speak(page: Page, text: str) -> None:
    page.locator("#speak-text").fill(text)
    page.locator("#speak .is-primary").click()
    page.locator("#speak .facts").wait_for()
    page.locator("#speak .wave").focus()
    for key in ("Home", "ArrowRight"):
        page.keyboard.press(key)
    page.locator("#speak .play").click()
    page.locator("#speak .is-current").wait_for()
    page.locator("#speak .play").click()


def listen(page: Page, name: str) -> None:
    page.locator("#tab-listen").click()
    page.locator("input[type=file]").set_input_files(clip_path(name))
    page.locator("#listen .facts").wait_for()
    page.locator("#listen .player").wait_for()
    page.locator("#listen .word").nth(5).click()
    page.locator("#listen .is-current").wait_for()
    page.locator("#listen .play").click()


def take(page: Page, name: str, full_page: bool = True) -> None:
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.wait_for_timeout(600)
    page.screenshot(path=IMAGES / f"{name}.png", full_page=full_page)


if __name__ == "__main__":
    main()
