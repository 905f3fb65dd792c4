"""Configs as users of the format have written them, with defaults, spellings and habits of old, run unchanged.

Only the model is another one, the epochs are few, and the device is the one of which pictures can be repeated.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from ruamel.yaml import YAML

from clipig_core.config.check import read
from clipig_core.config.plan import Plan
from clipig_core.engine.run import Run
from clipig_core.extension.registry import Registry

from .support import clipig, names

FOLDER = Path(__file__).parent / "walkthrough"
RUNS = {
    "least": (["least.yaml"], 2, (224, 224)),
    "three-scales": (["three-scales.yaml"], 2, (672, 672)),
    "best-of-many": (["best-of-many.yaml"], 2, (224, 224)),
    "post-processing": (["post-processing.yaml"], 2, (224, 192)),
    "constraints": (["constraints.yaml"], 2, (320, 240)),
    "growing": (["growing.yaml"], 2, (224, 224)),
    "series": (["shared.yaml", "series.yaml"], 2, (224, 224)),
    "old-tensor": (["old-tensor.yaml"], 22, (64, 64)),
}


def test_all_of_them_are_run() -> None:
    assert {name for files, *_ in RUNS.values() for name in files} == {path.name for path in FOLDER.iterdir()}


@pytest.fixture(params=RUNS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def config_of(name: str, **more: Any) -> Plan:
    files, epochs, _ = RUNS[name]
    options = {"model": "emoji", "device": "cpu", "epochs": epochs, **more}
    return read([str(FOLDER / file) for file in files], options, Registry())


def test_every_epoch_has_a_loss(name: str) -> None:
    """With the windows and schedules of a run of full length, of which it takes some epochs of each part."""
    epochs = RUNS[name][1]
    config = config_of(name, epochs=epochs + 6)
    steps = [step.loss for step in Run(config)]
    assert len(steps) == epochs + 6 - config.settings.fixed.start_epoch
    assert all(loss == loss and abs(loss) < 1e6 for loss in steps)


@pytest.mark.slow
def test_the_command_runs_them_and_what_they_leave(name: str, tmp_path: Path) -> None:
    files, epochs, size = RUNS[name]
    paths = [FOLDER / file for file in files]
    done = clipig(tmp_path, "run", *paths, "-m", "emoji", "-d", "cpu", "-e", str(epochs), "-o", "one/")
    assert done.returncode == 0, done.stderr
    stem = paths[-1].stem
    assert names(tmp_path / "one") == [f"{stem}.png", f"{stem}.yaml"]
    sidecar = YAML(typ="safe").load(tmp_path / "one" / f"{stem}.yaml")
    assert (sidecar["model"], sidecar["epochs"]) == ("emoji", epochs)

    again = clipig(tmp_path, "run", f"one/{stem}.yaml", "-o", "two/")
    assert again.returncode == 0, again.stderr
    with Image.open(tmp_path / "one" / f"{stem}.png") as first, Image.open(tmp_path / "two" / f"{stem}.png") as second:
        assert first.size == size
        assert first.tobytes() == second.tobytes()
