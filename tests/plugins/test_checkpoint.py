"""Runs that stop somewhere and are gone on with: in another process, from files of strangers, with other configs."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clipig_checkpoint.file import FORMAT, Checkpoint, machine
from clipig_checkpoint.output import CheckpointFile, checkpoint
from clipig_cli import cli
from clipig_core import ClipigError, InputError
from clipig_core.extension.registry import Registry
from clipig_core.kit import Output, Run, as_yaml, execute, read, read_yaml
from clipig_core.testing import check_output
from tests.plugins import kills

REGISTRY = Registry()
HEAD = """epochs: 6
seed: 3
model: emoji
verbose: 0
snapshot_interval: 2
outputs: [checkpoint: {interval: 2, keep: yes}]
"""
LIVELY = """targets:
- batch_size: 2
  features: [{text: fox}, {text: owl, weight: 1 - random()}]
  transforms: [{resize: 24}, {random_shift: 0 1}, {noise: .1 * random()}]
  constraints: [{blur: {weight: .1}}]
"""
PIXELS = """resolution: 16
targets:
- batch_size: 2
  transforms: [{random_shift: 0 1}, {noise: .1 * random()}]
  constraints: [{blur: {weight: .1}}, {mean: {above: .8}}]
"""
PLAIN = HEAD + PIXELS  # which needs no model
PARTS = {
    **{f"optimizer {name}": f"optimizer: {name}\n{PIXELS}" for name in REGISTRY.names("optimizer")},
    "pyramid that grows": f"resolution: 16 if t < .4 else 20\ncanvas: pyramid\n{LIVELY}",
    "fourier, averaged": f"resolution: 16\ncanvas: fourier\naverage: 50%\n{LIVELY}",
    "natural, fair": f"resolution: 16\ncanvas: natural\n{LIVELY}  feature_scale: fair\n",
    "bfloat16, normalized": f"resolution: 16\nprecision: bfloat16\n{LIVELY}  gradient: normalized\n  color: .5\n",
    "stages": f"resolution: 16\npostproc: [{{blur: 3, start: 2}}]\nfinish: [contrast: 1.1]\n{LIVELY}",
}


def run_of(text: str) -> Run:
    return Run(read([read_yaml(text, "a.yaml")], {}, REGISTRY))


def stopped(path: Path, text: str, after: int) -> Run:
    """A run that was stopped after so many epochs, and its checkpoint at `path`, without an ending."""
    run = run_of(text)
    execute(run, [checkpoint(path, interval=2, keep=True)], lambda: run.done == after)
    return run


def resume(*arguments: str) -> None:
    cli.main(["resume", *arguments], standalone_mode=False)


def state(path: Path) -> dict[str, Any]:
    return kills.state(path.with_suffix(".checkpoint"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one; the logger of the command line does not outlive a test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    return tmp_path


def test_another_process_ends_with_the_same_bytes(folder: Path) -> None:
    """Pixels, the optimizer's memory, the mean, statistics and factors, all in full precision."""
    names = [name.replace(" ", "-") for name in PARTS]
    for name, text in zip(names, PARTS.values(), strict=True):
        stopped(folder / f"whole-{name}", HEAD + text, 6)
        stopped(folder / name, HEAD + text, 3)
    code = (
        "import sys; from clipig_cli import cli; [cli.main(['resume', x], standalone_mode=False) for x in sys.argv[1:]]"
    )
    pictures = [f"{name}.png" for name in names]
    done = subprocess.run([sys.executable, "-c", code, *pictures], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, pictures), done.stderr
    assert "may differ" not in done.stderr
    for name in names:
        ours, whole = state(folder / name), state(folder / f"whole-{name}")
        assert (ours["epoch"], ours["done"]) == (6, 6)
        assert kills.same(ours, whole), name


@pytest.mark.slow
def test_a_few_kills(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.plugins.kills", "3", "--seed", str(random.randrange(10**6))],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_hundred_kills(tmp_path: Path) -> None:
    score = kills.campaign(100, random.randrange(10**6), tmp_path)
    assert (score.failed, score.different) == (0, 0), score


def test_a_complete_run_takes_its_checkpoint_away(folder: Path) -> None:
    text = PLAIN.replace(", keep: yes", "")
    (folder / "a.yaml").write_text(text.replace("outputs", "#"))
    cli.main(["run", "a.yaml", "--checkpoint", "-o", "x.png"], standalone_mode=False)
    assert sorted(path.name for path in folder.iterdir()) == ["a.yaml", "x.png", "x.yaml"]
    with pytest.raises(InputError, match=r"there is no checkpoint 'x.checkpoint' \(a run with"):
        resume("x.png")


def test_a_short_run_writes_nothing_until_it_is_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "x.checkpoint"
    run = run_of(PLAIN)
    seen: list[bool] = []
    execute(run, [checkpoint(tmp_path / "x")], lambda: run.done == 5, lambda _: seen.append(path.exists()))
    assert seen == [False] * 5
    assert Checkpoint.read(path).state["epoch"] == 5


def test_it_keeps_the_contract_of_outputs() -> None:
    for interval in (1, 2, 1e-9, 60.0):
        check_output(checkpoint, interval=interval)
    check_output(checkpoint, interval=2, keep=True)


def test_moments_are_epochs_or_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for interval, wanted in ((2, [2, 4]), (0, []), (0.0, []), (1e-9, [1, 2, 3, 4, 5])):
        run, written = run_of(PLAIN), []
        file = CheckpointFile(tmp_path / "x.checkpoint", interval, keep=False)
        monkeypatch.setattr(file, "_write", lambda: written.append(run.done))  # noqa: B023
        execute(run, [file])
        assert written[:1] == wanted[:1]
        if isinstance(interval, int):
            assert written == wanted


def test_more_epochs_than_were_planned(folder: Path) -> None:
    stopped(folder / "x", PLAIN, 6)
    with pytest.raises(InputError, match=r"'x.png' has 6 epochs already"):
        resume("x.png")
    resume("x", "-e", "9")
    found = state(folder / "x")
    assert (found["epoch"], found["done"]) == (9, 9)
    stopped(folder / "whole", PLAIN.replace("epochs: 6", "epochs: 9"), 9)
    whole = state(folder / "whole")  # nothing of the picture depends on the length of the run in this config
    assert kills.same({**found, "statistics": {}}, {**whole, "statistics": {}})


def test_a_mean_of_other_epochs_is_not_gone_on_with(folder: Path) -> None:
    stopped(folder / "x", f"average: 2\n{PLAIN}", 6)
    resume("x.png", "-e", "9")
    stopped(folder / "whole", f"average: 2\n{PLAIN}".replace("epochs: 6", "epochs: 9"), 9)
    assert kills.same(state(folder / "x")["mean"], state(folder / "whole")["mean"])


def test_a_changed_config_is_refused_with_the_difference_or_accepted(folder: Path) -> None:
    run = stopped(folder / "x", PLAIN, 4)
    changed = PLAIN.replace("weight: .1", "weight: .3").replace("verbose: 0", "learnrate: .5\noutput: y.png")
    (folder / "x.yaml").write_text(changed)
    with pytest.raises(InputError) as caught:
        resume("x.png")
    assert str(caught.value).splitlines() == [
        "the config is not that of 'x.checkpoint' (--changed accepts that)",
        "learnrate: 0.5, was 1.0",
        "targets.0.constraints.0.blur.weight: 0.3, was 0.1",
    ]
    before = (folder / "x.checkpoint").read_bytes()
    assert not (folder / "x.png").exists()
    resume("x.png", "--changed")
    assert (folder / "x.checkpoint").read_bytes() != before
    other = run_of(changed)
    other.load_state_dict({k: v for k, v in run.state_dict().items() if k not in ("factors", "statistics")})
    list(other)
    assert kills.same(state(folder / "x")["canvas"], other.state_dict()["canvas"])


@pytest.mark.parametrize("change", ["optimizer: sgd\ntargets:", "targets:\n- {name: more, constraints: [blur]}"])
def test_what_does_not_fit_a_changed_config_begins_afresh(folder: Path, change: str) -> None:
    stopped(folder / "x", PLAIN, 4)
    (folder / "x.yaml").write_text(PLAIN.replace("targets:", change))
    resume("x.png", "--changed")
    assert state(folder / "x")["epoch"] == 6


def test_files_of_outputs_that_are_new_are_not_replaced(folder: Path) -> None:
    for output, name in (("frames", "x-frames"), ("log", "x.csv"), ("webp", "x.webp")):
        run = stopped(folder / "x", PLAIN, 4)
        (folder / "x.yaml").write_text(as_yaml(run.plan).replace("outputs:", f"outputs:\n- {output}"))
        (folder / name).write_text("MINE")
        with pytest.raises(InputError, match=rf"'{name}' exists, is not of the run"):
            resume("x.png", "--changed")
        assert (folder / name).read_text() == "MINE"
        (folder / name).unlink()


def test_outputs_that_were_new_when_it_was_resumed_are_its_own_when_it_is_killed_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped(folder / "x", PLAIN, 4)
    (folder / "x.yaml").write_text(as_yaml(run.plan).replace("outputs:", "outputs:\n- log").replace("0.1", "0.3"))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointFile, "step", lambda *_: None)
        patch.setattr(CheckpointFile, "end", killed)
        with pytest.raises(click.Abort):
            resume("x.png", "--changed")
    assert (folder / "x.csv").exists()
    resume("x.png")
    assert state(folder / "x")["epoch"] == 6
    assert [line.split(",")[0] for line in (folder / "x.csv").read_text().splitlines()[1::3]] == ["4", "5"]


def test_what_the_picture_does_not_depend_on_may_change_at_any_time(folder: Path) -> None:
    """The config beside the picture counts, and it stays as it was edited."""
    run = stopped(folder / "x", PLAIN, 4)
    edited = as_yaml(run.plan).replace("outputs:", "outputs:\n- log").replace("snapshot_interval: 2", "verbose: 1")
    (folder / "x.yaml").write_text(edited)
    resume("x.png")
    plan = Checkpoint.read(folder / "x.checkpoint").plan
    assert [*map(str, plan["outputs"])] != [*map(str, run.plan.dump()["outputs"])]
    assert (plan["verbose"], plan["snapshot_interval"]) == (1, 20.0)
    assert "log" in (folder / "x.yaml").read_text()
    assert (folder / "x.csv").exists()


def test_another_canvas_is_refused(folder: Path) -> None:
    stopped(folder / "x", PLAIN, 4)
    (folder / "x.yaml").write_text("canvas: pyramid\n" + PLAIN)
    with pytest.raises(InputError, match="the state is that of another canvas"):
        resume("x.png", "--changed")


def test_a_picture_of_somebody_else_is_not_replaced(folder: Path) -> None:
    stopped(folder / "x", PLAIN, 4)
    from PIL import Image

    Image.new("RGB", (4, 4)).save(folder / "x.png")
    before = (folder / "x.png").read_bytes()
    with pytest.raises(InputError, match=r"x\.png"):
        resume("x.png")
    assert (folder / "x.png").read_bytes() == before


def test_another_machine_is_told_of(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = stopped(folder / "x", PLAIN, 4)
    there = {**machine(run), "threads": "64", "torch": "\x1b]0;title\a"}
    content = Checkpoint(folder, run.plan.dump(), run.state_dict(), there).to_bytes()
    (folder / "x.checkpoint").write_bytes(content)
    with caplog.at_level(logging.WARNING, "clipig"):
        resume("x.png")
    message = caplog.records[-1].message
    assert f"threads '{torch.get_num_threads()}' (was '64')" in message
    assert message.isprintable()


def test_a_disk_that_vanishes_costs_a_checkpoint_and_not_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_of(PLAIN)
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(step: Any) -> None:
        if step.epoch == 2:
            shutil.rmtree(folder)
        elif step.epoch == 4:
            folder.mkdir()

    with caplog.at_level(logging.WARNING, "clipig"):
        execute(run, [checkpoint(folder / "x", interval=2)], lambda: run.done == 5, mount)
    first, last = [record.message for record in caplog.records]
    assert first.startswith("no checkpoint was written: cannot write")
    assert last == f"to go on: clipig resume {folder / 'x.png'}"
    assert Checkpoint.read(folder / "x.checkpoint").state["epoch"] == 5


def test_a_run_that_broke_is_repaired_and_gone_on_with(folder: Path) -> None:
    """Its state is that before the epoch that failed, so it ends as if nothing had been wrong."""
    bad = PLAIN.replace(".1 * random()", ".1 / abs(epoch - 3)") + "postproc: [{blur: 3}]\n"
    result = execute(run_of(bad), [checkpoint(folder / "x", keep=True)])
    assert isinstance(result.error, ClipigError)
    (folder / "x.yaml").write_text(bad.replace("(epoch - 3)", "(epoch - 3.5)"))
    resume("x.png", "--changed")
    stopped(folder / "whole", bad.replace("(epoch - 3)", "(epoch - 3 if epoch < 3 else epoch - 3.5)"), 6)
    assert kills.same(state(folder / "x")["canvas"], state(folder / "whole")["canvas"])


# Files of strangers


def header(**texts: str) -> bytes:
    text = json.dumps({"__metadata__": texts}).encode()
    return struct.pack("<Q", len(text)) + text


DEEP = "[" * 100_000 + "]" * 100_000
FILES = {
    "nothing": b"",
    "noise": random.Random(1).randbytes(3000),
    "a pickle": b"\x80\x04\x95cposix\nsystem\n(S'echo hacked'\ntR.",
    "an endless header": struct.pack("<Q", 2**62) + b"{}",
    "a large header": struct.pack("<Q", 90_000_000) + b"{}",
    "somebody's weights": header(format="pt"),
    "no state": header(format=FORMAT, plan="{}", machine="{}"),
    "a list": header(format=FORMAT, plan="{}", machine="{}", state="[]"),
    "deep": header(format=FORMAT, plan="{}", machine="{}", state=DEEP),
    "no tensor": header(format=FORMAT, plan="{}", machine="{}", state='{"tensor": "7"}'),
    "two kinds": header(format=FORMAT, plan="{}", machine="{}", state='{"tensor": "7", "dict": []}'),
    "an unknown kind": header(format=FORMAT, plan="{}", machine="{}", state='{"os.system": "true"}'),
    "a list as key": header(format=FORMAT, plan="{}", machine="{}", state='{"dict": [[[1], 2]]}'),
    "no plan": header(format=FORMAT, machine="{}", state='{"dict": []}'),
    "a wrong plan": header(format=FORMAT, plan="targets: [{", machine="{}", state='{"dict": []}'),
    "an empty state": header(format=FORMAT, plan="{}", machine="{}", state='{"dict": []}'),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_files_that_are_no_checkpoints_are_refused(folder: Path, content: bytes) -> None:
    (folder / "x.checkpoint").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.checkpoint") as caught:
        resume("x.png")
    assert len(str(caught.value)) < 500
    assert (folder / "x.checkpoint").read_bytes() == content
    assert [path.name for path in folder.iterdir()] == ["x.checkpoint"]


def test_what_is_no_picture_is_refused(folder: Path) -> None:
    for name in (".", "/", "..", "missing.png", "x/y.png"):
        with pytest.raises(InputError):
            resume(name)
    (folder / "x.checkpoint").mkdir()
    with pytest.raises(InputError, match="it is not a file"):
        resume("x")


@pytest.mark.skipif(sys.platform != "linux", reason="names of runs are of Linux")
def test_a_run_that_has_not_ended_is_left_alone(folder: Path) -> None:
    stopped(folder / "x", PLAIN, 4)
    before, running = (folder / "x.checkpoint").read_bytes(), Output.again(Path("x.png"))
    with pytest.raises(InputError, match=r"another run writes 'x\.png'"):
        resume("x.png")
    assert (folder / "x.checkpoint").read_bytes() == before
    running.release()
    resume("x.png")


def test_a_half_written_or_special_file_is_refused(folder: Path) -> None:
    stopped(folder / "x", PLAIN, 2)
    whole = (folder / "x.checkpoint").read_bytes()
    for length in (7, 100, len(whole) // 2, len(whole) - 1):
        (folder / "x.checkpoint").write_bytes(whole[:length])
        with pytest.raises(InputError, match="is not a whole checkpoint"):
            resume("x.png")
    (folder / "x.checkpoint").unlink()
    os.mkfifo(folder / "x.checkpoint")
    with pytest.raises(InputError, match="it is not a file"):
        resume("x.png")


Good = tuple[str, dict[str, Any]]
"""A config, and a state of its run."""

WRONG = st.one_of(
    st.none(),
    st.integers(-3, 20),
    st.sampled_from([2**40, 0.5, float("nan"), "x", [], {}, (), [[1]], True]),
    st.tuples(st.integers(0, 3), st.integers(0, 9)).map(torch.ones),
    st.sampled_from([torch.tensor(1), torch.full((1, 3, 16, 16), float("nan")), torch.zeros(1, 3, 16, 16).half()]),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a state."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return [path, *(place for key, entry in entries for place in places(entry, (*path, key)))]


def with_other(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    entries = dict(value.items() if isinstance(value, dict) else enumerate(value))
    entries[path[0]] = with_other(entries[path[0]], path[1:], other)
    return entries if isinstance(value, dict) else type(value)(entries.values())


@pytest.fixture(scope="module", params=["adam: {amsgrad: yes}", "rmsprop", "sgd: {momentum: .5}"])
def good(request: pytest.FixtureRequest) -> Good:
    text = f"optimizer: {{{request.param}}}\naverage: 5\n".replace("{rmsprop}", "rmsprop") + PLAIN
    run = run_of(text)
    for _ in range(3):
        run.step()
    return text, run.state_dict()


def tampered(state: dict[str, Any], how: str) -> dict[str, Any]:
    found = dict(state["statistics"])
    first = found["sums"][0]
    match how:
        case "no list":
            found["sums"] = {}
        case "twice":
            found["sums"] = [first, first]
        case "not finite":
            found["sums"] = [[*first[:4], first[4] / 0, *first[5:]]]
        case "backwards":
            found["ends"] = sorted(found["ends"], reverse=True)
        case "too late":
            found["since"] = 33
    return {**state, "statistics": found}


@pytest.mark.parametrize("how", ["no list", "twice", "not finite", "backwards", "too late"])
def test_statistics_that_no_run_has_are_refused(folder: Path, how: str) -> None:
    run = stopped(folder / "x", PLAIN, 4)
    content = Checkpoint(folder, run.plan.dump(), tampered(run.state_dict(), how), machine(run)).to_bytes()
    (folder / "x.checkpoint").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot go on from 'x.checkpoint': the statistics"):
        resume("x.png")
    assert (folder / "x.checkpoint").read_bytes() == content


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), other=WRONG)
def test_states_that_lie_are_refused_or_harmless(good: Good, data: st.DataObject, other: Any) -> None:
    """Sizes above all: fused optimizers read and write beyond the end of a tensor that is too short."""
    text, right = good
    wrong = with_other(right, data.draw(st.sampled_from(places(right))), other)
    run = run_of(text)
    try:
        run.load_state_dict(wrong)
        for _ in range(2):
            if not run.complete:
                run.step()
        run.statistics.rows()
        run.result()
    except (ValueError, ClipigError):
        pass
