"""The page, in a real browser, with real runs of the bundled model."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import Pages
from PIL import Image, ImageStat
from playwright.sync_api import expect
from studio_client import Studio, config, started

from clipig_studio.guard import onward

PICTURES = os.environ.get("STUDIO_PICTURES")
"""Where screenshots go that the documentation shows; nowhere if it is not set."""

LOOK = "object" if PICTURES else "emoji"


def fine(text: str) -> str:
    """A config whose picture is to be looked at, if somebody wants screenshots."""
    return (
        text.replace("resolution: 32", "resolution: 96").replace("batch_size: 2", "batch_size: 8") if PICTURES else text
    )


def write(page: Any, text: str) -> None:
    """Replace what is in the editor."""
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def text_of(page: Any) -> str:
    return "\n".join(page.locator(".cm-line").all_text_contents())


def shoot(page: Any, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"studio-{name}.jpg", quality=85)


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def state(page: Any) -> Any:
    return page.locator(".controls strong")


def stop(page: Any) -> None:
    button(page, "Stop").click()
    expect(state(page)).to_have_text("stopped")


def test_the_browser_is_led_to_the_page_and_the_token_is_gone(tmp_path: Path, pages: Pages) -> None:
    with started(tmp_path) as studio:
        (tmp_path / "open.html").write_text(onward(studio.url))
        page = pages.browser.new_page()
        page.goto((tmp_path / "open.html").as_uri())
        page.locator(".folder", has_text=tmp_path.name).wait_for()
        assert page.url == f"http://{studio.host}/"
        page.reload()
        page.locator(".folder", has_text=tmp_path.name).wait_for()
        page.close()


def test_a_typo_is_told_at_its_line(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio)
    write(page, "look: emoji\nvars:\n  text: fox\nepochs: 50\ntargets:\n  - constraints:\n      - bluur: 3\n")
    problem = page.locator(".problems button")
    expect(problem).to_have_text("7:9 unknown constraint 'bluur' (did you mean 'blur'?)")
    expect(page.locator(".cm-lintRange-error")).to_have_text("bluur")
    expect(page.locator(".cm-lint-marker-error")).to_have_count(1)
    shoot(page, "typo")
    problem.click()
    page.keyboard.press("Delete")  # where the message points to
    expect(page.locator(".cm-lintRange-error")).to_have_text("luur")
    write(page, config())
    expect(problem).to_have_count(0)


def test_a_run_that_cannot_be_is_refused_in_the_page(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio)
    before = studio.snapshot()["jobs"]
    write(page, "epocs: 3")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".notice")).to_contain_text("did you mean 'epochs'?")
    assert studio.snapshot()["jobs"] == before
    pages.complaints.clear()  # the browser logs the answer


def test_the_picture_grows_and_survives_a_reload(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio)
    write(page, f"look: {LOOK}\nvars:\n  text: strawberry\nseed: 0\nepochs: {220 if PICTURES else 4000}\n")
    page.keyboard.press("Control+Enter")
    canvas = page.locator("canvas[data-frame]")
    canvas.wait_for()
    frame = canvas.get_attribute("data-frame")
    expect(canvas).not_to_have_attribute("data-frame", frame)
    expect(page.locator(".plot")).to_have_count(2)
    expect(page.locator(".plot .u-legend").first).to_contain_text(": strawberry")
    if PICTURES:
        expect(page.locator(".controls p").first).to_contain_text(re.compile(r"epoch 21\d of"), timeout=1_800_000)
        shoot(page, "run")
    page.reload()
    canvas.wait_for()
    expect(page.locator(".plot")).to_have_count(2)
    assert "strawberry" in text_of(page)
    frame = canvas.get_attribute("data-frame")
    expect(canvas).not_to_have_attribute("data-frame", frame)
    for mode in ("1:1", "Tiles", "Fit"):
        button(page, mode).click()
        width = 224 if PICTURES else 96
        expect(canvas).to_have_attribute("width", str(3 * width if mode == "Tiles" else width))
    stop(page)
    page.locator(".gallery li", has_text="strawberry").wait_for()


def test_pause_and_single_steps(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio)
    write(page, config("kiwi", epochs=90_000))
    button(page, "Run").click()
    button(page, "Pause").click()
    expect(state(page)).to_have_text("paused")
    progress = page.locator(".controls progress")
    epoch = int(progress.get_attribute("value") or 0)
    for more in (1, 2):
        button(page, "One step").click()
        expect(progress).to_have_attribute("value", str(epoch + more))
    button(page, "Go on").click()
    expect(state(page)).to_have_text("runs")
    stop(page)


def test_a_change_is_applied_shown_and_undone(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio)
    write(page, config("moon", epochs=90_000))
    expect(button(page, "Apply")).to_be_disabled()
    page.keyboard.press("Control+Enter")
    page.locator(".plot .u-legend", has_text="moon").wait_for()
    write(page, config("red moon", epochs=90_000))
    page.keyboard.press("Control+Shift+Enter")
    changes = page.locator(".timeline li")
    expect(changes).to_have_count(1)
    page.locator(".plot .u-legend", has_text="red moon").wait_for()
    changes.first.locator("summary").click()
    expect(changes.first.locator("[data-sign='-']")).to_have_text("-       - text: moon\n")
    expect(changes.first.locator("[data-sign='+']")).to_have_text("+       - text: red moon\n")
    shoot(page, "change")
    button(page, "Undo the last change").click()
    expect(changes).to_have_count(2)
    expect(changes.last).to_contain_text("undone")
    expect(button(page, "Undo the last change")).to_have_count(0)
    stop(page)


def test_a_killed_run_is_a_message_and_the_page_goes_on(tmp_path: Path, pages: Pages) -> None:
    with started(tmp_path) as studio:
        studio.login()
        page = pages.open(studio)
        write(page, config("fox", epochs=90_000))
        page.keyboard.press("Control+Enter")
        page.locator("canvas[data-frame]").wait_for()
        os.kill(studio.worker, signal.SIGKILL)
        expect(page.locator(".controls .problem")).to_contain_text("was killed by SIGKILL")
        write(page, config("cat", epochs=3))
        page.keyboard.press("Control+Enter")
        expect(state(page)).to_have_text("done")
        studio.end()
        expect(page.locator(".notice")).to_contain_text("The studio")
    pages.complaints.clear()  # the browser logs that nobody answers


def test_a_dropped_picture_opens_its_config_and_does_not_run(studio: Studio, pages: Pages) -> None:
    studio.wait(studio.run(config("grape", epochs=2)), "done")
    before = studio.snapshot()["jobs"]
    page = pages.open(studio)
    drop(page, "any.png", (studio.folder / "grape.png").read_bytes())
    expect(page.locator(".cm-content")).to_contain_text("# made ")
    assert "grape" in text_of(page)
    page.locator(".cm-content").click()
    page.keyboard.press("Control+z")
    expect(page.locator(".cm-content")).not_to_contain_text("grape")
    drop(page, "other.yaml", b"epochs: 77\n")
    expect(page.locator(".cm-content")).to_contain_text("epochs: 77")
    drop(page, "other.png", b"nothing")
    expect(page.locator(".notice")).to_contain_text("this picture cannot be read")
    assert studio.snapshot()["jobs"] == before
    pages.complaints.clear()  # the browser logs the answer to that one


def drop(page: Any, name: str, content: bytes) -> None:
    script = """([name, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(bytes)], name));
        return data;
    }"""
    data = page.evaluate_handle(script, [name, [*content]])
    page.dispatch_event("main", "drop", {"dataTransfer": data})


def test_the_gallery_opens_configs_and_is_searched(studio: Studio, pages: Pages) -> None:
    for word in ("peach", "pear"):
        studio.wait(studio.run(config(word, epochs=2)), "done")
    page = pages.open(studio)
    page.get_by_role("searchbox").fill("peach")
    shown = page.locator(".gallery li")
    expect(shown).to_have_count(1)
    expect(shown.locator("img")).to_have_js_property("complete", True)
    shown.locator(".card").click()
    expect(page.locator(".cm-content")).to_contain_text("peach")
    page.get_by_role("searchbox").fill("no such word")
    expect(page.locator(".gallery .empty")).to_have_text("There is no such picture.")


def test_two_pictures_side_by_side(studio: Studio, pages: Pages) -> None:
    for text in (
        config("cherry", epochs=130 if PICTURES else 30),
        config("red cherry", epochs=160 if PICTURES else 60),
    ):
        studio.wait(studio.run(fine(text)), "done")
    page = pages.open(studio)
    button(page, "Compare cherry").click()
    expect(page.locator(".comparison")).to_contain_text("Choose another one")
    button(page, "Compare red-cherry").click()
    rows = page.locator(".comparison tbody tr")
    expect(rows).to_have_text([re.compile(r"epochs\d+60"), 'targets.0.features.0.text"cherry""red cherry"'])
    expect(page.locator(".comparison img")).to_have_count(2)
    shoot(page, "compare")
    button(page, "Close").click()
    expect(page.locator(".comparison")).to_have_count(0)


def test_favourites_are_kept(studio: Studio, pages: Pages) -> None:
    for word in ("melon", "onion"):
        studio.wait(studio.run(config(word, epochs=2)), "done")
    page = pages.open(studio)
    button(page, "melon is a favourite").click()
    expect(button(page, "melon is a favourite")).to_have_attribute("aria-pressed", "true")
    page.reload()
    button(page, "Favourites").click()
    expect(page.locator(".gallery .card")).to_have_text(["melon"])
    button(page, "melon is a favourite").click()
    expect(page.locator(".gallery .empty")).to_have_text("There is no such picture.")


def test_before_and_now_share_a_picture(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio)
    write(page, fine(config("banana", epochs=400)))
    page.keyboard.press("Control+Enter")
    expect(page.locator(".controls p").first).to_contain_text("done · epoch 400 of 400")  # and not that of a run before
    button(page, "Before").click()
    divider = page.get_by_role("slider", name="Before and now")
    page.locator("canvas[data-before]").wait_for()
    halves = []
    for key in ("End", "Home"):
        divider.press(key)
        halves.append(page.evaluate("document.querySelector('canvas').toDataURL()"))
    assert halves[0] != halves[1]
    moment = page.get_by_role("slider", name="Earlier picture")
    expect(moment).to_have_attribute("aria-valuetext", "after epoch 1")
    expect(moment).not_to_have_attribute("max", "0")
    moment.press("ArrowRight")
    expect(moment).not_to_have_attribute("aria-valuetext", "after epoch 1")
    for _ in range(10):
        divider.press("PageUp")
    shoot(page, "before")


def test_a_mask_is_painted_and_holds_its_target(studio: Studio, pages: Pages) -> None:
    before = {*(studio.folder / "masks").glob("*.png")}
    page = pages.open(studio)
    write(page, fine(config("cat", epochs=90_000)))
    page.keyboard.press("Control+Enter")
    page.locator("canvas[data-frame]").wait_for()
    if PICTURES:
        studio.until(150)
    button(page, "Mask").click()
    box = page.locator("canvas[data-frame]").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.6, steps=5)
    page.mouse.up()
    page.get_by_role("group", name="Picture", exact=True).press("ArrowRight")
    page.keyboard.press("Space")
    shoot(page, "mask")
    button(page, "Give it to the target").click()
    expect(page.locator(".cm-content")).to_contain_text('- mask: "masks/')
    expect(page.locator(".problems button")).to_have_count(0)
    page.locator(".cm-content").click()
    page.keyboard.press("Control+Shift+Enter")
    expect(page.locator(".timeline li")).to_have_count(1)
    stop(page)
    [path] = {*(studio.folder / "masks").glob("*.png")} - before
    with Image.open(path) as image:
        assert image.getextrema() == (0, 255)
        assert 255 * 0.01 < ImageStat.Stat(image.convert("L")).mean[0] < 255 * 0.5


def test_a_film_at_a_click(studio: Studio, pages: Pages) -> None:
    studio.wait(studio.run(config("carrot", epochs=10)), "done")
    page = pages.open(studio)
    button(page, "Make a film of carrot").click()
    link = page.get_by_role("link", name="The film of carrot-1")
    link.wait_for()
    with page.expect_popup() as opened:
        link.click()
    opened.value.locator("img").wait_for()


def test_a_run_that_was_stopped_goes_on(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio)
    write(page, config("potato", epochs=3000))
    page.keyboard.press("Control+Enter")
    page.locator("canvas[data-frame]").wait_for()
    stop(page)
    epoch = int(page.locator(".controls progress").get_attribute("value") or 0)
    button(page, "Go on with this run").click()
    expect(state(page)).to_have_text("done")
    assert epoch < 3000
    expect(page.locator(".controls p").first).to_contain_text("epoch 3000 of 3000")
    expect(button(page, "Go on with this run")).to_have_count(0)


def test_a_studio_that_only_shows_says_so(tmp_path: Path, pages: Pages) -> None:
    with started(tmp_path, "--read-only") as studio:
        studio.login()
        page = pages.open(studio)
        expect(page.locator(".folder")).to_contain_text("nothing can be changed")
        expect(button(page, "Run")).to_be_disabled()
        page.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        expect(page.locator(".notice")).to_contain_text("this studio only shows")
        page.close()  # it would say that nobody answers
    pages.complaints.clear()  # the browser logs the answer


def test_three_runs_wait_for_each_other(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio)
    write(page, config("lemon", epochs=90_000))
    for _ in range(3):
        page.keyboard.press("Control+Enter")
    rows = page.locator(".queue li", has_text="lemon")
    expect(rows).to_have_count(3)
    button(page, "Take lemon out of the queue").first.click()
    expect(rows).to_have_count(2)
    button(page, "Stop").click()
    expect(page.locator(".queue")).to_have_count(0)  # the last one runs
    stop(page)


def test_of_two_runs_at_once_either_is_watched(pages: Pages, tmp_path: Path) -> None:
    with started(tmp_path / "two", "--workers", "2") as studio:
        studio.login()
        page = pages.open(studio)
        for word in ("cat", "owl"):
            write(page, config(word, epochs=90_000))
            page.keyboard.press("Control+Enter")
            expect(page.locator('.controls [data-state="running"]')).to_be_visible()
        expect(page.locator('.queue [data-state="running"]')).to_have_count(2)
        button(page, "Watch owl").click()
        expect(button(page, "Watch cat")).to_be_visible()
        expect(page.locator(".curves")).to_contain_text("owl")
        stop(page)
        button(page, "Watch cat").click()
        expect(page.locator(".curves")).to_contain_text("cat")
        expect(page.locator(".curves")).not_to_contain_text("owl")
        stop(page)
        page.close()


def test_a_look_is_a_template(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio)
    page.get_by_label("Start from").select_option("object")
    expect(page.locator(".cm-content")).to_contain_text("look: object")
    expect(page.locator(".problems button")).to_have_count(0)


def test_examples_and_the_last_runs_are_templates(studio: Studio, pages: Pages) -> None:
    studio.wait(studio.run(config("broccoli", epochs=2)), "done")
    page = pages.open(studio)
    page.get_by_label("Start from").select_option("hamburger")
    expect(page.locator(".cm-content")).to_contain_text("hamburger")
    page.get_by_label("Start from").select_option("broccoli")
    expect(page.locator(".cm-content")).to_contain_text("text: broccoli")


def test_the_form_changes_the_text_and_nothing_else(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio)
    text = config("fox").replace("epochs: 20", "epochs: 20  # few")
    write(page, text + "finish:\n  - stretch: .6\n    border: {size: 2, color: red}\n")
    page.locator("summary", has_text="Form").click()
    epochs = page.get_by_label("epochs", exact=True)
    expect(epochs).to_have_value("20")
    epochs.fill("35")
    epochs.press("Enter")
    expect(page.locator(".cm-content")).to_contain_text("epochs: 35  # few")
    slider = page.get_by_role("slider", name="stretch strength")
    expect(slider).to_have_attribute("max", "1")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".cm-content")).to_contain_text("stretch: 0.65")
    expect(page.locator(".about")).to_contain_text("makes it full")
    expect(page.get_by_label("border color")).to_have_value("#ff0000")
    page.get_by_label("border color").fill("#00ff00")
    expect(page.locator(".cm-content")).to_contain_text('color: "#00ff00"')
    shoot(page, "form")
    page.locator("summary", has_text="What stays").click()
    page.get_by_label("canvas", exact=True).select_option("natural")
    expect(page.locator(".cm-content")).to_contain_text("canvas: natural")
    page.get_by_role("switch", name="metadata").press("Space")
    expect(page.locator(".cm-content")).to_contain_text("metadata: false")
    expect(page.locator(".problems button")).to_have_count(0)
    page.locator(".cm-content").click()
    page.keyboard.press("Control+z")
    expect(page.locator(".cm-content")).not_to_contain_text("metadata")
    expect(page.get_by_role("switch", name="metadata")).to_be_checked()


@pytest.mark.parametrize(
    ("before", "typed", "offered"),
    [
        ("", "epo", "epochs"),
        ("targets:\n  - ", "batch", "batch_size"),
        ("targets:\n- features:\n  - text: x\n    ", "wei", "weight"),
        ("targets:\n  - transforms:\n      - ", "random_sh", "random_shift"),
        ("targets:\n  - transforms:\n      - noise:\n          ", "st", "std"),
        ("targets:\n  - constraints:\n      - blur: {kernel_size: 3, ", "wei", "weight"),
        ("canvas: ", "pyr", "pyramid"),
        ("targets:\n  - ", "sel", "select"),
    ],
)
def test_names_are_completed_where_they_belong(
    studio: Studio, pages: Pages, before: str, typed: str, offered: str
) -> None:
    page = pages.open(studio)
    write(page, "")
    page.keyboard.insert_text(before)
    page.keyboard.type(typed, delay=30)
    options = page.locator(".cm-tooltip-autocomplete li")
    expect(options.first).to_contain_text(offered)
    options.first.click()
    expect(page.locator(".cm-content")).to_contain_text(offered)


def test_a_name_is_explained(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio)
    write(page, "epochs: 50\ntargets:\n  - constraints:\n      - blur: 3\n")
    page.get_by_text("blur", exact=True).hover()
    expect(page.locator(".help")).to_contain_text("Example:")


def test_a_phone_shows_everything(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    write(page, config("snail", epochs=90_000))
    button(page, "Run").tap()
    page.locator(".plot .u-legend", has_text="snail").wait_for()
    page.locator("canvas[data-frame]").wait_for()
    button(page, "Tiles").tap()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("summary", has_text="Form").tap()
    page.locator("summary", has_text="What stays").tap()
    page.get_by_label("learnrate", exact=True).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("summary", has_text="Form").tap()
    page.locator(".run").scroll_into_view_if_needed()
    shoot(page, "phone")
    button(page, "Stop").tap()
    expect(state(page)).to_have_text("stopped")


def test_the_keyboard_reaches_everything(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio)
    page.locator("summary", has_text="Form").wait_for()
    page.locator(".cm-content").click()
    page.keyboard.press("Escape")
    names = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        names.add(page.evaluate("document.activeElement.textContent || document.activeElement.type"))
    assert {"Form", "Fit", "1:1", "Tiles", "Before", "Mask", "Favourites", "search"} <= names


CONTRAST = """() => {
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const light = (name) => {
        document.body.style.outlineColor = `var(${name})`;
        probe.fillStyle = getComputedStyle(document.body).outlineColor;
        probe.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...probe.getImageData(0, 0, 1, 1).data].map((value) => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (one, two) => {
        const [low, high] = [light(one), light(two)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const texts = ["--text", "--quiet", "--key", "--bad", "--green", "--accent", "--blue", "--orange", "--violet"];
    const pairs = texts.flatMap((text) => [[text, "--back"], [text, "--card"]]);
    return [...pairs, ["--on-accent", "--accent"]].map(([one, two]) => [one, two, ratio(one, two)]);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_told_apart(studio: Studio, pages: Pages, scheme: str) -> None:
    page = pages.open(studio, color_scheme=scheme)
    assert [pair for pair in page.evaluate(CONTRAST) if pair[2] < 4.5] == []  # WCAG AA


def test_nothing_moves_for_those_who_do_not_want_it(studio: Studio, pages: Pages) -> None:
    page = pages.open(studio, reduced_motion="reduce")
    page.locator(".cm-content").click()
    button(page, "Run").hover()
    assert page.evaluate("document.getAnimations().length") == 0


def test_the_page_is_small(studio: Studio) -> None:
    sizes = [len(studio.ask("GET", path).body) for path in ("/", "/static/app.js", "/static/app.css")]
    assert sum(sizes) < 600_000
    licences = studio.ask("GET", "/static/LICENSES.txt").body.decode()
    assert all(f"{name} " in licences for name in ("preact", "uplot", "@codemirror/view"))
