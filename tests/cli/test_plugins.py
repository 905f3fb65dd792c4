"""`clipig plugins`: what people and programs are told of the plugins that are installed."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from click.testing import CliRunner

from clipig_cli import cli
from clipig_core.config.check import check
from clipig_core.extension.documentation import documentation, example
from clipig_core.extension.kinds import Stands
from clipig_core.extension.registry import Component, Registry
from clipig_core.language.yaml import read_yaml
from tests.cli.support import clipig, command, environment, install

BUILT_IN = [component for plugin in Registry().plugins if plugin.built_in for component in plugin.components]
ACME = """\
from clipig_core import hookimpl
@hookimpl
def clipig_transforms(): return {"blur": "acme_functions:blur", "swirl": "acme_functions:swirl"}
@hookimpl
def clipig_constraints(): return {"gone": "acme_functions:gone", "every": "acme_functions:every"}
"""
FUNCTIONS = '''\
from typing import Annotated, Literal
from clipig_core import Param
from clipig_core.language.schedule import FrameTime

def blur(images, amount: Annotated[float, Param("How much.")]):
    """Blur in another way.

    Example: .5 * t
    Args:
        amount: for Python
    """
    return images

def swirl(images):
    """Swirl.\\x1b[31m

    - a list
    - of two
    """
    return images

def every(
    images,
    ratio: Annotated[float, Param("A ratio.", above=2)],
    count: Annotated[int, Param("A count.", min=3, max=7)],
    small: Annotated[float, Param("Small.", max=0.5)],
    box: Annotated[tuple[float, float], Param("Two.")],
    way: Annotated[Literal["left", "right"], Param("A way.")],
    number: Annotated[int | Literal["auto"], Param("A number.")],
    on: Annotated[bool, Param("Yes or no.")],
    word: Annotated[str, Param("A word.")],
    table: Annotated[list, Param("Numbers.")],
    size: Annotated[tuple[int, int], Param("Size.")] = (3, 4),
    rest: Annotated[float | None, Param("The rest.")] = None,
    when: Annotated[FrameTime, Param("A time.")] = FrameTime(0.5),
    flag: Annotated[bool, Param("A flag.")] = False,
    empty: Annotated[str, Param("A text.")] = "",
    text: Annotated[str, Param("A text.")] = "yes: no, 1",
    truth: Annotated[str, Param("A text.")] = "true",
):
    return images
'''


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """A folder where a distribution is installed, whose `gone` is not there, and whose `blur` hides behind another."""
    (tmp_path / "acme_functions.py").write_text(FUNCTIONS)
    return install(tmp_path, "acme", ACME)


def listing(folder: Path, **more: str) -> str:
    done = clipig(folder, "plugins", **more)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# The listing


def test_all_built_in_plugins_are_listed(tmp_path: Path) -> None:
    done = clipig(tmp_path, "plugins", "--strict")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"clipig \d\S*", lines[0])
    assert [
        line
        for line in lines
        if re.fullmatch(r"  filters +transform +blur, border, edge, mask, periodic, smooth, unsharp", line)
    ]
    assert [
        line for line in lines if re.fullmatch(r"  looks +look +clip, emoji, landscape, object, poster, texture", line)
    ]
    count = len({component.plugin.name for component in BUILT_IN})
    assert lines[-1] == f"{count} plugins: {count} ok"


def test_without_a_terminal_a_row_is_a_line(tmp_path: Path) -> None:
    text = listing(tmp_path)
    (models,) = [line for line in text.splitlines() if line.startswith("  clip ")]
    assert all(name in models for name in ("RN50,", "ViT-B/32,", ".safetensors", "emoji"))
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [60, 100])
def test_rows_are_wrapped_to_the_terminal_and_aligned(tmp_path: Path, width: int) -> None:
    lines = listing(tmp_path, COLUMNS=str(width)).splitlines()
    assert width * 0.8 < max(map(len, lines)) <= width
    (number,) = [number for number, line in enumerate(lines) if line.startswith("  clip ")]
    column = lines[number].index("RN50")
    assert re.fullmatch(rf" {{{column}}}\S.*", lines[number + 1])
    (features,) = [line for line in lines if line.startswith("  features ")]
    assert features[column:] == "image, text"


def test_the_listing_as_json(tmp_path: Path) -> None:
    found = {plugin["name"]: plugin for plugin in json.loads(clipig(tmp_path, "plugins", "--json").stdout)}
    assert found["filters"]["distribution"] == "clipig"
    assert found["filters"]["status"] == "ok"
    assert {"kind": "transform", "name": "blur", "error": ""} in found["filters"]["components"]


def test_disabled_plugins(tmp_path: Path) -> None:
    done = clipig(tmp_path, "plugins", "--json", "--strict", CLIPIG_DISABLE="filters")
    assert done.returncode == 0
    status = {plugin["name"]: plugin["status"] for plugin in json.loads(done.stdout)}
    assert status["filters"] == "disabled"
    assert status["geometry"] == "ok"
    text = listing(tmp_path, CLIPIG_DISABLE="filters")
    assert re.search(r"^  filters +DISABLED$", text, re.MULTILINE)
    assert text.endswith(" ok, 1 disabled\n")


@pytest.mark.parametrize("code", ["raise RuntimeError('no licence')", "import sys; sys.exit('no licence')"])
def test_a_broken_plugin_is_listed_and_fails_only_strict(tmp_path: Path, code: str) -> None:
    path = str(install(tmp_path, "acme_bad", code))
    text = listing(tmp_path, PYTHONPATH=path)
    assert re.search(r"^acme_bad 1\.0\n  acme_bad +BROKEN +\w+: no licence$", text, re.MULTILINE)
    assert re.search(r"^  filters +transform ", text, re.MULTILINE)
    assert text.endswith(" ok, 1 BROKEN\n")
    assert clipig(tmp_path, "plugins", "--strict", PYTHONPATH=path).returncode == 1


def test_what_works_of_a_broken_plugin_is_listed_by_the_names_that_configs_use(acme: Path) -> None:
    assert re.search(
        r"^  acme +BROKEN +constraint 'gone': module 'acme_functions' has no 'gone'\n"
        r" +transform +acme/blur, swirl\n"
        r" +constraint +every$",
        listing(acme, PYTHONPATH=str(acme)),
        re.MULTILINE,
    )


def on_a_terminal(folder: Path, *args: str, **more: str) -> str:
    ours, theirs = pty.openpty()
    subprocess.run([command(), *args], cwd=folder, env=environment(**more), stdout=theirs, check=True, timeout=60)
    shown = os.read(ours, 1_000_000).decode()
    os.close(theirs)
    os.close(ours)
    return shown


def test_broken_plugins_are_red_where_there_are_colours(tmp_path: Path) -> None:
    path = str(install(tmp_path, "acme_bad", "raise RuntimeError('no licence')"))
    assert re.search(r"\x1b\[31m  acme_bad +BROKEN ", on_a_terminal(tmp_path, "plugins", PYTHONPATH=path))
    assert "\x1b" not in on_a_terminal(tmp_path, "plugins", PYTHONPATH=path, NO_COLOR="1")


# The page of a component


def page(folder: Path, name: str, **more: str) -> str:
    done = clipig(folder, "plugins", name, **more)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_page_tells_everything(tmp_path: Path) -> None:
    text = page(tmp_path, "random_rotate")
    assert re.match(r"transform random_rotate\nof the plugin geometry \(clipig \d\S*\)\n\nRotate each image by ", text)
    assert "Draws random numbers" in text
    assert "\n  degree  list of 2 floats, required\n          Minimum and maximum angle" in text
    assert "\n  center  list of 2 floats, default 0.5 0.5\n          Minimum and maximum centre" in text
    assert re.search(r"\n  time +epoch, time, t, ", text)
    assert re.search(r"\n  learnrate +learnrate, lr, learnrate_scale, lrs\n", text)
    assert "\nExample\n  targets:\n    - features:\n        - text: strawberry\n" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("blur", ["transform blur\n", "constraint blur\n", "such as 5%, from 0 to\n", "32767, default 3 3\n"]),
        ("mean", ["one of l1, mae, l2, mse, default l2\n", "Every constraint also takes weight, start, end.\n"]),
        ("text", ["Every feature also takes start, end, weight, scale, loss.\n"]),
        ("center_crop", ["Changes the resolution", "from 1 to 16384,\n"]),
        ("random_scale", ["above 0, required\n"]),
        ("clipig/l1", ["loss l1\n", "loss: l1\n"]),
        ("adam", ["above 0, default 1e-08\n", "\n  optimizer:\n    adam: "]),
        (".pt", ["\n  model:\n    my-clip.pt: {activation: "]),
    ],
)
def test_what_pages_tell(name: str, pieces: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = CliRunner().invoke(cli, ["plugins", name]).stdout
    assert not [piece for piece in pieces if piece not in text]


def test_a_page_as_json(acme: Path) -> None:
    done = clipig(acme, "plugins", "every", "--json", PYTHONPATH=str(acme))
    (entry,) = json.loads(done.stdout)
    params = {param["name"]: param for param in entry["parameters"]}
    assert [name for name, param in params.items() if param["required"]] == list(params)[:9]
    assert {key: params["count"][key] for key in ("min", "max", "above")} == {"min": 3, "max": 7, "above": None}
    assert params["ratio"]["above"] == 2
    assert params["size"]["lengths"] == [2]
    assert params["size"]["default"] == [3, 4]
    assert params["way"]["choices"] == ["left", "right"]
    assert params["number"]["choices"] == ["auto"]
    assert params["when"]["default"] == 0.5
    assert params["small"]["variables"] == ["time", "resolution", "learnrate", "target constraint"]
    assert params["word"]["variables"] == []


def test_third_party_text_cannot_control_the_terminal(acme: Path) -> None:
    text = page(acme, "swirl", PYTHONPATH=str(acme))
    assert "Swirl.\\x1b[31m\n\n- a list\n- of two\n" in text
    assert "\x1b" not in text


def test_components_that_cannot_be_loaded_say_why(acme: Path) -> None:
    (acme / "acme_functions.py").write_text(f"import acme_missing\n{FUNCTIONS}")
    done = clipig(acme, "plugins", "every", PYTHONPATH=str(acme))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("constraint 'every' of plugin 'acme' (acme 1.0) cannot be loaded: ")
    done = clipig(acme, "plugins", "blur", PYTHONPATH=str(acme))
    assert done.returncode == 0
    assert "transform blur\n" in done.stdout
    assert done.stderr.startswith("transform 'blur' of plugin 'acme' (acme 1.0) cannot be loaded: ")


# Examples


def load(text: str, registry: Registry) -> None:
    check(read_yaml(text, "example"), registry)


@pytest.mark.parametrize(
    "component", [c for c in BUILT_IN if c.contract.stands is not Stands.NOWHERE], ids=lambda c: f"{c.kind}-{c.name}"
)
def test_examples_of_built_in_components_can_be_pasted(
    component: Component, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = example(component, component.name)
    for file in re.findall(r"my-[\w.-]+", text):
        (tmp_path / file).touch()
    assert component.name in text
    load(text, Registry())


def test_examples_of_third_party_components_are_declared_or_made(acme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(acme)
    for name in ("acme", "acme_functions"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    registry = Registry(entry_points(group="clipig"))
    (plugin,) = [plugin for plugin in registry.plugins if plugin.name == "acme"]
    whole = [component for component in plugin.components if not component.error]
    entries = {c.name: documentation(c, registry, registry.spellings(c)[0]) for c in whole}
    for entry in entries.values():
        load(entry["example"], registry)
    assert entries["blur"]["example"].endswith("transforms:\n      - acme/blur: .5 * t")
    assert entries["blur"]["doc"] == "Blur in another way."
    assert entries["swirl"]["example"].endswith("transforms:\n      - swirl")
    assert (
        "every: {ratio: 3, count: 3, small: 0.5, box: 1, way: left, number: 1, on: true, word: "
        in (entries["every"]["example"])
    )


FAULTY = """\
from clipig_core import hookimpl

print("an advertisement")

@hookimpl
def clipig_transforms():
    return {"blur": "shop_parts:blur", "wrong": "shop_parts:wrong", "nothing": "builtins:min"}
"""
PARTS = '''\
from typing import Annotated
from clipig_core import Param

print("an advertisement")

def blur(images, haze: Annotated[float, Param("How hazy.", min=0)] = 1.0):
    """Blur otherwise."""
    return images

def wrong(images, strength: Annotated[float, Param("How strong.", min="0")] = 1.0):
    """Declared in a wrong way."""
    return images
'''


def test_parameters_can_be_asked_for_whatever_plugins_do(tmp_path: Path) -> None:
    install(tmp_path, "shop", FAULTY)
    (tmp_path / "shop_parts.py").write_text(PARTS)
    where = {"PYTHONPATH": str(tmp_path)}
    shown = clipig(tmp_path, "help", "stochastic_depth", "--json", **where)
    assert (shown.returncode, json.loads(shown.stdout)[0]["max"]) == (0, 0.9)
    own = clipig(tmp_path, "help", "shop/blur.haze", **where)
    assert own.stdout.startswith("haze, a parameter of transform shop/blur\n  How hazy.\n")
    near = clipig(tmp_path, "help", "blur.hase", **where)
    assert near.returncode == 2
    assert "did you mean 'shop/blur.haze'?" in near.stderr
    assert "shop/blur" in clipig(tmp_path, "plugins", "shop/blur", "--json", **where).stdout
    assert "no JSON" in clipig(tmp_path, "help", "run", "--json", **where).stderr
    for name in ("wrong", "nothing"):
        refused = clipig(tmp_path, "help", name, **where)  # Traceback is refused by `clipig` itself
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "its declarations cannot be read: " in refused.stderr
