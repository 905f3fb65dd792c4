"""The check of outputs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from clipig_core.extension.kinds import OUTPUT
from clipig_core.testing.base import Function, _arguments, _random, _Subject

__tracebackhide__ = True

EPOCHS = 4


def check_output(output: Function, /, **arguments: Any) -> None:
    """Check `output(target_file, **arguments) -> Observer` with a small run, then with one that ends at once."""
    given = _arguments(OUTPUT, output, arguments)
    for epochs in (EPOCHS, 0):
        with tempfile.TemporaryDirectory() as folder:
            _watch(_Subject(OUTPUT, output), given, Path(folder) / "picture", epochs)


def _watch(subject: _Subject, given: dict[str, Any], target: Path, epochs: int) -> None:
    """One run, and what is left of it."""
    images = [_random(1, 3, 6, 8, seed=epoch).float() for epoch in range(epochs + 1)]
    before = [image.clone() for image in images]
    config = SimpleNamespace(choices={}, lists={}, targets=[])
    run = SimpleNamespace(config=config, epochs=EPOCHS, start_epoch=0, resolution=(8, 6), image=images[0])
    with subject.running(f"in a run of {epochs} epochs"):
        observer = subject.function(target, **given)
        lacking = OUTPUT.problems(observer)
        subject.need(
            not lacking, f"what it returns lacks {', '.join(lacking)}", "return an object with begin, step and end"
        )
        subject.need(not any(target.parent.iterdir()), "writes before the run begins", "open files in begin()")
        observer.begin(run)
        for epoch, image in enumerate(images[1:]):
            observer.step(
                SimpleNamespace(epoch=epoch, image=image, loss=1 / (epoch + 1), similarity=None, learnrate=1.0)
            )
        observer.end(SimpleNamespace(image=images[-1], files=[]))
    subject.need(
        all(map(torch.equal, images, before)), "changes the picture that it is shown", "work on copies: image.clone()"
    )
    strange = [path.name for path in target.parent.iterdir() if not path.name.startswith(target.name)]
    subject.need(
        not strange,
        f"leaves files beside the picture that are not called as it: {', '.join(strange)}",
        "write to names that begin with target_file, and remove what is temporary in end()",
    )
