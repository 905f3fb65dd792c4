from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from clipig_core.config import check
from clipig_core.errors import InputError, PluginError
from clipig_core.images import read_image
from clipig_core.nodes import read_yaml
from clipig_core.registry import Registry
from clipig_core.run import Run
from clipig_core.statistics import Statistics

from .support import AXES, SIZE, LinearEncoder, image_file, problems_of, run_of, third_party

HEAD = f"resolution: {SIZE}\nepochs: 6\nseed: 1\nmodel: emoji\n"
LIVELY = """\
learnrate: 1 + random()
targets:
- batch_size: 3
  features: [{text: x, weight: '1 + random()'}, {text: y}]
  transforms: [{random_shift: -.3 .3}, {noise: .1}]
- constraints: [{blur: {weight: .1}}]
"""


def image_of(text: str, encoder: LinearEncoder | None = None) -> Tensor:
    run = run_of(text, encoder or LinearEncoder(AXES))
    for _ in run:
        pass
    return run.image


def test_an_epoch_moves_the_picture_towards_the_feature() -> None:
    run = run_of(HEAD + "targets: [{features: [{text: x}]}]\nlearnrate: 5", LinearEncoder(AXES))
    losses = [step.loss for step in run]
    assert [step.epoch for step in run] == list(range(6))
    assert losses[-1] < losses[0] - 0.02


@pytest.mark.parametrize("canvas", ["rgb", "pyramid"])
def test_the_same_seed_gives_the_same_pixels_bit_for_bit(canvas: str) -> None:
    text = f"{HEAD}canvas: {canvas}\n{LIVELY}"
    first = image_of(text)
    assert torch.equal(first, image_of(text))
    assert not torch.equal(first, image_of(text.replace("seed: 1", "seed: 2")))


def test_randomness_outside_does_not_matter() -> None:
    first = image_of(HEAD + LIVELY)
    torch.manual_seed(99)
    torch.rand(5)
    assert torch.equal(first, image_of(HEAD + LIVELY))


def test_a_seed_is_drawn_and_recorded() -> None:
    text = HEAD.replace("seed: 1\n", "") + LIVELY
    run = run_of(text, LinearEncoder(AXES))
    for _ in run:
        pass
    seed = run.config.constant("seed")
    assert isinstance(seed, int)
    assert torch.equal(run.image, image_of(f"seed: {seed}\n{text}"))
    assert run_of(text, LinearEncoder(AXES)).config.constant("seed") != seed


def test_all_views_of_all_targets_take_one_encoder_call_per_epoch() -> None:
    encoder = LinearEncoder(AXES)
    text = (
        "chunk: 99\ntargets:\n" + "- {batch_size: 3, features: [{text: x}, {text: y}], transforms: [{noise: .1}]}\n" * 2
    )
    text += "- {batch_size: 9, features: [{text: z}]}\n- {batch_size: 5, constraints: [blur]}\n"
    image_of(HEAD + text, encoder)
    assert encoder.passes == [7] * 6


def test_texts_are_encoded_once() -> None:
    calls: list[str] = []

    class Counting(LinearEncoder):
        def encode_text(self, texts: Sequence[str]) -> Tensor:
            calls.extend(texts)
            return super().encode_text(texts)

    image_of(HEAD + "targets: [{features: [{text: x}, {text: y}]}]", Counting(AXES))
    assert calls == ["x", "y"]


def test_the_step_size_is_the_product_of_base_rate_and_both_factors() -> None:
    text = "learnrate: epoch + 1\nlearnrate_scale: 1 - t\ntargets: [{features: [{text: x}]}]"
    run = run_of(HEAD + text, LinearEncoder(AXES))
    for step in run:
        wanted = (step.epoch + 1) * (1 - step.epoch / 5)
        assert step.learnrate == pytest.approx(wanted)
        assert run.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * wanted)


def test_a_learnrate_of_zero_changes_nothing() -> None:
    run = run_of(HEAD + "learnrate: 0\ntargets: [{features: [{text: x}]}]", LinearEncoder(AXES))
    before = run.image
    for _ in run:
        pass
    assert torch.equal(run.image, before)


@pytest.mark.parametrize("canvas", ["rgb", "pyramid"])
def test_the_resolution_may_change_during_the_run(canvas: str) -> None:
    text = (
        f"canvas: {canvas}\nresolution: \n- 8 if t < .5 else 16 + epoch\n- 10\ntargets: [{{features: [{{text: x}}]}}]"
    )
    run = run_of(HEAD.replace(f"resolution: {SIZE}\n", "") + text, LinearEncoder(AXES))
    assert [tuple(step.image.shape[2:]) for step in run] == [(10, 8)] * 3 + [(10, 19), (10, 20), (10, 21)]


def test_expressions_know_the_resolution_and_the_learnrate() -> None:
    text = "resolution: 8+epoch 4\nlearnrate: width / 8\n"
    text += "targets: [{constraints: [{blur: {weight: 'lr * height + res[0]'}}]}]"
    run = run_of(HEAD.replace(f"resolution: {SIZE}\n", "") + text)
    weights = [step.outcomes[0].constraints[0].weight.item() for step in run]
    assert weights == pytest.approx([(8 + epoch) / 8 * 4 + 8 + epoch for epoch in range(6)])


@pytest.mark.parametrize("canvas", ["rgb", "pyramid"])
def test_postproc_changes_the_picture_in_place_before_the_epoch(canvas: str) -> None:
    text = f"""
canvas: {canvas}
learnrate: 0
init: {{mean: .8, std: 0}}
targets: [{{constraints: [blur]}}]
postproc:
- {{start: 2, end: 3, mul: .5}}
- {{active: false, mul: 0}}
- {{start: 3, mul: 1 .5 t, blur: 3}}
"""
    run = run_of(HEAD + text)
    means = [step.image.mean((0, 2, 3)) for step in run]
    assert [mean[0].item() for mean in means] == pytest.approx([0.8, 0.8, 0.4, 0.2, 0.2, 0.2], abs=0.01)
    assert [mean[1].item() for mean in means] == pytest.approx([0.8, 0.8, 0.4, 0.1, 0.05, 0.025], abs=0.01)
    assert means[5][2].item() == pytest.approx(0.4 * 0.5 * 0.6 * 0.8, abs=0.01)


def test_start_epoch_skips_what_came_before() -> None:
    run = run_of(
        HEAD
        + "start_epoch: 4\ntargets: [{name: a, end: 3, constraints: [blur]}, {name: b, start: 4, constraints: [blur]}]"
    )
    steps = list(run)
    assert [(step.epoch, step.now.time, [o.name for o in step.outcomes]) for step in steps] == [
        (4, 0.8, ["b"]),
        (5, 1.0, ["b"]),
    ]


def test_the_first_pixels_come_from_an_image(tmp_path: Path) -> None:
    path = image_file(tmp_path / "a.png", SIZE, SIZE)
    text = f"{HEAD}targets: [{{constraints: [blur]}}]\ninit: {{image: {path}"
    torch.testing.assert_close(run_of(text + "}").image, read_image(str(path))[None])
    torch.testing.assert_close(run_of(text + ", std: .5, mean: 0}").image, read_image(str(path))[None] / 2)


def test_a_step_keeps_its_image() -> None:
    run = iter(run_of(HEAD + "targets: [{features: [{text: x}]}]", LinearEncoder(AXES)))
    first = next(run).image
    kept = first.clone()
    next(run)
    assert torch.equal(first, kept)
    assert not first.requires_grad


def test_all_optimizers_move_the_picture() -> None:
    for name in Registry().names("optimizer"):
        run = run_of(f"{HEAD}optimizer: {name}\ntargets: [{{features: [{{text: x}}]}}]", LinearEncoder(AXES))
        before = run.image
        losses = [step.loss for step in run]
        assert losses[-1] < losses[0], name
        assert not torch.equal(run.image, before)


def test_an_expression_without_a_value_names_its_place_and_epoch() -> None:
    text = "targets: [{constraints: [{blur: {weight: 1 / (3 - epoch)}}]}]"
    run = run_of(HEAD + text)
    (problem,) = problems_of(lambda: list(run))
    assert str(problem.place) == "test.yaml:5:42"
    assert "division by zero in epoch 3" in problem.message


def test_a_component_that_refuses_its_parameters_is_the_users_mistake() -> None:
    run = run_of(HEAD + "targets: [{constraints: [{blur: 95 + epoch}]}]")
    (problem,) = problems_of(lambda: list(run))
    assert "too large for an image of 8x8" in problem.message
    assert problem.hint == "in epoch 0"
    assert str(problem.place) == "test.yaml:5:33"


TOO_LARGE = """
targets:
- transforms: [{random_crop: 9}, blur]
  features: [{text: x}]
- start: 50%
  transforms: [{center_crop: 4}, {crop: 2 2 3 3}]
  constraints: [blur]
- transforms: [{center_crop: 4}]
  constraints: [{blur: 5}, {blur: 9}, {blur: 9 + t}]
- active: false
  transforms: [{center_crop: 99}]
  constraints: [blur]
- transforms: [{pad: epoch}, {center_crop: 9}]
  constraints: [blur]
postproc: [{blur: 99}]
"""


def test_constants_that_do_not_fit_the_picture_are_found_before_anything_is_loaded() -> None:
    """All of them at once; what depends on time is not judged."""
    problems = problems_of(lambda: run_of(HEAD + TOO_LARGE, encoder=None))
    assert [(problem.place and problem.place.line, problem.hint) for problem in problems] == [
        (7, ""),
        (10, ""),
        (13, ""),
        (19, ""),
    ]


def test_a_rehearsal_draws_no_random_numbers() -> None:
    text = "targets: [{constraints: [blur], transforms: [{noise: .1}]}]"
    again = text.replace("blur", "blur, {blur: 3 + t}").replace("{noise: .1}", "{mul: 1 + t - t}, {noise: .1}")
    assert torch.equal(run_of(HEAD + text).rng.get_state(), run_of(HEAD + again).rng.get_state())


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"test.yaml:5:9: this machine has no device 'cuda:77' \(it has: cpu"):
        run_of(HEAD + "device: cuda:77\ntargets: [{constraints: [blur]}]")


BAD = """
from clipig_core import hookimpl
import torch
@hookimpl
def clipig_transforms():
    return {name: f"acme_bad:{name}" for name in ("crash", "flat", "fewer")}
@hookimpl
def clipig_constraints():
    return {name: f"acme_bad:{name}" for name in ("crash", "scalar")}
def crash(images): return images.nothing
def flat(images): return images[0]
def fewer(images): return images[:, :1]
def scalar(images): return images.mean()
"""


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("transforms: [crash]", "transform 'crash' of plugin 'acme' (acme 1) failed: AttributeError"),
        ("transforms: [flat]", "transform 'flat' of plugin 'acme' (acme 1) returned [3, 8, 8], torch.float32 on cpu"),
        ("transforms: [flat]", "not floats [B, 3, h, w] for images [1, 3, 8, 8]"),
        ("transforms: [fewer]", "returned [1, 1, 8, 8]"),
        ("constraints: [scalar]", "constraint 'scalar' of plugin 'acme' (acme 1) returned []"),
    ],
)
def test_a_component_that_breaks_its_contract_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str, message: str
) -> None:
    registry = third_party(monkeypatch, tmp_path, "acme_bad", BAD)
    if "constraints" not in target:
        target += ", constraints: [blur]"
    config = check(read_yaml(f"{HEAD}targets: [{{{target}}}]", "a.yaml"), registry)
    with pytest.raises(PluginError) as caught:
        next(iter(Run(config)))
    assert message in str(caught.value)


def test_a_transform_that_changes_the_resolution_in_secret_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(HEAD + "targets: [{constraints: [blur]}]\npostproc: [blur]")
    component = run.config.postproc[0].transforms[0].component
    monkeypatch.setattr(component, "function", lambda images, **_: images[:, :, 1:])
    with pytest.raises(PluginError, match="changed the resolution"):
        next(iter(run))


class NeverReading(TorchDispatchMode):
    """Refuses what would wait for a GPU."""

    READING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "item")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func.overloadpacket.__name__ not in self.READING, f"{func} waits for the device"
        return func(*args, **(kwargs or {}))


def test_an_epoch_reads_nothing_back_from_the_device() -> None:
    text = """
targets:
- batch_size: 3
  select: best
  features: [{text: x, weight: 1 - t}, {text: y, loss: l1}]
  transforms: [{random_shift: 0 1}, {random_rotate: -9 9}, {random_crop: 7}, {noise: .1}, {pad: {size: 1, color: t}}]
  constraints: [{blur: 5}, {mean: {above: .2 + t}}, {contrast: {below: .1}}]
- select: mix
  features: [{text: x}, {text: z, weight: -.5}]
  constraints: [{normalize: {min: .1}}, {edge_mean: {below: .1}}, saturation: {above: .5}, std: {above: .5}]
postproc: [{blur: 3}, {saturation: .9}]
"""

    class Trusting(LinearEncoder):
        def encode_image(self, images: Tensor) -> Tensor:
            return images.flatten(1) @ self.weights

    steps, statistics = iter(run_of(HEAD + text, Trusting(AXES))), Statistics()
    next(steps)  # makes matrices and measures what a chunk needs, once
    with NeverReading():  # type: ignore[no-untyped-call]
        statistics.add(next(steps))
    assert "similarity" in "\n".join(statistics.lines())


def test_targets_that_are_switched_off_need_no_model() -> None:
    text = "targets: [{active: no, features: [{text: x}]}, {name: held, constraints: [blur]}]"
    run = run_of(HEAD + text, encoder=None)
    assert [outcome.name for outcome in next(iter(run)).outcomes] == ["held"]
    assert next(iter(run)).outcomes[0].index == 1


@pytest.mark.parametrize("transforms", ["[]", "[{shift: 0}]"])
def test_targets_that_see_the_same_views_all_pull(transforms: str) -> None:
    """One step of plain gradient descent: the steps of two targets add up."""
    moved = []
    for names in ("x", "y", "xy"):
        text = "optimizer: sgd\nepochs: 1\ntargets:\n"
        text += "".join(f"- {{features: [{{text: {name}}}], transforms: {transforms}}}\n" for name in names)
        run = run_of(HEAD.replace("epochs: 6\n", "") + text, LinearEncoder(AXES))
        before = run.image
        next(iter(run))
        moved.append(run.image - before)
    assert moved[0].abs().max() > 1e-4
    assert torch.allclose(moved[0] + moved[1], moved[2], rtol=0, atol=1e-6)


NEVER = """
targets:
- constraints: [blur, {blur: {kernel_size: 99, start: 400}}, {blur: {kernel_size: 99, end: 2}}]
- start: 400
  transforms: [crop: 0 0 99 99]
  constraints: [blur]
- start: 90%
  end: 10%
  transforms: [crop: 0 0 99 99]
  constraints: [blur]
postproc: [{blur: 99, active: false}, {blur: 99, start: .9, end: .1}]
start_epoch: 3
"""


def test_what_never_takes_part_need_not_fit() -> None:
    list(run_of(HEAD + NEVER))


def test_random_weights_of_views_do_not_depend_on_the_chunk() -> None:
    text = """
targets:
- batch_size: 7
  weight: random() * sim / 20
  features: [{text: x, weight: random() * sim / 20, scale: 1 + random() + 0 * sim}, {text: y, weight: random() * sim}]
  transforms: [{noise: .1}]
"""
    losses = [[step.loss for step in run_of(f"{HEAD}chunk: {n}{text}", LinearEncoder(AXES))] for n in (7, 3, 1)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert losses[2] == pytest.approx(losses[0], rel=1e-4)
