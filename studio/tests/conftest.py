"""The studio that tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from studio_client import Studio, started


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One that all tests share that leave it as it was."""
    with started(tmp_path_factory.mktemp("pictures")) as studio:
        studio.login()
        yield studio


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, as Debian packages it; where there is none, tests of the page fail."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"))
        yield browser
        browser.close()


class Pages:
    """Opens pages of a studio, and collects what browsers complain about."""

    def __init__(self, browser: Any) -> None:
        self.browser, self.complaints, self._contexts = browser, [], []  # type: ignore[var-annotated]

    def open(self, studio: Studio, **options: Any) -> Any:
        context = self.browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self._contexts.append(context)
        name, _, value = studio.cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": f"http://{studio.host}"}])
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self.complaints.extend([line.text] * (line.type == "error")))
        page.goto(f"http://{studio.host}/")
        page.locator(".cm-content").wait_for()
        page.locator(".folder", has_text=studio.folder.name).wait_for()
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def pages(browser: Any) -> Iterator[Pages]:
    """Pages that must not log an error, nor break the policy that the server sets for them."""
    from playwright.sync_api import expect

    expect.set_options(timeout=90_000)
    pages = Pages(browser)
    yield pages
    pages.close()
    assert pages.complaints == []
