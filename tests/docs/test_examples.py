"""The configs of `examples/`, and the pictures of them in the gallery."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from clipig_core.config.check import read
from clipig_core.engine.run import Run
from clipig_core.extension.registry import Registry
from clipig_core.runner.execute import execute
from clipig_sweep.plan import check_values
from clipig_sweep.sweep import Order
from tests.cli.support import clipig, names

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
GALLERY = (ROOT / "docs" / "gallery.md").read_text("utf-8")


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_it_runs(example: Path, caplog: pytest.LogCaptureFixture) -> None:
    *_, last = Run(read([str(example)], {"epochs": 2}, Registry()))
    assert last.epoch == 1
    assert last.image.isfinite().all()
    assert not caplog.records  # such as words that the model does not know


@pytest.mark.slow
def test_the_command_runs_it(example: Path, tmp_path: Path) -> None:
    done = clipig(tmp_path, "run", example, "-e", "5", "-v", "1", "-o", "pictures/")
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith(f"saved pictures/{example.stem}.png\n")
    others = [f"{example.stem}.webp"] * (example.stem == "growing")
    assert names(tmp_path / "pictures") == [f"{example.stem}.png", *others, f"{example.stem}.yaml"]


@pytest.mark.slow
def test_its_verdict(example: Path) -> None:
    """Of a whole run: its steps become small, so it has found what it can find, or says by itself that it has not."""
    result = execute(Run(read([str(example)], {}, Registry())))
    assert len(result.verdict) <= 4
    if example.stem == "boat":
        assert any(sentence.startswith("soft: the blur constraint was") for sentence in result.verdict)
    if example.stem == "green-apple":
        assert not any("constraint" in sentence for sentence in result.verdict)


def test_it_says_what_it_shows(example: Path) -> None:
    assert re.match(r"# [A-Z].{30,}\n", example.read_text("utf-8"))


def test_the_gallery_shows_it(example: Path) -> None:
    name = example.stem
    assert re.search(rf"!\[[^]]{{10,}}\]\(pictures/{name}.jpg\) \| {{download}}`{name}.yaml", GALLERY)
    picture = ROOT / "docs" / "pictures" / f"{name}.jpg"
    assert picture.stat().st_size < 60_000
    with Image.open(picture) as image:
        assert image.width >= 192


def test_the_sweep_has_a_job_for_each_word() -> None:
    folder = ROOT / "examples" / "sweep"
    order = Order.read([str(folder / "words.yaml")], {}, (), (), None, Registry())
    words = (folder / "words.txt").read_text("utf-8").splitlines()
    assert len(words) == 20
    assert [job.name for job in order.jobs()] == [word.replace(" ", "-") for word in words]
    assert len(check_values(order.base, order.grids, order.registry)) == 20
