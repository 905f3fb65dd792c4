"""The fields of the form: what they say, and that the text stays as it was written but for their value."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin
from studio_client import Studio, config

from clipig_core import kit
from clipig_studio.edit import replaced
from clipig_studio.form import Field, fields, put
from clipig_studio.pictures import keep_mask

REGISTRY = kit.Registry()

TEXT = """\
# A fox.
model: emoji  # small
resolution: [32, 32]
epochs: 20
targets:
  - name: "the fox"
    features:
      - text: fox  # or a dog
        weight: 2
    transforms:
      - noise: .1
    constraints:
      - blur: {kernel_size: 5, weight: 1.5}
      - color: .6 .5 .4
finish:
  - smooth: {edge: .08, size: 7}
    stretch: .6
"""


def found(text: str) -> dict[str, Field]:
    return {f"{one.group}: {one.name}": one for one in fields(text, REGISTRY)}


def test_fields_are_declared_and_hold_what_the_text_says() -> None:
    known = found(TEXT)
    about = {
        name: (known[name].value, known[name].control["type"], known[name].given)
        for name in (
            "The run: model",
            "The run: epochs",
            "The run: resolution",
            "The run: learnrate",
            "The run: seed",
            "The run: compile",
            "Target the fox: text",
            "Target the fox: text weight",
            "Target the fox: blur weight",
            "Target the fox: color",
            "After the last epoch: stretch strength",
        )
    }
    assert about == {
        "The run: model": ("emoji", "choice", True),
        "The run: epochs": ("20", "number", True),
        "The run: resolution": ("32, 32", "text", True),
        "The run: learnrate": ("1.0", "number", False),
        "The run: seed": ("", "number", False),
        "The run: compile": ("false", "switch", False),
        "Target the fox: text": ("fox", "text", True),
        "Target the fox: text weight": ("2", "number", True),
        "Target the fox: blur weight": ("1.5", "number", True),
        "Target the fox: color": (".6 .5 .4", "color", True),
        "After the last epoch: stretch strength": ("0.6", "range", True),
    }
    stretch = known["After the last epoch: stretch strength"]
    assert dict(stretch.control) == {"type": "range", "min": 0, "max": 1, "step": 0.01}
    assert stretch.doc == "0 leaves the contrast, 1 makes it full."
    assert len({one.id for one in fields(TEXT, REGISTRY)}) == len(fields(TEXT, REGISTRY))


@pytest.mark.parametrize(
    ("name", "value", "before", "after"),
    [
        ("Target the fox: text", "red fox", "- text: fox  #", "- text: red fox  #"),
        ("Target the fox: text", "12", "- text: fox  #", '- text: "12"  #'),
        ("Target the fox: text", "a: b #c", "- text: fox  #", '- text: "a: b #c"  #'),
        ("Target the fox: name", "fox", '"the fox"', "fox"),
        ("Target the fox: blur kernel size", "7, 5", "size: 5,", 'size: "7, 5",'),
        ("Target the fox: color", "#ff0000", "color: .6 .5 .4", 'color: "#ff0000"'),
        ("After the last epoch: stretch strength", "0.75", "stretch: .6", "stretch: 0.75"),
        ("The run: model", "photo-lite0", "model: emoji ", "model: photo-lite0 "),
        ("The run: resolution", "64 32", "[32, 32]", "64 32"),
        ("The run: epochs", "7", "epochs: 20", "epochs: 7"),
        ("The run: learnrate", "2", "epochs: 20\n", "epochs: 20\nlearnrate: 2\n"),
        ("The run: compile", "true", "epochs: 20\n", "epochs: 20\ncompile: true\n"),
    ],
)
def test_a_value_is_written_and_nothing_else_changes(name: str, value: str, before: str, after: str) -> None:
    assert put(TEXT, found(TEXT)[name].id, value, REGISTRY) == TEXT.replace(before, after)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("look: emoji\n", "look: emoji\nvars:\n  text: fox\n"),
        ("look: emoji\nvars:\n", None),
        ("look: emoji\nvars: {}\n", None),
        ("look: emoji\nvars: {other: 1}", "look: emoji\nvars: {text: fox, other: 1}"),
        (
            "look: emoji\nvars:\n    # mine\n    other: 1\n",
            "look: emoji\nvars:\n    # mine\n    text: fox\n    other: 1\n",
        ),
        ("vars:\n  text: dog # no\nlook: emoji", "vars:\n  text: fox # no\nlook: emoji"),
        ("{look: emoji}", None),
        ("--- {look: emoji, vars: {text: dog}}", "--- {look: emoji, vars: {text: fox}}"),
        ("look: emoji\n...\n", "look: emoji\nvars:\n  text: fox\n...\n"),
        ("vars:\n  text: |\n    dog\nlook: emoji", None),
    ],
)
def test_a_variable_is_added_where_it_belongs(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="change it in the text"):
            put(text, "vars.text", "fox", REGISTRY)
    else:
        assert put(text, "vars.text", "fox", REGISTRY) == expected


def test_what_a_variable_is_filled_into_is_changed_by_the_variable() -> None:
    text = TEXT.replace("text: fox", 'text: "{{animal}}"') + "vars: {animal: fox}\n"
    known = found(text)
    assert known["Words: animal"].value == "fox"
    assert "Target the fox: text" not in known


def test_a_config_that_is_wrong_still_has_the_words_of_its_look() -> None:
    assert [(one.name, one.value) for one in fields("look: emoji\nepocs: 3\n", REGISTRY)] == [
        ("look", "emoji"),
        ("text", ""),
    ]


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), st.sampled_from([(6, 11), (8, 15)]))
def test_any_text_comes_back_as_it_was_entered(value: str, place: tuple[int, int]) -> None:
    try:
        text = replaced(TEXT, *place, value, word=True)
    except ValueError:  # as for characters that no YAML has
        assert not value.isprintable()
        return
    target = kit.read_yaml(text, "x").plain_value()["targets"][0]
    assert (target["name"] if place == (6, 11) else target["features"][0]["text"]) == value
    assert text.count("#") - value.count("#") == TEXT.count("#")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    transforms:\n      - noise: .1\n", '    transforms:\n      - mask: "masks/a.png"\n      - noise: .1\n'),
        ("    transforms:\n    - noise: .1\n", '    transforms:\n    - mask: "masks/a.png"\n    - noise: .1\n'),
        ("    transforms: [noise: .1]\n", '    transforms: [{mask: "masks/a.png"}, noise: .1]\n'),
        ("    transforms: []\n", '    transforms: [{mask: "masks/a.png"}]\n'),
        ("", None),
        ("    transforms:\n", None),
    ],
)
def test_a_mask_is_the_first_transform_of_its_target(before: str, after: str | None) -> None:
    text = f"look: emoji\nvars: {{text: x}}\ntargets:\n  - name: fox  # mine\n{before}    features: [text: fox]\n"
    [field] = [one for one in fields(text, REGISTRY) if one.control["type"] == "mask"]
    assert field.group == "Target fox"
    try:
        found = put(text, field.id, "masks/a.png", REGISTRY)
    except ValueError:
        assert before == "    transforms:\n"
        return
    new = after or '    transforms:\n      - mask: "masks/a.png"\n'
    assert found == (text.replace(before, new) if before else text.replace("# mine\n", f"# mine\n{new}"))


def test_a_mask_is_kept_as_gray_pixels_and_nothing_else(tmp_path: Path) -> None:
    name = keep_mask(tmp_path, painted(white=True))
    assert keep_mask(tmp_path, painted(white=True)) == name
    with Image.open(tmp_path / name) as image:
        assert (image.mode, image.size, image.info) == ("L", (8, 8), {})
    with pytest.raises(ValueError, match="more than 2048"):
        keep_mask(tmp_path, painted(white=True, size=2049))
    (tmp_path / "linked" / "there").mkdir(parents=True)
    (tmp_path / "linked" / "masks").symlink_to(tmp_path / "linked" / "there")
    with pytest.raises(ValueError, match="is a link"):
        keep_mask(tmp_path / "linked", painted(white=True))
    assert not list((tmp_path / "linked" / "there").iterdir())


def painted(white: bool, size: int = 8) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("clipig", "epochs: 3")
    content = io.BytesIO()
    Image.new("RGBA", (size, 8), "white" if white else "black").save(content, "PNG", pnginfo=info)
    return content.getvalue()


def test_the_page_gets_fields_and_sends_values(studio: Studio) -> None:
    text = config("fox")
    told: list[dict[str, Any]] = studio.post("/check", text=text).json["fields"]
    [field] = [one for one in told if one["name"] == "epochs"]
    assert field.keys() == {"id", "group", "name", "doc", "value", "control", "given"}
    answer = studio.post("/set", text=text, id=field["id"], value="30")
    assert answer.json == {"text": text.replace("epochs: 20", "epochs: 30")}
    assert studio.post("/check", text="a: [").json["fields"] == []
    assert studio.post("/set", text=text, id="no.such", value="3").json["message"].startswith("the config has no")
    assert studio.post("/set", text="a: [", id="epochs", value="3").status == 422
    assert studio.post("/set", text=text, id="epochs", value=3).status == 422
    assert studio.post("/set", text=text, id="epochs", value="3" * 10_001).status == 413
