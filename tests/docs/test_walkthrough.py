"""The configs of the walk-through teach what the page says they do, each in less time than it takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML
from torch import Tensor

from clipig_core.config.check import read
from clipig_core.config.plan import Plan
from clipig_core.engine.run import Run
from clipig_core.errors import Place
from clipig_core.extension.registry import Registry
from clipig_core.language.nodes import Node
from docs.make_pictures import PICTURES, lessons

PAGE = (Path(__file__).parents[2] / "docs" / "walkthrough.md").read_text("utf-8")
NAMES = ("least", "views", "constraints", "canvas", "features", "best", "targets", "schedules", "postproc", "models")
BLOCKS = dict(zip(NAMES, lessons(), strict=True))

Change = Callable[[dict[str, Any]], object]


def config_of(name: str, change: Change | None = None, **options: Any) -> Plan:
    """A block of the page, with seed 1."""
    plain = YAML(typ="safe").load(BLOCKS[name])
    if change:
        change(plain)
    return read([Node.of(plain, Place(name))], {"seed": 1, "device": "cpu", **options}, Registry())


def painted(name: str, change: Change | None = None, **options: Any) -> Run:
    run = Run(config_of(name, change, **options))
    for _ in run:
        pass
    return run


def similarity(run: Run, images: Tensor) -> float:
    """Of images with the first feature of a run."""
    (encoder,) = run.encoders.values()
    return 100 * float((encoder.features(images) @ run.targets[0].features[0].vector).mean())


def counts(run: Run) -> dict[str, int]:
    return {row.name: row.count for row in run.statistics.rows() if row.kind == "feature"}


def test_every_block_has_its_picture() -> None:
    shown = re.findall(
        r"^```yaml\n(?:(?!^```).*\n)*?targets:\n(?:(?!^```).*\n)*^```\n\n!\[[^]]{10,}\]\((\S+)\)", PAGE, re.M
    )
    assert shown == [f"pictures/walkthrough-{number}.jpg" for number in range(1, len(BLOCKS) + 1)]
    assert {Path(one).stem for one in shown} <= PICTURES.keys()
    assert all((Path(__file__).parents[2] / "docs" / one).stat().st_size < 60_000 for one in shown)


@pytest.mark.slow
def test_without_views_a_picture_fits_at_one_place_only() -> None:
    lost = {}
    for name in ("least", "views"):
        run = painted(name, epochs=60, resolution=96)
        image = run.result()
        moved = torch.cat([image.roll((8 * down, 8 * right), (2, 3)) for down in (-1, 1) for right in (-1, 1)])
        lost[name] = similarity(run, image) - similarity(run, moved)
    assert lost["least"] > 3 + lost["views"]


@pytest.mark.slow
def test_constraints_make_a_smoother_picture_of_the_wanted_brightness() -> None:
    held, free = (
        painted("constraints", change, epochs=60, resolution=96).result()
        for change in (None, lambda config: config["targets"][0].pop("constraints"))
    )
    assert held.diff(dim=3).abs().mean() < 0.9 * free.diff(dim=3).abs().mean()
    assert 0.29 < held.mean() < 0.71


@pytest.mark.slow
def test_a_pyramid_finds_large_shapes_first() -> None:
    def coarse(**options: Any) -> float:
        """The part of what 10 epochs changed that is in squares of 16x16."""
        run = Run(config_of("canvas", epochs=100, **options))
        before = run.image
        for _ in range(10):
            run.step()
        change = run.image - before
        change = change - change.mean((2, 3), keepdim=True)
        return float(torch.nn.functional.avg_pool2d(change, 16).var() / change.var())

    assert coarse() > 3 * coarse(canvas="rgb")


@pytest.mark.slow
def test_a_negative_weight_pushes_away_and_every_feature_counts() -> None:
    def strawberry(change: Change | None = None) -> float:
        run = painted("features", change, epochs=60, resolution=96)
        (encoder,) = run.encoders.values()
        vector = encoder.encoder.encode_text(["strawberry"])[0].float()
        return 100 * float(encoder.features(run.result())[0] @ (vector / vector.norm()))

    assert strawberry() + 5 < strawberry(lambda config: config["targets"][0]["features"].pop())
    rows = painted("features", epochs=4, resolution=48).statistics.rows()
    weights = [row.weight for row in rows if row.kind == "feature"]
    assert weights == pytest.approx([1, 0.5, -0.3])


@pytest.mark.slow
def test_best_chooses_the_rose_for_all_views() -> None:
    found = counts(painted("best"))
    assert found["rose"] == 1600
    assert found["red heart"] == found["strawberry"] == 0


@pytest.mark.slow
def test_the_worst_part_changes_and_details_begin_later() -> None:
    found = counts(painted("targets", epochs=60, resolution=96))
    assert found["castle"] == 4 * 60
    assert found["bricks"] + found["window"] == 8 * 42
    assert min(found["bricks"], found["window"]) > 0


@pytest.mark.slow
def test_schedules_change_the_size_and_bring_in_the_moon() -> None:
    run = Run(config_of("schedules", epochs=20))
    seen = [(step.image.shape[2], *(float(one.weight.mean()) for one in step.targets[0].features)) for step in run]
    assert [size for size, *_ in seen] == [64] * 6 + [128] * 14
    moon = [weights[1] for _, *weights in seen]
    assert moon[:6] == [0] * 6
    assert moon[-7:] == pytest.approx([1] * 7)
    assert sorted(moon) == moon


@pytest.mark.slow
def test_colours_are_rounded_once_and_the_picture_stays_bright() -> None:
    run = painted("postproc", epochs=60, resolution=96)
    before, after = run.image, run.result()
    assert len(after.unique()) <= 7
    assert abs(float(after.mean() - before.mean())) < 0.03

    def in_postproc(config: dict[str, Any]) -> None:
        stage = {"quantize": "1/6", "start": "90%"}
        config["postproc"].append(stage)

    assert painted("postproc", in_postproc, epochs=60, resolution=96).image.mean() < before.mean() - 0.05


@pytest.mark.slow
def test_normalized_gradients_do_not_depend_on_how_steep_a_loss_is() -> None:
    def steeper(config: dict[str, Any]) -> None:
        config["targets"][0]["features"][0]["weight"] = 5

    def as_it_is(config: dict[str, Any]) -> None:
        for target in config["targets"]:
            target.pop("gradient", None)

    def both(config: dict[str, Any]) -> None:
        as_it_is(config)
        steeper(config)

    one, other, plain, far = (
        painted("models", change, epochs=5, resolution=64, precision="float32").result()
        for change in (None, steeper, as_it_is, both)
    )
    assert float((one - other).abs().mean()) < 0.1 * float((plain - far).abs().mean())
