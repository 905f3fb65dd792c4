"""The installed command, as users run it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from ruamel.yaml import YAML

from clipig_core.config.sections import Settings
from clipig_core.language.params import declarations
from tests.cli.support import clipig, command, environment, install, names

CONFIG = """\
model: emoji
device: cpu
resolution: 64
epochs: 3
learnrate: 3
targets:
  - batch_size: 2
    features:
      - text: strawberry
    transforms:
      - random_shift: -.1 .1
      - noise: .1
"""
BARE = "device: cpu\nresolution: 16\nepochs: 2\ntargets:\n  - constraints:\n      - blur: 3\n"


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.tobytes()


def sidecar(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = YAML(typ="safe").load(path)
    return config


# What needs no torch.


def test_version(tmp_path: Path) -> None:
    done = clipig(tmp_path, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("clipig, version 0.")


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["run", "--help"], ["plugins", "-h"]])
def test_help(tmp_path: Path, args: list[str]) -> None:
    done = clipig(tmp_path, *args)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: clipig")


def test_the_options_of_old_are_there(tmp_path: Path) -> None:
    text = clipig(tmp_path, "run", "--help").stdout
    for short, long in (
        *(("-o", "--output"), ("-lr", "--learnrate"), ("-opt", "--optimizer"), ("-e", "--epochs")),
        *(("-r", "--resolution"), ("-s", "--snapshot-interval"), ("-d", "--device"), ("-v", "--verbose")),
        ("-m", "--model"),
    ):
        assert f"{short}, {long} " in text
    assert "--repeat" in text


def test_every_setting_has_an_option(tmp_path: Path) -> None:
    text = clipig(tmp_path, "run", "--help").stdout
    for name, setting in declarations(Settings).items():
        assert f"--{name.replace('_', '-')} " in text
        assert setting.param.doc.split()[0] in text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "Usage: clipig"),
        (["paint"], "No such command 'paint'"),
        (["run"], "Missing argument"),
        (["run", "--fast", "a.yaml"], "--fast"),
        (["run", "--repeat", "0", "a.yaml"], "--repeat"),
        (["plugins", "blurr"], "unknown component 'blurr' (did you mean 'blur'?)"),
    ],
)
def test_wrong_usage(tmp_path: Path, args: list[str], message: str) -> None:
    done = clipig(tmp_path, *args)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


WRONG = [
    ("epochs: [", "a.yaml:1:10: not valid YAML"),
    ("epoch: 5\n" + BARE, "a.yaml:1:1: unknown parameter 'epoch' (did you mean 'epochs'?)"),
    (BARE + "learnrate: 1 - tt", "a.yaml:7:16: learnrate: unknown variable 'tt'"),
    (BARE.replace("blur", "blurr"), "a.yaml:6:9: unknown constraint 'blurr' (did you mean 'blur'?)"),
    (BARE + "model: ViT-B/33", "a.yaml:7:8: unknown model 'ViT-B/33' (did you mean 'ViT-B/32'?)"),
    (BARE + "model: own.pt", "a.yaml:7:8: there is no file 'own.pt'"),
    (BARE + "output: demo.jpg", "demo.jpg"),
    ("", "a.yaml:1:1: the config is empty"),
    (BARE + "init: {image: gone.png}", "a.yaml:7:15: image: there is no file 'gone.png'"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_config_gets_one_message_and_writes_nothing(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    done = clipig(tmp_path, "run", "a.yaml")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert names(tmp_path) == ["a.yaml"]


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("epochs: x\nresolutio: 5\ntargets:\n- constraints: [blurr]\n")
    done = clipig(tmp_path, "run", "a.yaml", "-lr", "fast", "-opt", "adma")
    assert done.returncode == 2
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == [
        *("--learnrate", "--optimizer", "a.yaml:1:9", "a.yaml:2:1", "a.yaml:4:17"),
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = clipig(tmp_path, "run", "gone.yaml")
    assert (done.returncode, done.stderr) == (2, "gone.yaml: cannot read the config: No such file or directory\n")


LIGHT = """
import sys
from clipig_cli import main
try:
    main()
finally:
    print(*[name for name in ("torch", "ruamel.yaml", "clipig_cli.run") if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize(
    "args",
    [["--help"], ["--version"], ["run", "--help"], ["plugins"], ["plugins", "--json", "--strict"]]
    + [["run", f"{number}.yaml"] for number in range(6)],
    ids=" ".join,
)
def test_start_and_errors_of_configs_load_little(tmp_path: Path, args: list[str]) -> None:
    for number, (text, _) in enumerate(WRONG):
        (tmp_path / f"{number}.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, *args],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (2 if args[0] == "run" and "--help" not in args else 0)
    loaded = done.stderr.splitlines()[-1].split()
    assert "torch" not in loaded
    if args[0] in ("--help", "--version", "plugins"):
        assert not loaded  # what costs a fifth of their time


REFUSED = """
import sys
from click import ClickException
from clipig_cli import cli
from clipig_core.errors import ClipigError
for line in sys.stdin:
    try:
        cli.main(line.split(), standalone_mode=False)
    except (ClipigError, ClickException) as error:
        print(error.exit_code, "torch" in sys.modules, line, end="")
"""


def test_what_is_refused_by_other_commands_loads_no_torch(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BARE)
    for name in ("a.png", "a.zip"):
        (tmp_path / name).write_bytes(b"")
    lines = """\
run a.yaml -o a.png
run a.yaml --repeat 2 -o b.png
make fox -o a.png
make fox -n 2 -o b.png
make fox --look gone
bundle a.yaml
bundle a.yaml -o x.tar
diff a.yaml gone.png
enlarge a.yaml --to 64
enlarge gone.png --to 64
explain gone.yaml
resume gone.png
rate gone.png
rate a.png -o a.png
rate a.png -m gone
rate a.png --sort gone
show a.png
sweep gone.yaml
"""
    done = subprocess.run(
        [sys.executable, "-c", REFUSED], cwd=tmp_path, env=environment(), input=lines, capture_output=True, text=True
    )
    assert done.stdout == "".join(f"2 False {line}\n" for line in lines.splitlines()), done.stderr
    assert names(tmp_path) == ["a.png", "a.yaml", "a.zip"]


# What loads torch.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where demo.yaml was run once."""
    path = tmp_path_factory.mktemp("run")
    (path / "demo.yaml").write_text(CONFIG)
    done = clipig(path, "run", "demo.yaml", "-o", "out/x.png", "--seed", "1")
    assert (done.returncode, done.stdout) == (0, "out/x.png\n")
    assert done.stderr.splitlines()[-1] == "saved out/x.png"
    assert "target 'target', means over the run:" in done.stderr
    return path


def test_a_run_writes_a_picture_and_its_config(folder: Path) -> None:
    assert {"x.png", "x.yaml"} <= set(names(folder / "out"))
    with Image.open(folder / "out" / "x.png") as image:
        assert (image.size, image.mode) == ((64, 64), "RGB")
        assert image.info["clipig"] == (folder / "out" / "x.yaml").read_text()
    text = (folder / "out" / "x.yaml").read_text()
    assert "# seed 1, 3 of 3 epochs" in text
    assert "#   feature 'strawberry': weight 1.000, count 6" in text
    config = sidecar(folder / "out" / "x.yaml")
    assert (config["seed"], config["epochs"], config["model"]) == (1, 3, "emoji")
    assert config["targets"][0]["transforms"][0] == {"random_shift": {"offset": "-.1 .1"}}


@pytest.mark.parametrize("config", ["demo.yaml", "out/x.yaml", "out/x.png"])
def test_config_sidecar_and_picture_all_give_the_same_pixels_again(folder: Path, tmp_path: Path, config: str) -> None:
    done = clipig(
        folder, "run", config, "-o", f"{tmp_path}/", "-v", "0", *(["--seed", "1"] if "demo" in config else [])
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert pixels(tmp_path / f"{Path(config).stem}.png") == pixels(folder / "out" / "x.png")


def test_a_file_that_is_there_is_refused_and_a_config_beside_it_is_no_reason_for_another_name(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / "demo.yaml", tmp_path / "x.yaml")
    made = clipig(tmp_path, "run", "x.yaml", "-o", "x.png", "-v", "0")
    assert (made.returncode, made.stdout) == (0, "x.png\n")
    assert (tmp_path / "x.yaml").read_text() == CONFIG
    before = (tmp_path / "x.png").read_bytes()
    again = clipig(tmp_path, "run", "x.yaml", "-o", "x.png", "-v", "0")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == "'x.png' exists, and is not replaced; name another file, or a directory\n"
    assert (tmp_path / "x.png").read_bytes() == before
    assert names(tmp_path) == ["x.png", "x.yaml"]
    (tmp_path / "again").mkdir()
    assert clipig(tmp_path / "again", "run", "../x.png", "-v", "0").stdout == "x.png\n"


@pytest.mark.parametrize("wrong", ["device: cuda:77", "model: gone.pt", "targets: [{features: [image: broken.png]}]"])
def test_a_run_that_is_refused_leaves_nothing(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "broken.png").write_text("broken")
    (tmp_path / "a.yaml").write_text(
        f"output: new/folder/\nepochs: 1\nmodel: emoji\n{wrong}\n" if "model" not in wrong else f"{BARE}\n{wrong}"
    )
    assert clipig(tmp_path, "run", "a.yaml", "-o", "new/folder/").returncode == 2
    assert names(tmp_path) == ["a.yaml", "broken.png"]


def test_a_kill_before_the_first_save_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BARE)
    args = ["run", "a.yaml", "-e", "10000000", "-s", "0", "-o", "out/", "-v", "1"]
    with subprocess.Popen([command(), *args], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE) as process:
        assert process.stderr
        while b"epoch" not in process.stderr.readline():
            assert process.poll() is None
        process.kill()
    assert names(tmp_path) == ["a.yaml"]


def test_a_picture_whose_folder_is_gone_in_the_end_is_in_the_current_directory(tmp_path: Path) -> None:
    """As when a disk vanishes; a full one is the same to clipig."""
    (tmp_path / "a.yaml").write_text(BARE)
    args = ["run", "a.yaml", "-e", "10000000", "-s", "1", "-o", "out/x.png", "-v", "1"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([command(), *args], cwd=tmp_path, env=environment(), **pipes) as process:
        assert process.stderr
        while not (tmp_path / "out" / "x.yaml").exists():
            assert process.poll() is None
        (tmp_path / "out").rename(tmp_path / "elsewhere")
        while "a snapshot was lost: cannot write 'out/x.png': No such file" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (1, "x.png\n")
    assert "cannot write 'out/x.png': No such file or directory; the picture is 'x.png'" in stderr
    assert names(tmp_path) == ["a.yaml", "elsewhere", "x.png", "x.yaml"]


FAILING = """\
from clipig_core import RunError, hookimpl
@hookimpl
def clipig_outputs():
    return {"first": "acme:first", "second": "acme:second"}
class Failing:
    files = ()
    def __init__(self, error): self.error = error
    def begin(self, run): ...
    def step(self, step): ...
    def end(self, result): raise self.error
def first(target_file): return Failing(RunError("the first one is \\x1b[2J lost"))
def second(target_file): return Failing(RunError("so is the second one"))
"""


def test_every_output_that_fails_is_told_of_and_the_picture_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BARE)
    install(tmp_path, "acme", FAILING)
    done = clipig(
        tmp_path, "run", "a.yaml", "--out", "first", "--out", "second", "-o", "x.png", PYTHONPATH=str(tmp_path)
    )
    assert (done.returncode, done.stdout) == (1, "x.png\n")
    assert done.stderr.splitlines()[-2:] == ["so is the second one", "the first one is \\x1b[2J lost"]


def test_many_pictures_need_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BARE)
    done = clipig(tmp_path, "run", "a.yaml", "--repeat", "2", "-o", "x.png")
    assert (done.returncode, names(tmp_path)) == (2, ["a.yaml"])
    assert "'-o' has to end with '/'" in done.stderr


def test_seeds_that_end_beyond_all_are_refused_before_the_first_picture(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BARE)
    done = clipig(tmp_path, "run", "a.yaml", "--repeat", "2", "--seed", str(2**63 - 1))
    assert (done.returncode, names(tmp_path)) == (2, ["a.yaml"])
    assert (
        done.stderr == "--seed: seed: 9223372036854775808 is above the maximum of 9223372036854775807 (expected int)\n"
    )


def test_options_and_merged_configs(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BARE)
    (tmp_path / "b.yaml").write_text(
        "epochs: 5\ntargets: [{name: second, constraints: [{blur: 5}]}]\npostproc: [{mul: .99}]"
    )
    args = [
        "-r",
        "64",
        "48",
        "-lr",
        "1 - t",
        "-opt",
        "adam",
        "-e",
        "2 * 2",
        "-s",
        "2",
        "-d",
        "cpu",
        "-v",
        "1",
        "-m",
        "emoji",
    ]
    done = clipig(tmp_path, "run", "a.yaml", *args, "b.yaml", "-o", "out/")
    assert done.returncode == 0
    assert "epoch 4/4" in done.stderr
    with Image.open(tmp_path / "out" / "b.png") as image:
        assert image.size == (64, 48)
    config = sidecar(tmp_path / "out" / "b.yaml")
    assert (config["learnrate"], config["epochs"], config["snapshot_interval"]) == ("1 - t", "2 * 2", 2)
    assert [target["name"] for target in config["targets"]] == ["target", "second"]
    assert isinstance(config["seed"], int)


def test_variables_and_single_changes(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        BARE.replace("- constraints", "- name: a {{word}}\n    constraints") + "vars: {n: 3}\n"
    )
    changes = ["--set", "epochs='{{n}}'", "--set", "targets.0.weight=1 - t", "--set", "targets.0.constraints.0.blur=5"]
    done = clipig(
        tmp_path, "run", "a.yaml", "--var", "word=cat = dog", "--var", "n=4", *changes, "-v", "0", "-o", "out/"
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "out/a.png\n")
    config = sidecar(tmp_path / "out" / "a.yaml")
    (target,) = config["targets"]
    assert (target["name"], target["weight"], config["epochs"]) == ("a cat = dog", "1 - t", "4")
    assert target["constraints"][0]["blur"]["kernel_size"] == 5


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--set", "epochs"], "'--set epochs' has no '='; write --set NAME=VALUE."),
        (["--var", "=3"], "'--var =3' has no '='; write --var NAME=VALUE."),
        (["--set", "targets.3.weight=2"], "there is no element '3' (the elements are numbered 0 to 0)"),
        (["--set", "epochs.x=2"], "'x' is looked for in a number"),
        (["--set", "epochs=["], "--set epochs:1:2: not valid YAML"),
        (["--set", "targets.0.name=a {{word}}"], "the variable 'word' has no value"),
        (["--look", "objekt"], "--look: unknown look 'objekt' (did you mean 'object'?)"),
        (["--look", "object"], "or use the option --var text=..."),
    ],
)
def test_looks_variables_and_changes_that_are_wrong(tmp_path: Path, args: list[str], message: str) -> None:
    (tmp_path / "a.yaml").write_text(BARE)
    done = clipig(tmp_path, "run", "a.yaml", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert names(tmp_path) == ["a.yaml"]


LOOK = """\
# A small one.
model: emoji
device: cpu
resolution: 16
epochs: 1
verbose: 0
targets:
  - features: [{text: "{{text}}"}]
"""
LOOKS = """\
from clipig_core import hookimpl
@hookimpl
def clipig_looks(): return {"small": "acme_looks:small.yaml"}
"""


def test_a_look_needs_no_config_and_names_the_picture_by_its_words(tmp_path: Path) -> None:
    install(tmp_path, "acme_looks", LOOKS)
    (tmp_path / "acme_looks.py").unlink()
    (tmp_path / "acme_looks").mkdir()
    (tmp_path / "acme_looks" / "__init__.py").write_text(LOOKS)
    (tmp_path / "acme_looks" / "small.yaml").write_text(LOOK)
    look = ["run", "--look", "small", "--var", "text=Red fox!"]
    done = clipig(tmp_path, *look, "-o", "out/", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "out/red-fox.png\n")
    assert sidecar(tmp_path / "out" / "red-fox.yaml")["targets"][0]["features"][0]["text"] == "Red fox!"
    (tmp_path / "a.yaml").write_text("epochs: 2\ntargets: [{constraints: [blur]}]")
    done = clipig(tmp_path, *look, "a.yaml", "-e", "3", "-o", "out/", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "out/a.png\n")
    config = sidecar(tmp_path / "out" / "a.yaml")
    assert (config["epochs"], len(config["targets"])) == (3, 2)


def test_the_path_goes_to_standard_output_alone(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BARE)
    run = f"{command()} run a.yaml -v 0 -o"
    subprocess.run(f"{run} out/ >&-", shell=True, cwd=tmp_path, env=environment(), check=True)  # noqa: S602
    subprocess.run(f"{run} out/ >/dev/full", shell=True, cwd=tmp_path, env=environment(), check=False)  # noqa: S602
    assert names(tmp_path / "out") == ["a-1.png", "a-1.yaml", "a.png", "a.yaml"]


def test_many_problems_are_not_all_listed(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("".join(f"parameter_{number}: 1\n" for number in range(24)))
    done = clipig(tmp_path, "run", "a.yaml")
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines), lines[-1]) == (2, 21, "and 4 more")
    assert all("unknown parameter" in line for line in lines[:-1])


def test_repeat_from_standard_input(tmp_path: Path) -> None:
    done = clipig(tmp_path, "run", "-", "--repeat", "3", "--seed", "5", "-v", "0", stdin=BARE)
    stems = ["clipig-seed5", "clipig-seed6", "clipig-seed7"]
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{stem}.png" for stem in stems]
    assert names(tmp_path) == sorted(f"{stem}{end}" for stem in stems for end in (".png", ".yaml"))
    assert [sidecar(tmp_path / f"{stem}.yaml")["seed"] for stem in stems] == [5, 6, 7]
    assert len({pixels(tmp_path / f"{stem}.png") for stem in stems}) == 3


def test_without_a_seed_every_picture_of_repeat_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BARE)
    assert clipig(tmp_path, "run", "a.yaml", "--repeat", "2", "-o", "out/", "-v", "0").returncode == 0
    configs = [name for name in names(tmp_path / "out") if name.endswith(".yaml")]
    seeds = {sidecar(tmp_path / "out" / name)["seed"] for name in configs}
    assert len(seeds) == 2
    assert {*configs} == {f"a-seed{seed}.yaml" for seed in seeds}


def test_an_error_in_the_first_epoch_leaves_no_empty_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BARE.replace("blur: 3", "blur: {weight: 1 / epoch}"))
    done = clipig(tmp_path, "run", "a.yaml", "-o", "out/", "-v", "0")
    assert done.returncode == 2
    assert "in epoch 0" in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


def test_an_error_in_a_later_epoch_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        BARE.replace("blur: 3", "blur: {weight: 1 / (1 - epoch)}").replace("epochs: 2", "epochs: 3")
    )
    done = clipig(tmp_path, "run", "a.yaml", "-o", "out/", "-v", "0")
    assert done.returncode == 1  # as a run that has begun leaves its picture
    assert "a.yaml:6:24: weight: " in done.stderr
    assert "in epoch 1" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == "out/a.png\n"
    assert names(tmp_path / "out") == ["a.png", "a.yaml"]
    assert len(pixels(tmp_path / "out" / "a.png")) == 16 * 16 * 3
    assert ", 1 of 3 epochs" in (tmp_path / "out" / "a.yaml").read_text()


def test_a_broken_plugin_that_the_config_needs(tmp_path: Path) -> None:
    install(
        tmp_path,
        "acme_lazy",
        "from clipig_core import hookimpl\n"
        "@hookimpl\ndef clipig_transforms():\n    return {'swirl': 'acme_swirl:swirl'}\n",
    )
    (tmp_path / "acme_swirl.py").write_text("import acme_not_there\ndef swirl(images): ...\n")
    (tmp_path / "a.yaml").write_text(BARE + "    transforms: [swirl]\n")
    done = clipig(tmp_path, "run", "a.yaml", "-o", "out/", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert "transform 'swirl' of plugin 'acme_lazy' (acme_lazy 1.0) cannot be loaded" in done.stderr
    assert "acme_not_there" in done.stderr
    assert not (tmp_path / "out").exists()


def random_clip() -> dict[str, Any]:
    """The weights of a tiny CLIP in OpenAI's format."""
    import torch

    with warnings.catch_warnings(action="ignore"):
        from clip.model import CLIP

    torch.manual_seed(0)
    model = CLIP(32, 32, 1, 64, 16, 77, 49408, 64, 1, 1)
    marks = dict.fromkeys(("input_resolution", "context_length", "vocab_size"), torch.tensor(0))
    return {name: tensor.clone() for name, tensor in (model.state_dict() | marks).items()}


def test_a_checkpoint_as_pt_and_as_safetensors(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    state = random_clip()
    torch.save(state, tmp_path / "own.pt")
    save_file(state, tmp_path / "own.safetensors")
    (tmp_path / "a.yaml").write_text(CONFIG.replace("model: emoji\n", ""))
    for name in ("own.pt", "own.safetensors"):
        done = clipig(tmp_path, "run", "a.yaml", "-m", tmp_path / name, "--seed", "1", "-o", "out/", "-v", "0")
        assert (done.returncode, done.stderr) == (0, "")
    assert pixels(tmp_path / "out/a.png") == pixels(tmp_path / "out/a-1.png")


class Code:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("kind", ["code", "script", "garbage", "other", "nested", "garbage.safetensors"])
def test_checkpoints_that_could_run_code_or_are_none(tmp_path: Path, kind: str) -> None:
    import torch

    path = tmp_path / ("own.safetensors" if "safetensors" in kind else "own.pt")
    if kind == "code":
        torch.save({"weights": Code(tmp_path / "executed")}, path)
    elif kind == "script":
        with warnings.catch_warnings(action="ignore"):
            torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
    elif kind == "nested":
        torch.save({"state_dict": 5}, path)
    elif kind == "other":
        torch.save({"weights": torch.zeros(3)}, path)
    else:
        path.write_bytes(b"garbage" * 100)
    (tmp_path / "a.yaml").write_text(CONFIG)
    done = clipig(tmp_path, "run", "a.yaml", "-m", "own" + path.suffix, "-o", "out/", "-v", "0")
    assert done.returncode == 2
    assert f"own{path.suffix}" in done.stderr
    assert "weights_only" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "executed").exists()
    assert not (tmp_path / "out").exists()


def test_a_named_model_without_network(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONFIG.replace("model: emoji\n", ""))
    closed = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:1")
    done = clipig(tmp_path, "run", "a.yaml", "-o", "out/", HOME=str(tmp_path), no_proxy="", NO_PROXY="", **closed)
    assert done.returncode == 1
    assert "cannot download the model ViT-B/32" in done.stderr
    assert str(tmp_path / ".cache" / "clip" / "ViT-B-32.pt") in done.stderr
    assert "--model emoji" in done.stderr
    assert not (tmp_path / "out").exists()
    assert names(tmp_path / ".cache" / "clip") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_wish_to_stop_ends_after_the_epoch_and_saves(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "a.yaml").write_text(BARE)
    args = ["run", "a.yaml", "-e", "10000000", "-s", "1", "-o", "out/", "-v", "1"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([command(), *args], cwd=tmp_path, env=environment(), **pipes)
    picture = tmp_path / "out" / "a.png"
    deadline = time.monotonic() + 120
    while not (picture.exists() and picture.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "out/a.png\n")
    assert "Traceback" not in stderr
    assert "saved out/a.png" in stderr
    assert names(tmp_path / "out") == ["a.png", "a.yaml"]
    assert len(pixels(picture)) == 16 * 16 * 3
    text = (tmp_path / "out" / "a.yaml").read_text()
    assert " of 10000000 epochs" in text
    assert " 0 of 10000000 epochs" not in text


@pytest.mark.parametrize(
    "text", ["a red\nrose", "? x", ": y", "a\tb", "\x07bell", "100%", "- x", "#1", 'it\'s "so"', "é\u2028ü"]
)
def test_any_text_survives_in_the_config_beside_the_picture(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(json.dumps({"targets": [{"name": text, "constraints": ["blur"]}], "epochs": 1}))
    assert clipig(tmp_path, "run", "a.yaml", "-o", "out/", "-r", "8").returncode == 0
    again = clipig(tmp_path, "run", "out/a.yaml", "-o", "again/")
    assert again.returncode == 0, again.stderr
    written = (tmp_path / "again" / "a.yaml").read_text()
    assert YAML(typ="safe").load(written)["targets"][0]["name"] == text
    assert "\x07" not in written + again.stderr


@pytest.mark.parametrize("shell", ["2>&-", "2>/dev/full", "2>&1 | true"])
def test_nobody_has_to_listen(tmp_path: Path, shell: str) -> None:
    (tmp_path / "a.yaml").write_text(BARE)
    subprocess.run(f"{command()} run a.yaml -o out/ {shell}", shell=True, cwd=tmp_path, check=False)  # noqa: S602
    assert len(pixels(tmp_path / "out" / "a.png")) == 16 * 16 * 3


def test_the_home_directory_in_an_output(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"output: ~/pics/\n{BARE}")
    assert clipig(tmp_path, "run", "a.yaml", HOME=str(tmp_path / "home")).returncode == 0
    assert names(tmp_path / "home" / "pics") == ["a.png", "a.yaml"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"learnrate: {'9' * 400}", "a.yaml:1:12: learnrate: "),
        ("learnrate: 1e300", "a.yaml:1:12: learnrate: 1e+300 is too large"),
        ("output: 3", "a.yaml:1:9: output: '3' is neither"),
        ('output: "a\\0.png"', "cannot write to"),
        ('model: "\\ud800"', "a.yaml:1:8: half of a surrogate pair"),
        ("%YAML 1.3\n---", "a.yaml"),
        ("init: {image_tensor: [[[1]]]}", "a.yaml:1:22: init.image_tensor has the shape [1, 1, 1]"),
        ("init: {image: a.yaml}", "a.yaml:1:15: "),
    ],
)
def test_more_mistakes_that_get_one_message(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(f"{line}\n{BARE}")
    done = clipig(tmp_path, "run", "a.yaml")
    assert done.returncode == 2
    assert message in done.stderr
    assert len([said for said in done.stderr.splitlines() if not said.startswith("loading ")]) == 1
    assert names(tmp_path) == ["a.yaml"]


PLUGIN = """\
import sys
from clipig_core import hookimpl
@hookimpl
def clipig_transforms(): return {"leave": "acme_all:leave"}
@hookimpl
def clipig_losses(): return {"scalar": "acme_all:scalar"}
@hookimpl
def clipig_optimizers(): return {"none": "acme_all:none", "late": "acme_all:late"}
@hookimpl
def clipig_canvases(): return {"nothing": "acme_all:none"}
@hookimpl
def clipig_models(): return {"gone": "acme_all:none", "key": "acme_all:key"}
def leave(images): sys.exit(0)
def scalar(features, target): return features.sum()
def none(*args): return None
def key(*args): raise KeyError("weights")
def late(parameters):
    import torch
    class Late(torch.optim.SGD):
        def step(self): raise RuntimeError("too late")
    return Late(parameters, lr=1)
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("transforms: [leave]", "transform 'leave' of plugin 'acme_all' (acme_all 1.0) failed: SystemExit: 0"),
        (
            "features: [{text: cat, loss: scalar}]",
            "loss 'scalar' of plugin 'acme_all' (acme_all 1.0) returned [], torch.float32 on cpu, not floats [B]",
        ),
        ("optimizer: none", "optimizer 'none' of plugin 'acme_all' (acme_all 1.0) returned NoneType"),
        ("optimizer: late", "optimizer 'late' of plugin 'acme_all' (acme_all 1.0) failed: RuntimeError: too late"),
        ("canvas: nothing", "canvas 'nothing' of plugin 'acme_all' (acme_all 1.0) returned NoneType"),
        ("model: gone", "model 'gone' of plugin 'acme_all' (acme_all 1.0) returned NoneType"),
        ("model: key", "model 'key' of plugin 'acme_all' (acme_all 1.0) failed: KeyError: 'weights'"),
    ],
)
def test_a_plugin_that_fails_is_named(tmp_path: Path, change: str, message: str) -> None:
    install(tmp_path, "acme_all", PLUGIN)
    target = {"features": [{"text": "cat"}], "constraints": ["blur"]}
    config = {"model": "emoji", "device": "cpu", "resolution": 8, "epochs": 2, "targets": [target]}
    given = YAML(typ="safe").load(change)
    (target if {"transforms", "features"} & given.keys() else config).update(given)
    (tmp_path / "a.yaml").write_text(json.dumps(config))
    done = clipig(tmp_path, "run", "a.yaml", "-o", "out/", "-v", "0", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


BROKEN_OUTPUT = """
from clipig_core import hookimpl

@hookimpl
def clipig_outputs():
    return {"notes": "acme_notes:notes"}

def notes(target_file):
    '''Notes.'''
    return Notes()

class Notes:
    def begin(self, run): ...
    def step(self, step): raise ValueError("no ink")
    def end(self, result): ...
"""


def test_an_output_that_fails_whatever_it_raises_is_a_run_that_failed(tmp_path: Path) -> None:
    """The picture is saved all the same; a 'when' without a value is nothing that could still be refused."""
    install(tmp_path, "acme_notes", BROKEN_OUTPUT)
    (tmp_path / "a.yaml").write_text(BARE)
    for number, (output, message) in enumerate(
        [
            ("notes", "an output failed, so what it writes is not there, or not whole"),
            ("log: {when: 1/(epoch-1) > 0}", "division by zero in epoch 1"),
        ]
    ):
        run = ["run", "a.yaml", "-e", "4", "-o", f"{number}/", "--out", output]
        done = clipig(tmp_path, *run, PYTHONPATH=str(tmp_path))
        assert (done.returncode, done.stdout) == (1, f"{number}/a.png\n"), done.stderr
        assert message in done.stderr
