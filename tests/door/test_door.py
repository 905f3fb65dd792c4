"""`import clipig`: what programs and notebooks use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import clipig
from clipig_core import Param
from clipig_core.kit import as_yaml
from tests.core.support import AXES, SIZE, LinearEncoder

CONFIG: dict[str, Any] = {
    "resolution": SIZE,
    "epochs": 4,
    "seed": 3,
    "targets": [{"batch_size": 2, "features": [{"text": "x"}], "transforms": [{"noise": 0.1}]}],
}


def test_a_picture_from_a_mapping_with_a_model_of_ones_own() -> None:
    encoder, seen = LinearEncoder(AXES), []
    result = clipig.make(CONFIG, model=encoder, on_step=lambda step: seen.append((step.epoch, step.loss)))
    assert [epoch for epoch, _ in seen] == [0, 1, 2, 3]
    assert result.loss == seen[-1][1]
    assert result.image.shape == (1, 3, SIZE, SIZE)
    assert [(row.kind, row.name, row.count) for row in result.statistics] == [("feature", "x", 8)]
    assert repr(result).startswith(f"<Result {SIZE}x{SIZE}, 4 epochs, loss ")
    again = clipig.make(CONFIG, model=encoder)
    assert torch.equal(again.image, result.image)


def sharpen(images: Tensor, amount: Annotated[float, Param("How much.", min=0)] = 1) -> Tensor:
    """Differences from gray, larger."""
    return 0.5 + (1 + amount) * (images - 0.5)


def darkness(images: Tensor) -> Tensor:
    """How bright they are."""
    return images.mean((1, 2, 3))


@pytest.mark.parametrize(("written", "amount"), [(sharpen, 1), ({sharpen: {"amount": "epoch"}}, "epoch")])
def test_functions_of_a_program_are_components(written: Any, amount: Any, tmp_path: Path) -> None:
    target = {
        **CONFIG["targets"][0],
        "transforms": [written, {"noise": 0.1}],
        "constraints": [{darkness: {"weight": 9}}],
    }
    result = clipig.make({**CONFIG, "targets": [target]}, model=LinearEncoder(AXES))
    plain = clipig.make({**CONFIG, "targets": [{**target, "transforms": [{"noise": 0.1}]}]}, model=LinearEncoder(AXES))
    assert not torch.equal(result.image, plain.image)
    assert [row.name for row in result.statistics] == ["x", "darkness"]
    said = result.run.plan.dump()["targets"][0]["transforms"]
    assert said[0] == {"sharpen": {"amount": float(amount) if amount == 1 else amount}}
    assert "requires: [clipig>=" in as_yaml(result.run.plan)
    with pytest.raises(clipig.InputError, match="unknown transform 'sharpen'"):
        clipig.read(result.save(tmp_path / "x.png"))


def test_what_is_wrong_with_a_function_says_so() -> None:
    def blur(images: Tensor) -> Tensor:
        """Not the built-in one."""
        return images

    def fails(images: Tensor) -> Tensor:
        """Never works."""
        raise RuntimeError("no")

    def with_transform(transform: Any) -> dict[str, Any]:
        return {**CONFIG, "targets": [{**CONFIG["targets"][0], "transforms": [transform]}]}

    with pytest.raises(clipig.InputError, match="there is a transform 'blur' already"):
        clipig.read(with_transform(blur))
    with pytest.raises(clipig.InputError, match="has no name that a config could use"):
        clipig.read(with_transform(lambda images: images))
    with pytest.raises(clipig.InputError, match="cannot stand under 'epochs'"):
        clipig.read({**CONFIG, "epochs": sharpen})
    with pytest.raises(clipig.InputError, match="amount: -1 is below the minimum of 0"):
        clipig.read(with_transform({sharpen: -1}))
    with pytest.raises(clipig.PluginError, match="transform 'fails' of this program failed: RuntimeError: no"):
        clipig.make(with_transform(fails), model=LinearEncoder(AXES))


def test_settings_win_and_the_config_is_left_alone() -> None:
    before = repr(CONFIG)
    assert clipig.make(CONFIG, model=LinearEncoder(AXES), epochs=2).run.done == 2
    assert repr(CONFIG) == before


def test_a_saved_picture_can_be_made_again(tmp_path: Path) -> None:
    encoder = LinearEncoder(AXES)
    first = clipig.make(CONFIG, model=encoder)
    path = first.save(tmp_path / "x.png")
    with Image.open(path) as image:
        assert image.size == (SIZE, SIZE)
    assert torch.equal(clipig.make(path, model=encoder).image, first.image)
    with pytest.raises(FileExistsError):
        first.save(path)
    assert first._repr_png_()[:4] == b"\x89PNG"


def test_a_mistake_is_named_by_its_path() -> None:
    config = {**CONFIG, "targets": [{"features": [{"text": "x", "wieght": 2}]}], "epoch": 3}
    with pytest.raises(clipig.InputError) as caught:
        clipig.read(config)
    assert [str(problem) for problem in caught.value.problems] == [
        "config.epoch: unknown parameter 'epoch' (did you mean 'epochs'?)",
        "config.targets[0].features[0].wieght: unknown parameter 'wieght' (did you mean 'weight'?)",
    ]


def test_what_on_step_raises_ends_the_run() -> None:
    def refuse(step: clipig.Step) -> None:
        raise KeyError(step.epoch)

    with pytest.raises(KeyError, match="0"):
        clipig.make(CONFIG, model=LinearEncoder(AXES), on_step=refuse)


def test_words_are_painted_with_the_default_look() -> None:
    config = clipig.read("red fox", epochs=2)
    texts = [feature.source.values["value"].source for target in config.targets for feature in target.features]
    assert set(texts) == {"red fox"}
    assert config.settings.fixed.epochs == 2


def test_a_run_by_hand() -> None:
    run = clipig.Run(clipig.read(CONFIG), encoder=LinearEncoder(AXES))
    assert repr(run) == f"<Run {SIZE}x{SIZE} on {run.device}, epoch 0 of 4>"
    assert repr(run.step()).startswith("<Step 0 of 4, loss ")


def test_importing_it_loads_no_torch() -> None:
    code = "import clipig, sys; dir(clipig); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    done = subprocess.run([sys.executable, "-m", "clipig", "--version"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("clipig")
