"""What is written with a picture means the same elsewhere: files by content, plugins by version, no paths."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from clipig_core.errors import ClipigError
from clipig_core.language.assets import find, hashed
from tests.cli.test_look_into import clipig

CONFIG = """
device: cpu
verbose: 0
output: made/
resolution: 16
epochs: 2
init: {image: start.png}
targets:
  - constraints: [blur: 3]
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    picture("start.png", 1)
    Path("a.yaml").write_text(CONFIG)


def picture(path: str, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def sidecar(path: str) -> dict[str, Any]:
    config: dict[str, Any] = YAML(typ="safe").load(Path(path))
    return config


def test_nothing_of_this_machine_travels_with_a_picture(tmp_path: Path) -> None:
    Path("a.yaml").write_text(CONFIG + "  - features: [image: start.png]\nmodel: emoji\n")
    clipig("run", "a.yaml")
    for text in (clipig("show", "made/a.png").stdout, Path("made/a.yaml").read_text()):
        assert str(tmp_path) not in text
        assert not {"output", "device", "verbose"} & {*YAML(typ="safe").load(text)}
    config = sidecar("made/a.yaml")
    assert config["init"]["image"].startswith("start.png#sha256:")
    assert any(text.startswith("clipig>=") for text in config["requires"])


def test_it_runs_from_any_folder_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clipig("run", "a.yaml")
    shutil.move("made/a.png", tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    clipig("run", "a.png", "-v", "0", "-o", "again.png")
    with Image.open("a.png") as one, Image.open("again.png") as other:
        assert one.tobytes() == other.tobytes()


def test_another_file_of_the_same_name_is_not_taken() -> None:
    clipig("run", "a.yaml")
    picture("start.png", 2)
    with pytest.raises(ClipigError, match="its content is another"):
        clipig("run", "made/a.yaml")


def test_a_file_is_found_by_its_content(tmp_path: Path) -> None:
    written = hashed("start.png")
    assert find(written, [tmp_path / "elsewhere"]) == tmp_path / "here" / "start.png"
    Path("start.png").unlink()
    with pytest.raises(ValueError, match="there is no file"):
        find(written, [tmp_path / "elsewhere"])
    shutil.rmtree(tmp_path / "cache")
    picture("other.png", 1)
    with pytest.raises(ValueError, match="there is no file"):
        find(written, [tmp_path / "here"])


def test_a_bundle_runs_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clipig("run", "a.yaml")
    assert clipig("bundle", "made/a.png").stdout == "made/a.zip\n"
    with zipfile.ZipFile("made/a.zip") as archive:
        assert sorted(archive.namelist()) == ["a/a.png", "a/a.yaml", "a/start.png"]
        archive.extractall(tmp_path / "there")
    shutil.move("made/a.png", tmp_path / "first.png")
    shutil.rmtree(tmp_path / "here")
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.chdir(tmp_path / "there")
    clipig("run", "a/a.yaml", "-v", "0", "-o", "again.png")
    with Image.open(tmp_path / "first.png") as one, Image.open("again.png") as other:
        assert one.tobytes() == other.tobytes()


def test_a_bundle_overwrites_nothing() -> None:
    Path("a.zip").write_text("mine")
    with pytest.raises(ClipigError, match="exists already"):
        clipig("bundle", "a.yaml")
    with pytest.raises(ClipigError, match=r"is no .*zip"):
        clipig("bundle", "a.yaml", "-o", "a.tar")
    assert Path("a.zip").read_text() == "mine"


def test_a_bundle_makes_its_folder() -> None:
    assert clipig("bundle", "a.yaml", "-o", "new/folder/x.zip").stdout == "new/folder/x.zip\n"
    assert zipfile.is_zipfile("new/folder/x.zip")


def test_two_files_of_one_name() -> None:
    Path("other").mkdir()
    picture("other/start.png", 3)
    Path("b.yaml").write_text(CONFIG + "  - features: [image: other/start.png]\nmodel: emoji\n")
    clipig("bundle", "b.yaml")
    with zipfile.ZipFile("b.zip") as archive:
        assert {"b/start.png", "b/start-1.png"} < {*archive.namelist()}


def test_metadata() -> None:
    clipig("run", "a.yaml", "--set", "metadata=false")
    with Image.open("made/a.png") as image:
        image.load()
        assert not image.info
    assert sidecar("made/a.yaml")["metadata"] is False


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        ("[clipig>=99]", "a.yaml:1:12: requires: 'clipig>=99' is needed, but this is clipig"),
        ("[clipig-gone]", "'clipig-gone' is not installed (pip install 'clipig-gone')"),
        ("[5, '???']", "is no requirement"),
        ("{clipig: 1}", "is no requirement"),
    ],
)
def test_requirements_that_are_not_met(requires: str, message: str) -> None:
    Path("a.yaml").write_text(f"requires: {requires}{CONFIG}")
    with pytest.raises(ClipigError) as error:
        clipig("run", "a.yaml")
    assert message in str(error.value)


# enlarge


def test_an_enlarged_picture_is_the_same_picture() -> None:
    small = ["-e", "60", "--set=resolution=32 48", "--set=targets.0.batch_size=4", "-v", "0", "--seed", "1"]
    clipig("make", "strawberry", "--look", "emoji", *small, "-o", "small.png")
    assert clipig("enlarge", "small.png", "--to", "96", "-v", "0", "-o", "large.png").stdout == "large.png\n"
    with Image.open("small.png") as one, Image.open("large.png") as other:
        assert other.size == (64, 96)
        before, after = (
            np.asarray(image.convert("RGB").resize((32, 48), Image.Resampling.BOX), float) for image in (one, other)
        )
    assert 10 * np.log10(255**2 / np.mean((before - after) ** 2)) > 20
    config = json.loads(clipig("show", "large.png", "--json").stdout)["config"]
    assert config["start_epoch"] == 42
    assert config["targets"][0]["constraints"][0]["blur"]["kernel_size"] == [10, 10]  # 5 in the small one


def test_a_picture_may_be_called_like_a_variable() -> None:
    clipig("run", "a.yaml")
    Path("made/a.png").rename("sw{{y}}-{{ 2 }}.png")
    assert clipig("enlarge", "sw{{y}}-{{ 2 }}.png", "--to", "32", "-o", "large.png").stdout == "large.png\n"


def test_texts_may_have_braces() -> None:
    clipig("run", "a.yaml", "--set", "targets.0.name='{{name}}'", "--var", "name=the {{y}} of { { x", "-o", "one.png")
    assert clipig("run", "one.png", "-o", "again.png").stdout == "again.png\n"
    assert clipig("enlarge", "one.png", "--to", "32", "-e", "4", "-o", "large.png").stdout == "large.png\n"
    assert clipig("bundle", "one.png").exit_code == 0
    config = json.loads(clipig("show", "large.png", "--json").stdout)["config"]
    assert config["targets"][0]["name"] == "the {{braces}}y}} of { { x"
    assert config["epochs"] == 4


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["start.png", "--to", "64"], "holds no config"),
        (["a.yaml", "--to", "64"], "is no picture"),
        (["made/a.png", "--to", "16"], "has 16x16 pixels already"),
    ],
)
def test_what_cannot_be_enlarged(args: list[str], message: str) -> None:
    clipig("run", "a.yaml")
    with pytest.raises(ClipigError, match=message):
        clipig("enlarge", *args)


def test_one_epoch_is_no_epochs() -> None:
    assert "\n1 epoch in " in clipig("run", "a.yaml", "-e", "1", "-v", "1").stderr
