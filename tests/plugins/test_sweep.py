"""Sweeps with real workers: what they leave, what happens when one dies, and how an interrupted one goes on."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image

from clipig_core.testing import check_launcher
from clipig_sweep.folder import Folder
from clipig_sweep.local import local
from clipig_sweep.sweep import agree
from tests.cli.support import Done, clipig, command, environment, install, names

CONFIG = """\
model: emoji
resolution: 32
epochs: 3
targets:
- batch_size: 2
  features: [{text: 'a red {{animal}}'}]
  transforms: [{noise: .1}]
  constraints: [{trouble: {kind: '{{trouble}}', weight: 0}}]
vars: {trouble: none, animal: fox}
"""
TROUBLE = '''\
import os, pathlib, signal, time
from typing import Annotated
from clipig_core import Param, hookimpl

@hookimpl
def clipig_constraints():
    return {"trouble": "acme:trouble"}

def trouble(images, kind: Annotated[str, Param("Which.")] = ""):
    """Trouble of a kind."""
    if kind == "error":
        raise RuntimeError("no\\x1b[2J luck")
    if kind == "once":
        mark = pathlib.Path("died")
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if kind == "death":
        print("these are my last words", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "slow":
        time.sleep(.2)
    if kind == "gpu" and os.environ.get("CUDA_VISIBLE_DEVICES") != "0":
        raise RuntimeError("no GPU")
    return images.flatten(1).mean(1)

@hookimpl
def clipig_launchers():
    return {"chatty": "acme:chatty"}

def chatty(run, jobs):
    """Here, and says so."""
    for job in jobs:
        print("here we go")
        yield job, run(job)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a config whose pictures can be in trouble."""
    install(tmp_path, "acme", TROUBLE)
    (tmp_path / "demo.yaml").write_text(CONFIG)
    return tmp_path


def sweep(folder: Path, *args: str) -> Done:
    return clipig(folder, "sweep", "demo.yaml", *args, PYTHONPATH=str(folder))


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "demo-sweep" / "results.csv").open() as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> Any:
    with Image.open(path) as image:
        return np.array(image)


def test_a_sweep_leaves_pictures_a_table_a_page_and_a_sheet_and_goes_on_where_it_stands(folder: Path) -> None:
    (folder / "words.txt").write_text("fox\nowl\n")
    args = ("--var", "animal=@words.txt", "--set", "seed=1..2")
    done = sweep(folder, *args)
    assert (done.returncode, done.stdout) == (0, "demo-sweep\n"), done.stderr
    made = folder / "demo-sweep"
    assert names(made) == ["index.html", "jobs", "pictures", "results.csv", "results.jsonl", "sheet.png"]
    assert names(made / "pictures") == ["fox-seed-1.png", "fox-seed-2.png", "owl-seed-1.png", "owl-seed-2.png"]
    rows = table(folder)
    assert [(row["name"], row["status"], row["vars.animal"], row["seed"]) for row in rows] == [
        *(("fox-seed-1", "done", "fox", "1"), ("fox-seed-2", "done", "fox", "2")),
        *(("owl-seed-1", "done", "owl", "1"), ("owl-seed-2", "done", "owl", "2")),
    ]
    assert all(float(row["loss"]) > 0 and float(row["seconds"]) > 0 and row["similarity"] for row in rows)
    page = (made / "index.html").read_text()
    assert page.count("data:image/webp;base64,") == 4
    assert 'href="pictures/owl-seed-2.png"' in page

    alone = clipig(
        folder, "run", "demo.yaml", "--var", "animal=owl", "--seed", "2", "-o", "owl.png", PYTHONPATH=str(folder)
    )
    assert alone.returncode == 0, alone.stderr
    assert (pixels(folder / "owl.png") == pixels(made / "pictures" / "owl-seed-2.png")).all()

    before = {path: path.stat().st_mtime_ns for path in (made / "pictures").iterdir()}
    again = sweep(folder, *args)
    assert again.returncode == 0
    assert "all 4 jobs are done already" in again.stderr
    more = sweep(folder, "--var", "animal=@words.txt", "--set", "seed=1..3")
    assert more.returncode == 0
    assert "4 jobs are done already, 2 are left" in more.stderr
    assert before.items() <= {path: path.stat().st_mtime_ns for path in (made / "pictures").iterdir()}.items()
    assert [row["name"] for row in table(folder)] == [
        f"{word}-seed-{seed}" for word in ("fox", "owl") for seed in (1, 2, 3)
    ]


def test_a_dry_run_lists_the_jobs_and_leaves_nothing(folder: Path) -> None:
    before = names(folder)  # and Python may compile the plugin
    done = sweep(folder, "--set", "seed=1..12", "--set", "epochs=[2, 200]", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:2] == ["seed-1-epochs-2", "seed-1-epochs-200"]
    assert "24 jobs, 24 to do: about " in done.stderr
    listed = json.loads(sweep(folder, "--set", "seed=1..2", "--dry-run", "--json").stdout)
    assert [(row["name"], row["done"], row["parameters"]) for row in listed] == [
        *(("seed-1", False, {"seed": 1}), ("seed-2", False, {"seed": 2}))
    ]
    assert {*names(folder)} - {"__pycache__"} == {*before}


def test_jobs_that_fail_or_die_are_in_the_table_with_their_logs_and_stop_no_other(folder: Path) -> None:
    kinds = ("fine", "error", "once", "death", "good")
    args = ("--set", f"vars.trouble=[{', '.join(kinds)}]", "--launcher", "local: {workers: 2}")
    done = sweep(folder, *args)
    assert (done.returncode, done.stdout) == (3, "demo-sweep\n")
    assert "2 of 5 jobs failed" in done.stderr
    assert "\x1b" not in done.stderr
    rows = table(folder)
    assert [row["name"] for row in rows] == [*kinds]
    assert [row["status"] for row in rows] == ["done", "failed", "done", "failed", "done"]
    assert "no\\x1b[2J luck" in rows[1]["error"]
    assert "died of signal 11, Segmentation fault" in rows[3]["error"]
    assert "these are my last words" in rows[3]["error"]
    logs = {path.read_text() for path in (folder / "demo-sweep" / "jobs").glob("*.log")}
    assert [log for log in logs if "RuntimeError" in log and "acme.py" in log]
    again = sweep(folder, *args)
    assert again.returncode == 3
    assert "3 jobs are done already, 2 are left" in again.stderr


def test_what_a_launcher_prints_is_not_taken_for_the_path_of_the_folder(folder: Path) -> None:
    done = sweep(folder, "--set", "seed=1..2", "--launcher", "chatty")
    assert (done.returncode, done.stdout) == (0, "demo-sweep\n"), done.stderr
    assert done.stderr.count("here we go") == 2


def children(of: int) -> set[int]:
    """All processes below another one."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    pairs = [(int(pid), int(parent)) for pid, parent in zip(listed[::2], listed[1::2], strict=True)]
    found = {of}
    while more := {pid for pid, parent in pairs if parent in found} - found:
        found |= more
    return found - {of}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def started(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A sweep of six slow jobs, of which one is done."""
    args = [command(), "sweep", "demo.yaml", "--set", "seed=1..6", "--var", "trouble=slow"]
    process = subprocess.Popen(
        args,
        cwd=folder,
        env=environment(PYTHONPATH=str(folder)),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for(lambda: any((folder / "demo-sweep" / "jobs").glob("*.json")) or process.poll() is not None)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL],
    ids=["ctrl-c", "term", "kill"],
)
def test_a_sweep_that_is_interrupted_leaves_no_process_and_then_does_what_is_missing(
    started: subprocess.Popen[str], folder: Path, number: signal.Signals
) -> None:
    below = children(started.pid)
    assert below
    if number == signal.SIGINT:
        os.killpg(started.pid, number)  # as the terminal does
    else:
        started.send_signal(number)
    _, errors = started.communicate(timeout=60)
    wait_for(lambda: not any(map(alive, below)))
    kept = {path: path.stat().st_mtime_ns for path in (folder / "demo-sweep" / "pictures").glob("*.png")}
    records = [json.loads(path.read_text()) for path in (folder / "demo-sweep" / "jobs").glob("*.json")]
    assert 0 < len(records) < 6
    if number != signal.SIGKILL:
        assert started.returncode == 130
        assert "interrupted" in errors
        assert "Traceback" not in errors
        assert sorted(row["status"] for row in table(folder)).count("missing") == 6 - len(records)

    done = sweep(folder, "--set", "seed=1..6", "--var", "trouble=slow")
    assert done.returncode == 0, done.stderr
    rows = table(folder)
    assert [(row["name"], row["status"]) for row in rows] == [(f"seed-{seed}", "done") for seed in range(1, 7)]
    now = {path: path.stat().st_mtime_ns for path in (folder / "demo-sweep" / "pictures").iterdir()}
    done_before = {folder / "demo-sweep" / record["picture"] for record in records}
    assert {path: now[path] for path in done_before} == {path: kept[path] for path in done_before}
    assert len(now) == 6
    assert not [path for path in (folder / "demo-sweep").rglob("*") if "part" in path.name]


def test_ctrl_c_while_workers_begin_leaves_nothing_of_them(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    logs = tmp_path_factory.mktemp("logs")
    process = subprocess.Popen(
        [command(), "sweep", "demo.yaml", "--set", "seed=1..2"],
        cwd=folder,
        env=environment(PYTHONPATH=str(folder), TMPDIR=str(logs)),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for(lambda: any(logs.glob("clipig-worker-*.log")))
        below = children(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert "failed" not in errors
    wait_for(lambda: not any(map(alive, below)))
    assert not [*logs.glob("clipig-worker-*.log")]


def test_what_cannot_be_done_is_refused_before_anything_is_written(folder: Path) -> None:
    before = names(folder)  # and Python may compile the plugin
    for args, wanted in (
        (["--set", "seed=1..1000000"], "this sweep has 1,000,000 jobs; say --yes if you want that"),
        (["--set", "targets.0.transforms.0.noise=[.1, much]"], "--set targets.0.transforms.0.noise:1:6: "),
        (["--set", "sed=1..3"], "unknown parameter 'sed' (did you mean 'seed'?)"),
        (["--launcher", "lokal"], "unknown launcher 'lokal' (did you mean 'local'?)"),
        (["--launcher", "ray: {address: nowhere}", "-o", "new"], "there is no Ray cluster at 'nowhere'"),
        (["--launcher", "local: {workers: 0}"], "0 is below the minimum of 1"),
        (["-o", "acme-1.0.dist-info"], "is not the folder of a sweep"),
        (["-o", "demo.yaml"], "cannot write to 'demo.yaml'"),
        (["--set", "seed"], "has no '='"),
    ):
        done = sweep(folder, *args)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert wanted in done.stderr
    assert {*names(folder)} - {"__pycache__"} == {*before}


def test_a_large_sweep_is_begun_if_somebody_agrees(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for answer in ("n", "y"):
        terminal = io.StringIO(f"{answer}\n")
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", terminal)
        with pytest.raises(click.Abort) if answer == "n" else contextlib.nullcontext():
            agree(1_000_000, yes=False)
        assert "This sweep has 1,000,000 jobs. Go on?" in "".join(capsys.readouterr())
    agree(1_000_000, yes=True)
    agree(1000, yes=False)
    assert "".join(capsys.readouterr()) == ""


def test_without_space_it_ends_with_a_message_and_keeps_what_it_has(folder: Path) -> None:
    script = f"ulimit -f 4; trap '' XFSZ; exec {command()} sweep demo.yaml --set 'seed=[1]' --set resolution=128"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment(PYTHONPATH=str(folder)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "cannot write 'demo-sweep/pictures/demo.png': File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert "demo-sweep" not in names(folder)  # it has nothing


def test_two_sweeps_do_not_share_a_folder(folder: Path) -> None:
    with Folder(folder / "demo-sweep").opened():
        done = sweep(folder, "--set", "seed=1..2")
    assert done.returncode == 2
    assert "another sweep is at work in 'demo-sweep'" in done.stderr


@pytest.mark.parametrize("workers", [1, 3])
def test_the_launcher_keeps_its_contract(workers: int) -> None:
    check_launcher(local, workers=workers, threads=1)
