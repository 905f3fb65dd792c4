"""The commands around pictures and configs: make, show, diff, explain, words, help."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click import UsageError
from click.testing import CliRunner, Result
from PIL import Image

from clipig_cli import cli
from clipig_commands.make import caption
from clipig_core.config.keys import keys, meaning
from clipig_core.errors import ClipigError
from clipig_core.extension.registry import Registry
from clipig_core.language.expressions import VARIABLES
from clipig_core.testing import check_command

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
TINY = ["-e", "3", "--set=resolution=32", "--set=targets.0.batch_size=2", "-v", "0"]
REGISTRY = Registry()
COMMANDS = [c for p in REGISTRY.plugins if p.name == "commands" for c in p.components]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def clipig(*args: object) -> Result:
    """The command line in this process; what users do wrong is raised."""
    done = CliRunner().invoke(cli, [*map(str, args)], obj=REGISTRY, standalone_mode=False, catch_exceptions=True)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture(scope="module")
def heart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that was made."""
    folder = tmp_path_factory.mktemp("made")
    assert clipig("make", "red", "heart", "--look", "emoji", *TINY, "--seed", "7", "-o", f"{folder}/").exit_code == 0
    return folder / "red-heart.png"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda component: component.name)
def test_contract(command: Any) -> None:
    check_command(command.loaded)


# make


def test_make_puts_the_words_into_a_look(heart: Path) -> None:
    with Image.open(heart) as image:
        assert image.size == (32, 32)
    assert (
        json.loads(clipig("show", heart, "--json").stdout)["config"]["targets"][0]["features"][0]["text"] == "red heart"
    )


def test_make_takes_the_default_look(tmp_path: Path) -> None:
    with pytest.raises(ClipigError, match="the photo model knows"):
        clipig("make", "qwertz", "-o", "out/")
    assert not [*tmp_path.rglob("*.png")]


def test_make_several_with_a_sheet(tmp_path: Path) -> None:
    done = clipig("make", "frog", "--look", "emoji", "-n", "2", *TINY, "--seed", "1", "-o", "out/")
    assert done.stdout.split() == ["out/frog-seed1.png", "out/frog-seed2.png", "out/frog-sheet.png"]
    seeds = [json.loads(clipig("show", path, "--json").stdout)["config"]["seed"] for path in done.stdout.split()[:2]]
    assert seeds == [1, 2]
    with Image.open("out/frog-sheet.png") as sheet:
        assert sheet.width > 200


def test_make_takes_the_settings_and_outputs_of_run() -> None:
    small = ["-e", "3", "-r", "32", "24", "--set=targets.0.batch_size=2", "-v", "0"]
    done = clipig("make", "frog", "--look", "emoji", *small, "-lr", "1 - t", "--out", "webp")
    assert done.stdout == "frog.png\n"
    with Image.open("frog.webp") as image:
        assert image.size == (32, 24)
    config = json.loads(clipig("show", "frog.webp", "--json").stdout)["config"]
    assert (config["epochs"], config["learnrate"]) == (3, "1 - t")


def test_make_fills_further_gaps_of_a_look(tmp_path: Path) -> None:
    with pytest.raises(ClipigError, match="unknown parameter 'blurr'"):
        clipig("make", "frog", "--look", "emoji", "--var", "text=owl", "--set", "blurr=1")
    assert clipig("make", "frog", "--look", "emoji", *TINY, "--var", "text=owl").stdout == "owl.png\n"


def test_make_several_as_json() -> None:
    done = clipig("make", "frog", "--look", "emoji", "-n", "2", *TINY, "--seed", "1", "--json")
    one, other, last = map(json.loads, done.stdout.splitlines())
    assert (one["seed"], other["picture"], last) == (1, "frog-seed2.png", {"sheet": "frog-sheet.png"})


def test_a_sheet_tells_seeds_and_similarities() -> None:
    assert caption(7, 28.13) == "seed 7: 28.1"
    assert caption(7, None) == "seed 7"


@pytest.mark.parametrize("args", [["-n", "2", "-o", "x.png"], ["--set", "epochs"]])
def test_what_is_wrong_with_make_is_said_of_make(args: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        clipig("make", "frog", "--look", "emoji", *args)
    assert caught.value.ctx
    assert caught.value.ctx.command_path.endswith("make")
    assert "--repeat" not in caught.value.message


def test_run_as_json(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("resolution: 8\nepochs: 2\ntargets: [{constraints: [blur]}]\n")
    done = clipig("run", "a.yaml", "--json", "--seed", "3", "--repeat", "2", "-o", "out/", "-v", "0")
    one, other = map(json.loads, done.stdout.splitlines())
    assert (one["seed"], other["seed"]) == (3, 4)
    assert Path(one["picture"]).is_file()
    assert [row["name"] for row in one["statistics"]] == ["blur"]
    assert one["loss"] > 0


# show


def test_show_tells_how_it_was_made(heart: Path) -> None:
    text = clipig("show", heart).stdout
    assert re.search(r"^# with clipig 0\.", text, re.MULTILINE)
    assert re.search(r"^# seed 7, 3 of 3 epochs", text, re.MULTILINE)
    assert "feature 'red heart'" in text
    assert "\ncanvas:" in text
    assert "\n  pyramid:" in text
    assert clipig("show", heart.with_suffix(".yaml")).stdout == text


def test_what_show_prints_can_be_run(heart: Path, tmp_path: Path) -> None:
    (tmp_path / "again.yaml").write_text(clipig("show", heart, "--config").stdout)
    clipig("run", "again.yaml", "-v", "0", "-o", "other.png")
    with Image.open(heart) as one, Image.open("other.png") as other:
        assert one.tobytes() == other.tobytes()


def test_show_as_json(heart: Path) -> None:
    shown = json.loads(clipig("show", heart, "--json").stdout)
    assert shown["size"] == [32, 32]
    assert shown["config"]["seed"] == 7
    assert any(note.startswith("seed 7") for note in shown["notes"])


@pytest.mark.parametrize("name", ["gone.png", "plain.png", "text.png"])
def test_show_of_other_files(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (4, 4)).save("plain.png")
    (tmp_path / "text.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(ClipigError, match=name):
        clipig("show", name)


# diff


def test_diff(heart: Path) -> None:
    assert clipig("diff", heart, heart).stdout == ""
    shown = clipig("diff", heart, ROOT / "examples" / "strawberry.yaml").stdout.splitlines()
    assert "epochs: 3 -> 300" in shown
    assert 'targets.0.features.0.text: "red heart" -> "strawberry"' in shown


def test_a_path_of_diff_is_one_of_set(heart: Path, tmp_path: Path) -> None:
    clipig(
        "make", "red", "heart", "--look", "emoji", *TINY, "--seed", "7", "--set=targets.0.weight=2", "-o", "other.png"
    )
    (found,) = json.loads(clipig("diff", heart, "other.png", "--json").stdout)
    assert found == {"path": "targets.0.weight", "a": 1.0, "b": 2}


# words


def test_words() -> None:
    overview = clipig("words").stdout
    assert re.search(r"^emoji: \d+ words", overview, re.MULTILINE)
    assert re.search(r"^photo: \d+ words", overview, re.MULTILINE)
    assert clipig("words", "emoji", "straw*").stdout.split() == ["straw", "strawberry"]
    assert "castle  (emoji, photo)" in clipig("words", "castle").stdout.splitlines()
    assert "strawberry" in json.loads(clipig("words", "photo", "--json").stdout)["photo"]


def test_every_listed_word_is_known() -> None:
    import torch

    from clipig_core.kit import Encoder

    use = REGISTRY.find("model", "emoji")
    encoder: Encoder = use.function("emoji", torch.device("cpu"), torch.float32)
    assert len(encoder.encode_text(REGISTRY.words("emoji")[::100])) > 20


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["emojy", "cat"], "did you mean 'emoji'"),
        (["ViT-B/32"], "may understand whole sentences"),
        (["strawbery"], "did you mean 'strawberry'"),
        (["emoji", "[["], "no word is like"),
    ],
)
def test_words_that_are_not_there(args: list[str], message: str) -> None:
    with pytest.raises(ClipigError, match=re.escape(message)):
        clipig("words", *args)


# help


@pytest.mark.parametrize("key", keys(REGISTRY), ids=lambda key: key.path)
def test_help_of_every_key(key: Any) -> None:
    shown = clipig("help", key.path).stdout
    assert key.path in shown
    assert key.doc.split()[0] in shown


def test_every_variable_has_a_meaning() -> None:
    assert all(meaning(name) for group in VARIABLES.values() for name in group)


def test_help() -> None:
    assert "one of all, best, worst, mix" in clipig("help", "select").stdout
    assert "init.resolution" in clipig("help", "resolution").stdout
    assert "time to the power of 3" in clipig("help", "t3").stdout
    assert "Blur" in clipig("help", "blur").stdout
    assert clipig("help", "run").stdout.startswith("Usage: ")
    both = clipig("help", "sweep").stdout  # a command, and the part of a config that it reads
    assert both.startswith("sweep\n  In what the pictures")
    assert "\nUsage: " in both
    assert "sweep.grid" in clipig("help", "grid").stdout
    assert "targets.features.weight" in clipig("help").stdout
    assert json.loads(clipig("help", "canvas", "--json").stdout)[0]["names"] == REGISTRY.names("canvas")
    with pytest.raises(ClipigError, match="did you mean 'resolution'"):
        clipig("help", "resolutoin")
    with pytest.raises(ClipigError, match="did you mean 'stochastic_depth'"):
        clipig("help", "stochastic_deep")
    with pytest.raises(ClipigError, match="nothing is called ''"):
        clipig("help", "")


def test_help_of_a_parameter() -> None:
    shown = " ".join(clipig("help", "stochastic_depth").stdout.split())
    assert shown.startswith("stochastic_depth, a parameter of model photo, photo-lite0, photo-lite1, ")
    assert "float, from 0 to 0.9, default 0" in shown
    sizes = json.loads(clipig("help", "size", "--json").stdout)
    assert {"kind": "transform", "name": "resize"} in [owner for size in sizes for owner in size["of"]]
    sigmas = json.loads(clipig("help", "blur.sigma", "--json").stdout)
    assert {"kind": "transform", "name": "blur"} in sigmas[0]["of"]
    assert all("blur" in [owner["name"] for owner in sigma["of"]] for sigma in sigmas)


# explain


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_explain_fits_the_terminal(example: Path, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = clipig("explain", example, "--no-trial").stdout
    chart = [line for line in shown.splitlines() if "█" in line]
    assert len(chart) >= 2
    assert all(len(line) <= max(columns, 60) for line in chart)


def test_explain_tells_when() -> None:
    shown = clipig("explain", ROOT / "examples" / "hamburger.yaml", "--no-trial").stdout
    assert "16x16, 32x32 from epoch 30, 64x64 from epoch 90, 128x128 from epoch 180" in shown
    assert "16 views an epoch for emoji" in shown
    assert re.search(r"^learnrate_scale +[▁-█]+ +1 -> 0.1$", shown, re.MULTILINE)


def test_explain_tells_how_the_number_of_views_changes(tmp_path: Path) -> None:
    target = "{batch_size: 8 - 6 * (t > .5), features: [{text: cat}], transforms: [{noise: .1}]}"
    (tmp_path / "a.yaml").write_text(f"epochs: 9\nmodel: emoji\nresolution: 16\ntargets: [{target}, {target}]")
    trial = json.loads(clipig("explain", "a.yaml", "--json").stdout)["forecast"]
    assert [(phase["first"], phase["epochs"]) for phase in trial["phases"]] == [(0, 5), (5, 4)]
    shown = clipig("explain", "a.yaml", "--no-trial").stdout
    assert "4 to 16 views an epoch for emoji" in shown
    assert re.search(r"^  batch_size +[▁-█]+ +8 -> 2$", shown, re.MULTILINE)


def test_explain_takes_settings() -> None:
    shown = clipig("explain", ROOT / "examples" / "boat.yaml", "--no-trial", "-e", "80", "-r", "64", "48").stdout
    assert shown.startswith("80 epochs, 64x48, ")


IDLE = """
epochs: 10
resolution: 16
model: emoji
targets:
  - batch_size: 4
    select: best
    features: [{text: cat, weight: 0}]
  - name: late
    start: 80%
    end: 20%
    constraints: [blur]
  - name: once
    start: 7
    end: 7
    constraints: [blur, mean: {above: 0, below: 1}]
"""


def test_explain_finds_what_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(IDLE)
    remarks = json.loads(clipig("explain", "a.yaml", "--json").stdout)["remarks"]
    assert remarks == [
        "targets.0.features.0 (cat) has weight 0 and does nothing",
        "targets.1 (late) never takes part",
        "targets.0.select is 'best', with one feature to select from",
        "targets.0 has 4 views that are all the same, as no transform of it is random",
        "targets.2: the mean constraint had next to nothing to do in the trial",
    ]


def test_explain_forecasts_each_phase(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(IDLE.replace("resolution: 16", "resolution: 16 if t < .5 else 24"))
    cost = json.loads(clipig("explain", "a.yaml", "--json").stdout)["forecast"]
    assert [(phase["first"], phase["epochs"]) for phase in cost["phases"]] == [(0, 5), (5, 2), (7, 1), (8, 2)]
    assert cost["seconds"] == pytest.approx(sum(phase["epochs"] * phase["seconds"] for phase in cost["phases"]))
    assert cost["memory"] > 10**7
    assert not [*tmp_path.glob("*.png")]


def test_a_part_between_the_moments_that_are_looked_at_takes_part(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(IDLE.replace("epochs: 10", "epochs: 100000"))
    remarks = json.loads(clipig("explain", "a.yaml", "--json", "--no-trial").stdout)["remarks"]
    assert [remark for remark in remarks if "never" in remark] == ["targets.1 (late) never takes part"]


# The command line itself


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("fox.yaml", "clipig run fox.yaml"),
        ("my fox.png", "clipig run 'my fox.png'"),
        ("mkae", "Did you mean 'make'?"),
        ("studio", "pip install clipig-studio"),
    ],
)
def test_what_is_no_command(name: str, hint: str) -> None:
    with pytest.raises(Exception, match=re.escape(hint)):
        clipig(name)


def completed(*words: str) -> list[str]:
    """What a shell offers for the last of some words."""
    env = {
        "_CLIPIG_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["clipig", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = CliRunner().invoke(cli, [], prog_name="clipig", complete_var="_CLIPIG_COMPLETE", env=env)
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


COMPLETIONS = [
    (["ma"], {"make"}),
    (["run", "--look", "t"], {"texture"}),
    (["make", "fox", "--look", "e"], {"emoji"}),
    (["words", "photo-l"], {"photo-lite0", "photo-lite1", "photo-lite2"}),
    (["plugins", "random_sh"], {"random_shift"}),
    (["help", "init.me"], {"init.mean"}),
]


@pytest.mark.parametrize(("words", "wanted"), COMPLETIONS, ids=[" ".join(words) for words, _ in COMPLETIONS])
def test_completion(words: list[str], wanted: set[str]) -> None:
    assert {*completed(*words)} == wanted


def test_completion_leaves_files_to_the_shell() -> None:
    done = completed("run", "examples/st")
    assert done == ["examples/st"]
