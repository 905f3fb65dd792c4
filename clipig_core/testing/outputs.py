"""The check of outputs."""

from __future__ import annotations

import importlib.metadata
import tempfile
from pathlib import Path
from typing import Any

import torch

from clipig_core.config.check import read
from clipig_core.engine.run import Run
from clipig_core.errors import Place
from clipig_core.extension.kinds import OUTPUT
from clipig_core.extension.registry import GROUP, Registry
from clipig_core.language.nodes import Node
from clipig_core.runner.execute import Result
from clipig_core.runner.outputs import written
from clipig_core.testing.base import Function, _arguments, _Subject

__tracebackhide__ = True

CONFIG = {
    "epochs": 4,
    "resolution": "[8, 6] if epoch < 2 else [11, 7]",
    "seed": 0,
    "device": "cpu",
    "targets": [{"name": "rest", "constraints": ["calm"]}],
}


def check_output(output: Function, /, **arguments: object) -> None:
    """Check `output(target_file, **arguments) -> Observer` with a small run that grows, and with one that ends at once.

    Both are real runs, with a canvas, an optimizer and a constraint of the check's own.
    """
    given = _arguments(OUTPUT, output, arguments)
    for epochs in (CONFIG["epochs"], 0):
        with tempfile.TemporaryDirectory() as folder:
            _watch(_Subject(OUTPUT, output), given, Path(folder) / "picture", epochs)


def _watch(subject: _Subject, given: dict[str, object], target: Path, epochs: Any) -> None:
    """One run, and what is left of it."""
    run = small_run()
    with subject.running(f"in a run of {epochs} epochs"):
        observer = subject.function(target, **given)
        lacking = OUTPUT.problems(observer)
        subject.need(
            not lacking, f"what it returns lacks {', '.join(lacking)}", "return an object with begin, step and end"
        )
        subject.need(not any(target.parent.iterdir()), "writes before the run begins", "open files in step() or end()")
        observer.begin(run)
        subject.need(
            not any(target.parent.iterdir()),
            "writes before the first epoch, which may fail",
            "open files in step() or end()",
        )
        for _ in range(epochs):
            observer.step(run.step())
        result = Result(run.result(), run, stopped=not run.complete)
        before = result.image.clone()
        observer.end(result)
    subject.need(
        torch.equal(result.image, before), "changes the picture that it is shown", "work on copies: image.clone()"
    )
    left = [path.name for path in target.parent.iterdir()]
    strange = [name for name in left if not name.startswith(target.name)]
    subject.need(
        not strange,
        f"leaves files beside the picture that are not called as it: {', '.join(strange)}",
        "write to names that begin with target_file, and remove what is temporary in end()",
    )
    known = [path.name for path in written([observer])]
    secret = [name for name in left if name not in known]
    subject.need(
        not secret,
        f"writes {', '.join(secret)} without saying so",
        "give the observer an attribute `files`, a list of the paths of files and folders that it will write",
    )


def small_run() -> Run:
    """A run of a few pixels and epochs that needs no plugin but the one below."""
    entry = importlib.metadata.EntryPoint("stage", "clipig_core.testing.stage", GROUP)
    return Run(read([Node.of(CONFIG, Place("check"))], {}, Registry([entry])))
