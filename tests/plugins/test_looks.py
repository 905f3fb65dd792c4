"""The looks that come with clipig."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import clipig
from clipig import Result
from clipig_core.extension.registry import Registry
from clipig_core.testing import check_look
from tests.cli.support import clipig as command

from .test_models import TINY, model_of

REGISTRY = Registry()
LOOKS = REGISTRY.names("look")


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_keeps_its_contract(name: str) -> None:
    check_look(REGISTRY.find("look", name).target, "strawberry")


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in OpenAI's format, with random weights."""
    path = tmp_path_factory.mktemp("models") / "vit.safetensors"
    save_file(model_of(TINY).state_dict(), path, metadata={"activation": "quickgelu"})
    return path


def painted(name: str, **settings: Any) -> Result:
    result = clipig.make({"look": name, "vars": {"text": "strawberry"}}, seed=1, **settings)
    assert result.error is None
    return result


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_paints_in_small(name: str, vit: Path) -> None:
    """With a word that all of its models know, each of its targets takes part at the beginning."""
    own = {"model": str(vit)} if name == "clip" else {}
    result = painted(name, epochs=3, resolution=48, **own)
    assert result.image.shape == (1, 3, 48, 48)
    assert {row.target for row in result.statistics} == {
        target.section["name"].source for target in result.run.plan.targets
    }


def test_the_look_for_clip_runs_with_a_vit_and_a_sentence(vit: Path, tmp_path: Path) -> None:
    done = command(
        tmp_path, "run", "--look", "clip", "--var", "text=a fox in the snow", "-m", vit, "-e", "4", "-r", "40"
    )
    assert (done.returncode, done.stdout) == (0, "a-fox-in-the-snow.png\n"), done.stderr


def test_a_landscape_is_wide_and_has_no_background_of_its_own() -> None:
    result = painted("landscape", epochs=1)
    assert result.image.shape == (1, 3, 112, 168)
    looks = [
        stage.values["outside"].source
        for target in result.run.plan.targets
        for stage in target.transforms
        if stage.name == "random_look"
    ]
    assert looks == ["mirror"] * 4


def test_a_poster_has_few_colours_and_a_frame() -> None:
    image = painted("poster", epochs=4, resolution=64).image
    assert len(image[..., 8:-8, 8:-8].unique()) <= 6
    edge = torch.cat([image[..., :8, :].flatten(2), image[..., -8:].flatten(2)], 2)
    torch.testing.assert_close(edge, torch.tensor([0.95, 0.93, 0.88])[None, :, None].expand_as(edge))


def test_a_texture_can_be_tiled() -> None:
    image = painted("texture", epochs=25, resolution=96).image
    for side in (2, 3):
        seam = (image.select(side, 0) - image.select(side, -1)).abs().mean()
        assert seam < 1.5 * image.diff(dim=side).abs().mean()


def test_there_is_a_default_look() -> None:
    assert REGISTRY.default("look") == "object"
