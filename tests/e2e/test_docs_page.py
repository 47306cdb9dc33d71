"""Swagger UI in a real browser that reaches nothing but this server."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.support.browser import installed_browser
from tests.support.server import KEY, RunningServer

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=installed_browser(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser.new_page()
        browser.close()


def test_the_key_is_entered_once_and_then_every_route_can_be_tried(voz: RunningServer, page: Page) -> None:
    elsewhere: list[str] = []
    errors: list[str] = []
    page.on(
        "request",
        lambda request: None if request.url.startswith((voz.url, "data:")) else elsewhere.append(request.url),
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{voz.url}/docs")
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".modal-ux input").fill(KEY)
    page.locator(".modal-ux button[type=submit]").click()
    page.locator(".modal-ux button.btn-done").click()

    operation = page.locator("#operations-models-models_models_get")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")
    expect(operation.locator(".live-responses-table")).to_contain_text("whisper")

    # the example that the page offers is one that works
    operation = page.locator(
        "[id='operations-text to speech-speak_tts_post'], #operations-text_to_speech-speak_tts_post"
    )
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table tbody .response-col_status").first).to_contain_text(
        "200", timeout=30_000
    )
    expect(operation.locator(".live-responses-table")).to_contain_text("/files/")
    assert (elsewhere, errors) == ([], [])
