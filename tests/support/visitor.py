"""A real browser on the web page, which records every error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect

from tests.support.browser import installed_browser
from tests.support.server import KEY

expect.set_options(timeout=30_000)  # on a busy machine a page takes its time

_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--mute-audio")
_REPORTS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error("violation:", event.violatedDirective, event.blockedURI, event.sourceFile));
"""
_WITH_KEY = f"sessionStorage.setItem('voz.key', {KEY!r});"


def launch(playwright: Playwright, microphone: Path | None = None) -> Browser:
    """Chromium. Its microphone, if it has one, plays a WAV file once and is silent after that."""
    arguments = list(_ARGUMENTS)
    if microphone is not None:
        arguments += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        arguments += [f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    return playwright.chromium.launch(executable_path=installed_browser(), args=arguments)


class Visitor:
    """A browser profile of its own: language, colours, storage.

    Args:
        url: address of the server.
        expected: parts of messages on the console that the test brings about (a refused request is one).
    """

    def __init__(self, context: BrowserContext, url: str, expected: tuple[str, ...]) -> None:
        self.context = context
        self.url = url
        self._expected = expected
        self.wrong: list[str] = []
        """Errors of scripts, violations of the policy, requests to other places."""
        self.addresses: list[str] = []
        """Every address that was asked for."""

    def open(self, path: str = "/") -> Page:
        """The page in a new tab."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("request", lambda request: self._request(request.url))
        page.goto(self.url + path)
        return page

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(part in text for part in self._expected):
            self.wrong.append(text)

    def _request(self, url: str) -> None:
        self.addresses.append(url)
        if not url.startswith((f"{self.url}/", f"blob:{self.url}/")):
            self.wrong.append(f"a request to {url}")


@contextmanager
def visiting(
    browser: Browser, url: str, *, key: bool = True, expected: tuple[str, ...] = (), **options: Any
) -> Iterator[Visitor]:
    """A visitor. At the end nothing may have gone wrong that the test did not expect.

    Args:
        key: whether the key was entered in this session already.
        options: of the browser's context, e.g. `locale`.
    """
    context = browser.new_context(**{"locale": "en-US", "viewport": {"width": 1100, "height": 900}} | options)
    context.add_init_script(_REPORTS + (_WITH_KEY if key else ""))
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor = Visitor(context, url, expected)
    try:
        yield visitor
    finally:
        context.close()
    assert visitor.wrong == []


def barriers(page: Page) -> list[str]:
    """What axe finds on the page as it is: rules of WCAG 2.2 A and AA, and best practice."""
    # half-way from one colour to another there is less contrast
    page.evaluate("""Promise.all(document.getAnimations()
        .filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime))
        .map((one) => one.finished.catch(() => null)))""")
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


def button(page: Page | Locator, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def fact(page: Page | Locator, name: str) -> str:
    """A value of the line under a result."""
    item = page.locator(".facts > div").filter(has=page.locator("dt", has_text=name))
    return item.first.locator("dd").inner_text()
