"""What a sweep says, and the jobs that come of it: nothing is painted here."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clipig_core import InputError
from clipig_core.kit import Document, Node, Place, Registry, read_yaml
from clipig_sweep.axes import Grid, grids, option, variable
from clipig_sweep.folder import Folder
from clipig_sweep.page import page
from clipig_sweep.plan import Job, check_values, plan, seeded
from clipig_sweep.sheet import CELL, GAP, sheet
from clipig_sweep.sweep import Order

REGISTRY = Registry()
CONFIG = """\
{vars: {colour: red, animal: fox}, model: emoji, epochs: 3,
targets: [{weight: 1, features: [{text: 'a {{colour}} {{animal}}'}]}]}
"""


def visited(section: str, *changes: str) -> list[dict[str, Any]]:
    """The points of a section, as plain values."""
    found = _grids(section, *changes)
    return [{key: node.plain_value() for key, node in point.items()} for grid in found for point in grid.points()]


def _grids(section: str, *changes: str) -> list[Grid]:
    given = [option(*change.split("=", 1)) for change in changes]
    return grids(read_yaml(section, "demo.yaml") if section else None, given)


def jobs(section: str, *changes: str, config: str = CONFIG) -> list[Job]:
    return plan(
        seeded(Document.read([read_yaml(config, "demo.yaml")], {}, REGISTRY)), _grids(section, *changes), "demo"
    )


def problems(section: str, *changes: str, config: str = CONFIG) -> list[str]:
    """What is wrong, also with the values in the config."""
    base = Document.read([read_yaml(config, "demo.yaml")], {}, REGISTRY)
    try:
        check_values(base, _grids(section, *changes), REGISTRY)
    except InputError as error:
        return [str(problem) for problem in error.problems]
    raise AssertionError("nothing was refused")


def test_a_grid_has_all_combinations_and_the_last_axis_changes_first() -> None:
    assert visited("{grid: {seed: 1..2, learnrate: [.5, 2]}}") == [
        {"seed": 1, "learnrate": 0.5},
        {"seed": 1, "learnrate": 2},
        {"seed": 2, "learnrate": 0.5},
        {"seed": 2, "learnrate": 2},
    ]
    assert [point["seed"] for point in visited("", "seed=3..1")] == [3, 2, 1]
    assert visited("", "epochs=5") == [{"epochs": 5}]
    assert visited("", "resolution=[[64, 48]]") == [{"resolution": [64, 48]}]
    assert visited("") == [{}]


def test_keys_of_a_zip_go_together() -> None:
    section = "{grid: {seed: 1..2}, zip: {vars.colour: [red, blue], vars.animal: [fox, owl]}}"
    assert [tuple(point.values()) for point in visited(section)] == [
        (1, "red", "fox"),
        (1, "blue", "owl"),
        (2, "red", "fox"),
        (2, "blue", "owl"),
    ]


def test_several_grids_are_one_sweep_in_which_no_job_is_done_twice() -> None:
    fox, owl = "vars.colour: red, vars.animal: fox", "vars.colour: red, vars.animal: owl"
    found = jobs(f"[{{grid: {{{fox}, seed: 1..2}}}}, {{grid: {{{owl}, seed: 2..3}}}}, {{grid: {{{fox}, seed: 2}}}}]")
    assert [job.name for job in found] == ["fox-seed-1", "fox-seed-2", "owl-seed-2", "owl-seed-3"]


def test_the_command_line_replaces_an_axis_of_the_grid() -> None:
    section = "{grid: {seed: 1..3, learnrate: [.5, 2]}}"
    assert visited(section, "seed=[7]") == [{"learnrate": 0.5, "seed": 7}, {"learnrate": 2, "seed": 7}]


def test_files_are_texts_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "words.txt").write_bytes("\ufeffred fox\r\n  1..3\n#no comment\nEule\u00e4\n".encode())
    monkeypatch.chdir(tmp_path)
    words = ["red fox", "1..3", "#no comment", "Eule\u00e4"]
    assert [point["vars.text"] for point in visited("", "vars.text=@words.txt")] == words
    (found,) = grids(None, [variable("text", "@words.txt"), variable("size", "1..3")])
    assert [tuple(node.plain_value() for node in point.values()) for point in found.points()] == [
        (word, "1..3") for word in words
    ]


def test_draws_stay_the_same_when_the_grid_grows() -> None:
    section = "{{grid: {{seed: {}, learnrate: 'loguniform(.1, 3)'}}, samples: {}}}"
    small, large = visited(section.format("1..2", 2)), visited(section.format("1..4", 3))
    assert len(small) == 4
    assert len(large) == 12
    assert all(point in large for point in small)
    rates = [point["learnrate"] for point in large]
    assert len({*rates}) == 12
    assert all(0.1 <= rate <= 3 for rate in rates)
    other = visited("{seed: 1, grid: {seed: 1..2, learnrate: 'loguniform(.1, 3)'}, samples: 2}")
    assert not [point for point in other if point in small]
    whole = visited("{grid: {epochs: 'randint(3, 5)', a: 'choice(1, 2.5)', b: 'gauss(0, 1)'}, samples: 40}")
    assert {point["epochs"] for point in whole} == {3, 4, 5}
    assert {point["a"] for point in whole} == {1, 2.5}


def test_a_condition_leaves_jobs_out() -> None:
    section = "{grid: {seed: 1..4, vars.colour: [red, blue]}, where: \"colour != 'red' or 1 < seed <= 2 + 1\"}"
    assert [tuple(point.values()) for point in visited(section)] == [
        *((1, "blue"), (2, "red"), (2, "blue"), (3, "red"), (3, "blue"), (4, "blue"))
    ]
    section = "{grid: {seed: 1..9}, where: 'not seed % 2 and seed not in [2, 4]'}"
    assert [point["seed"] for point in visited(section)] == [6, 8]


@pytest.mark.parametrize(
    ("section", "changes", "wanted"),
    [
        ("{gird: {}}", [], "demo.yaml:1:2: unknown parameter 'gird' (did you mean 'grid'?)"),
        ("{targets.0.weight: 3}", [], "(keys of the config stand under 'grid')"),
        ("[1]", [], "a sweep is a number"),
        ("[]", [], "demo.yaml:1:1: the list of sweeps is empty"),
        ("{grid: 3}", [], "'grid' is a number"),
        ("{grid: {seed: []}}", [], "demo.yaml:1:15: the axis 'seed' has no values"),
        (
            "{grid: {seed: 1..2}, zip: {seed: [1, 2]}}",
            [],
            "two axes are called 'seed' (the other one is at demo.yaml:1:9",
        ),
        ("", ["seed=1", "seed=2"], "--set seed:1:1: two axes are called 'seed'"),
        ("{grid: {init.mean: .5, init: 3}}", [], "the axis 'init' and the axis 'init.mean' set the same"),
        ("{zip: {seed: 1..2, epochs: [1, 2, 3]}}", [], "'seed' has 2, 'epochs' has 3"),
        ("{zip: {seed: 1..2, epochs: 'uniform(1, 2)'}}", [], "what is drawn cannot go together with other keys"),
        ("{grid: {seed: 1..99999999999}}", [], "(an axis has at most 1,000,000)"),
        ("{grid: {learnrate: uniform(1)}}", [], "uniform(1) has another number of arguments"),
        ("{grid: {learnrate: 'loguniform(0, 1)'}}", [], "loguniform(0, 1): "),
        ("{grid: {learnrate: 'uniform(a, 1)'}}", [], "could not convert string to float: 'a'"),
        ("{grid: {learnrate: 'uniform(0, inf)'}}", [], "it has no finite value"),
        ("{samples: 3, grid: {seed: 1..2}}", [], "nothing is drawn"),
        ("{seed: -1}", [], "demo.yaml:1:8: seed: -1 is below the minimum of 0"),
        ("{samples: many}", [], "samples: 'many' is not a number"),
        ("{grid: {seed: 1..2}, where: sead < 2}", [], "no axis is called 'sead' (did you mean 'seed'?)"),
        ("{grid: {seed: 1..2}, where: seed(2)}", [], "'seed(2)' cannot stand in a condition"),
        ("{grid: {seed: 1..2}, where: seed <}", [], "'seed <' is no condition"),
        ("{grid: {a.x: 1, b.x: 2}, where: x < 2}", [], "'x' is the name of several axes: a.x, b.x"),
        ("{grid: {vars.text: '@none.txt'}}", [], "there is no file 'none.txt'"),
        ("{grid: {targets.0.wieght: 2}}", [], "demo.yaml:1:27: unknown parameter 'wieght' (did you mean 'weight'?)"),
        ("{grid: {targets.7.weight: 2}}", [], "there is no element '7'"),
        ("{grid: {epochs: [3, -2]}}", [], "demo.yaml:1:21: epochs: -2 is below the minimum"),
        ("{grid: {vars.colur: [red, blue]}}", [], "no text has a gap {{colur}} (did you mean 'colour'?)"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(section: str, changes: Sequence[str], wanted: str) -> None:
    assert [text for text in problems(section, *changes) if wanted in text]


def test_an_empty_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("fox\n\nowl\n \n")
    wanted = [f"{path}:{line}:1: the line is empty (each line is one value)" for line in (2, 4)]
    assert problems("", f"vars.animal=@{path}") == wanted
    path.write_text("")
    assert "is empty" in problems("", f"vars.animal=@{path}")[0]
    path.write_bytes(b"\xff\xfe\x00")
    assert "is not a text in UTF-8" in problems("", f"vars.animal=@{path}")[0]


def test_a_condition_that_has_no_value_says_for_what() -> None:
    with pytest.raises(InputError, match=r"has no value for seed = 'red'"):
        visited("{grid: {seed: [red]}, where: seed < 3}")
    with pytest.raises(InputError, match="only numbers can be computed with"):
        visited("{grid: {seed: ['%9999999999d']}, where: seed % 3}")


def test_names_tell_what_is_different() -> None:
    assert [job.name for job in jobs("", "vars.colour=red", "vars.animal=[Red fox!, owl]", "seed=1..2")] == [
        *("red-fox-seed-1", "red-fox-seed-2", "owl-seed-1", "owl-seed-2")
    ]
    config = "{model: emoji, targets: [{features: [{text: x}]}, {features: [{text: y}]}]}"
    names = [job.name for job in jobs("", "targets.0.weight=[.5, 2]", "targets.1.weight=[1, 3]", config=config)]
    assert names[0] == "targets.0.weight-0.5-targets.1.weight-1"
    assert [job.name for job in jobs("", config=config)] == ["demo"]


def test_the_id_of_a_job_is_that_of_its_pixels() -> None:
    fox = ("vars.colour=red", "vars.animal=fox")
    (job,) = jobs("", *fox)
    assert jobs("", *fox, "output=elsewhere/", "verbose=0")[0].id == job.id
    assert jobs("", *reversed(fox), "seed=0")[0].id == job.id  # the seed that a sweep has if it is given none
    assert jobs("", *fox, "seed=[1]")[0].id != job.id


NASTY = (
    "../../etc/passwd",
    "con",
    "a" * 300,
    "狐" * 90,
    "Fox",
    "fox",
    "fox ",
    "=1+1",
    "<script>x</script>",
    "\x1b[2J",
    "..",
    "😀",
)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(NASTY), min_size=1, max_size=8))
def test_any_text_makes_a_name_of_its_own_that_stays_in_the_folder(texts: list[str]) -> None:
    animals = grids(None, [("vars.animal", Node.of(texts, Place("test")))])
    found = plan(seeded(Document.read([read_yaml(CONFIG, "demo.yaml")], {}, REGISTRY)), animals, "demo")
    names = [job.name for job in found]
    assert len({name.lower() for name in names}) == len({*texts})
    for name in names:
        assert len(f"{name}.png".encode()) <= 255
        assert Path(name).name == name
        assert name.isprintable()
        assert not name.startswith((".", "-"))


class Reader(HTMLParser):
    """The names and the texts of a page, and how many elements it has of each kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.texts += [value for name, value in attrs if name == "data-key" and value]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1) | st.sampled_from(NASTY), max_size=4)
)
def test_nothing_in_a_row_becomes_a_part_of_the_page(texts: list[str]) -> None:
    rows = [
        {"name": text, "status": "failed", "parameters": {text: text}, "error": text, "picture": "", "thumbnail": ""}
        for text in texts
    ]
    read = Reader(page("<title>", rows))
    assert {*texts} <= {*read.texts}
    assert (read.tags.count("script"), read.tags.count("article"), read.tags.count("dd")) == (
        1,
        len(texts),
        2 * len(texts),
    )


def test_the_page_loads_nothing_and_runs_only_its_own_script() -> None:
    text = page("demo", [])
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in text


@pytest.mark.parametrize(("axes", "named"), [(["seed=1..3"], False), (["epochs=[1, 2]", "seed=1..3"], True)])
def test_a_sheet_has_room_for_names_of_rows_where_there_are_some(axes: list[str], named: bool) -> None:
    rows = [{"name": job.name, "parameters": job.values, "width": 64, "height": 64} for job in jobs("", *axes)]
    made = sheet(_grids("", *axes), rows)
    assert made
    with Image.open(io.BytesIO(made)) as image:
        assert (image.width > 3 * (CELL // 2 + GAP)) == named


def test_a_spreadsheet_runs_nothing_of_the_table(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "demo")
    found = jobs("", "vars.colour=red", "vars.animal=['=1+1', '-2', fox]")
    with folder.opened():
        folder.write_tables(found, "demo")
    lines = (tmp_path / "demo" / "results.csv").read_text().splitlines()
    assert [line.split(",")[3] for line in lines] == ["vars.animal", "'=1+1", "'-2", "fox"]
    rows = [json.loads(line) for line in (tmp_path / "demo" / "results.jsonl").read_text().splitlines()]
    assert [row["parameters"]["vars.animal"] for row in rows] == ["=1+1", "-2", "fox"]
    assert {row["status"] for row in rows} == {"missing"}


def test_settings_hold_for_all_jobs_and_axes_win_over_them(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text("targets: [{constraints: [blur]}]")
    settings = {"look": None, "epochs": "2 + 3", "resolution": "64 48", "seed": "7"}
    order = Order.read([str(tmp_path / "demo.yaml")], settings, [], ["seed=1..2"], None, REGISTRY)
    plans = check_values(order.base, order.grids, REGISTRY)
    found = [plan.settings.fixed for plan in plans]
    assert [(one.epochs, one.resolution, one.seed) for one in found] == [(5, (64, 48), 1), (5, (64, 48), 2)]
