"""The page of a sweep, in the browser that the tests of the studio have."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from clipig_sweep.page import page as page_of
from clipig_sweep.paint import small_url

PICTURES, SWEEP = os.environ.get("STUDIO_PICTURES"), os.environ.get("SWEEP")
"""Where the screenshot goes that the documentation shows, and the folder of the sweep that it shows."""


def row(name: str, color: str, **more: Any) -> dict[str, Any]:
    """A row of the table, with a picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(file, "PNG")
    made = {"picture": f"pictures/{name}.png", "thumbnail": small_url(file.getvalue()), "status": "done"}
    return {"name": name, **made, **more}


ROWS = [
    row("red-fox-1", "red", parameters={"vars.text": "red fox", "seed": 1}, similarity=9.5, seconds=10.0),
    row("red-fox-2", "red", parameters={"vars.text": "red fox", "seed": 2}, similarity=30.25, seconds=9.0),
    row("owl-1", "gray", parameters={"vars.text": "<b>owl</b>", "seed": 1}, similarity=12.0, seconds=11.0),
    {
        "name": "owl-2",
        "status": "failed",
        "error": "no luck",
        "parameters": {"vars.text": "<b>owl</b>", "seed": 2},
        "picture": "",
    },
]


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The page, opened as a file, about which the browser must not complain."""
    (tmp_path / "index.html").write_text(page_of("foxes & owls", ROWS), "utf-8")
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    page, complaints = context.new_page(), list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text))
    page.goto((tmp_path / "index.html").as_uri())
    yield page
    context.close()
    assert complaints == []


def shown(page: Any) -> list[str]:
    """The names of the pictures that can be seen, in their order."""
    names: list[str] = page.locator("article:visible h2").all_text_contents()
    return names


def choose(page: Any, label: str, value: str) -> None:
    page.locator("label", has_text=re.compile(f"^{label}")).locator("select").select_option(value)


def test_it_shows_all_pictures_without_a_server(page: Any) -> None:
    assert page.title() == "foxes & owls"
    assert shown(page) == ["red-fox-1", "red-fox-2", "owl-1", "owl-2"]
    widths = [image.evaluate("image => image.naturalWidth") for image in page.locator("img").all()]
    assert widths == [64, 64, 64]
    assert page.locator("a").last.get_attribute("href") == "pictures/owl-1.png"
    assert page.locator("dd", has_text="<b>owl</b>").count() == 2


def test_it_sorts_filters_and_searches(page: Any) -> None:
    choose(page, "Sort by", "similarity")
    assert shown(page) == ["red-fox-1", "owl-1", "red-fox-2", "owl-2"]  # as numbers, and what has none at the end
    choose(page, "Direction", "largest first")
    assert shown(page) == ["red-fox-2", "owl-1", "red-fox-1", "owl-2"]
    choose(page, "seed", "1")
    assert shown(page) == ["owl-1", "red-fox-1"]
    expect(page.locator("output")).to_have_text("2 of 4")
    page.get_by_label("Search").fill("FOX")
    assert shown(page) == ["red-fox-1"]
    page.get_by_label("Search").fill("")
    choose(page, "seed", "all")
    choose(page, "status", "failed")
    assert shown(page) == ["owl-2"]
    assert page.locator(".error:visible").text_content() == "no luck"


@pytest.mark.skipif(not PICTURES or not SWEEP, reason="there is no screenshot to make")
def test_the_documentation_shows_it(browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1100, "height": 820})
    page.goto((Path(str(SWEEP)).resolve() / "index.html").as_uri())
    choose(page, "Sort by", "similarity")
    choose(page, "Direction", "largest first")
    page.screenshot(path=Path(str(PICTURES)) / "sweep-page.jpg", type="jpeg", quality=70)
    page.close()
