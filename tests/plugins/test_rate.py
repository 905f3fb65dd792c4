"""Rating: `clipig rate`, and sweeps that go on with their best pictures."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

import clipig
from clipig_core import kit
from clipig_sweep.judge import Judge, models_of, painted
from clipig_sweep.rate import rate, table
from clipig_sweep.sweep import sweep

FOX = (
    "{model: emoji, resolution: 32, epochs: 12, seed: 0, targets: [{features: [{text: fox}, {text: owl, weight: -1}]}]}"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("fox.yaml").write_text(FOX)
    return tmp_path


@pytest.fixture
def pictures(folder: Path) -> Path:
    """A picture of a fox that says so, and one that is gray."""
    (folder / "pictures").mkdir()
    clipig.make("fox.yaml").save("pictures/fox.png")
    Image.new("RGB", (40, 30), "gray").save("pictures/=gray.png")
    return folder


def rows(*args: str) -> Any:
    done = CliRunner().invoke(rate, [*args, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_picture_that_shows_it_comes_first(pictures: Path) -> None:
    found = rows("pictures", "-m", "emoji", "-t", "fox", "-t", "owl")
    assert [row["picture"] for row in found] == ["pictures/fox.png", "pictures/=gray.png"]
    assert [*found[0]] == ["picture", "mean", "fox", "owl"]
    assert found[0]["fox"] > found[1]["fox"]
    assert found[0]["mean"] == pytest.approx((found[0]["fox"] + found[0]["owl"]) / 2, abs=1e-3)
    assert [row["picture"] for row in rows("pictures", "-m", "emoji", "-t", "fox", "--sort", "picture")] == [
        *("pictures/=gray.png", "pictures/fox.png")
    ]
    (same,) = rows("pictures/fox.png", "-m", "emoji", "-i", "pictures/fox.png")
    assert same["mean"] == pytest.approx(100, abs=1e-2)


def test_without_texts_a_picture_is_compared_with_its_own(pictures: Path) -> None:
    done = CliRunner().invoke(rate, ["pictures/fox.png", "-m", "emoji", "--json"])
    (own,) = json.loads(done.stdout)
    assert own["texts"] == "fox"
    assert own["mean"] == rows("pictures/fox.png", "-m", "emoji", "-t", "fox")[0]["mean"]
    assert "a model likes its own work" in done.stderr


def test_a_picture_is_looked_at_once(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = rows("pictures", "-m", "emoji", "-t", "fox")

    def refuse(_self: Judge) -> None:
        raise AssertionError("loaded again")

    monkeypatch.setattr(Judge, "encoder", property(refuse))
    Path("pictures/fox.png").rename("pictures/renamed.png")
    assert [row["mean"] for row in rows("pictures", "-m", "emoji", "-t", "fox")] == [row["mean"] for row in first]


def test_tables_are_written_in_three_formats(pictures: Path) -> None:
    for name in ("table.csv", "table.json", "table.html"):
        done = CliRunner().invoke(rate, ["pictures", "-m", "emoji", "-t", "fox <b>", "-o", name])
        assert (done.exit_code, done.stdout) == (0, f"{name}\n"), done.output
    with Path("table.csv").open() as file:
        assert [row["picture"] for row in csv.DictReader(file)] == [
            row["picture"] for row in json.loads(Path("table.json").read_text())
        ]
    page = Path("table.html").read_text()
    assert "fox &lt;b&gt;" in page
    assert "fox <b>" not in page
    assert 'href="pictures/fox.png"' in page


@pytest.mark.parametrize("width", [40, 80, 200])
def test_people_get_a_table_that_fits(width: int) -> None:
    named = [{"picture": f"a-sweep/pictures/{n * 'x'}.png", "mean": 10.0 + n, "red fox": -n / 3} for n in (1, 60)]
    lines = table(named, width)
    assert lines[0].split() == ["picture", "mean", "red", "fox"]
    assert [line.split()[-2:] for line in lines[1:]] == [["11.0", "-0.3"], ["70.0", "-20.0"]]
    assert max(map(len, lines)) <= width
    assert all(line.split()[0].endswith("x.png") for line in lines[1:])
    own = table([{"picture": "a.png", "mean": 9.0, "texts": "owl \x1b[2J"}], width)
    assert own[1] == "a.png     9.0  owl \\x1b[2J"


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        (["none.png", "-t", "fox"], "there is no picture 'none.png'"),
        (["empty", "-t", "fox"], "'empty' has no pictures in it"),
        (["fox.yaml", "-t", "fox"], "cannot read the image 'fox.yaml'"),
        (["pictures/=gray.png"], "does not say what it should show; write --text or --image"),
        (["pictures", "-t", "fox", "-m", "emojy"], "unknown model 'emojy' (did you mean 'emoji'?)"),
        (["pictures", "-t", "fox", "--sort", "fix"], "there is no column 'fix' (did you mean 'fox'?)"),
        (["pictures", "-t", "fox", "-o", "fox.yaml"], "'fox.yaml' does not end with one of .csv, .json, .html"),
    ],
)
def test_what_cannot_be_rated(args: list[str], wanted: str, pictures: Path) -> None:
    Path("empty").mkdir()
    done = CliRunner().invoke(rate, [*args[:1], *(["-m", "emoji"] if "-m" not in args else []), *args[1:]])
    assert wanted in str(done.exception)
    assert getattr(done.exception, "exit_code", None) == 2


def test_models_that_share_a_net_do_not_judge_each_other() -> None:
    assert painted("photo-lite0", {"photo"})
    assert painted("photo", {"photo-lite0"})
    assert not painted("photo-lite1", {"photo-lite0", "emoji"})


def test_models_of_an_ensemble_have_painted() -> None:
    text = "model: {ensemble: [photo-lite0, emoji]}\ntargets: [{features: [{text: fox}]}]"
    painters = models_of(kit.read([kit.read_yaml(text, "test.yaml")], {}, kit.Registry()))
    assert painted("emoji", painters)
    assert not painted("photo-lite1", painters)


def test_the_best_of_a_sweep_are_painted_larger(folder: Path) -> None:
    args = ["fox.yaml", "--set", "seed=1..3", "--set", "epochs=[4]", "--then", "rate", "--keep", "1"]
    done = CliRunner().invoke(sweep, [*args, "--launcher", "local: {workers: 1}"])
    assert (done.exit_code, done.stdout) == (0, "fox-sweep\n"), done.output
    table = [json.loads(line) for line in Path("fox-sweep/results.jsonl").read_text().splitlines()]
    assert [row["name"] for row in table[:3]] == ["seed-1", "seed-2", "seed-3"]
    best = max(table[:3], key=lambda row: row["rating"])
    assert best["judge"] == "photo-lite1"
    assert table[3]["name"] == f"{best['name']}-64x64"
    with Image.open(f"fox-sweep/{table[3]['picture']}") as image:
        assert image.size == (64, 64)
    again = CliRunner().invoke(sweep, args)
    assert again.exit_code == 0
    assert "all 3 jobs are done already" in again.stderr
    assert "all 1 jobs are done already" in again.stderr
    own = CliRunner().invoke(sweep, [*args, "--judge", "emoji"])
    assert own.exit_code == 0
