from __future__ import annotations

import copy
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from clipig_core.config.check import check
from clipig_core.engine.assembly import Models
from clipig_core.engine.run import Run
from clipig_core.engine.statistics import table
from clipig_core.engine.watch import Watch
from clipig_core.errors import InputError, PluginError
from clipig_core.extension.registry import Registry
from clipig_core.imaging.images import read_image
from clipig_core.language.yaml import read_yaml
from clipig_core.runner.execute import execute
from clipig_core.runner.provenance import provenance

from .support import AXES, SIZE, LinearEncoder, config_of, image_file, problems_of, run_of, third_party

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
    steps = [(step.epoch, step.loss) for step in run]
    assert [epoch for epoch, _ in steps] == list(range(6))
    losses = [loss for _, loss in steps]
    assert losses[-1] < losses[0] - 0.02


@pytest.mark.parametrize("canvas", ["rgb", "pyramid"])
def test_the_same_seed_gives_the_same_pixels_bit_for_bit(canvas: str) -> None:
    text = f"{HEAD}canvas: {canvas}\n{LIVELY}"
    first = image_of(text)
    assert torch.equal(first, image_of(text))
    assert not torch.equal(first, image_of(text.replace("seed: 1", "seed: 2")))


def test_models_serve_many_runs_and_leave_no_trace_in_the_pictures() -> None:
    text = f"{HEAD}targets: [{{features: [{{text: fox}}]}}, {{model: photo-lite0, features: [{{text: owl}}]}}]"
    models: Models = {}
    pictures = [execute(Run(config_of(text), models=kept)).image for kept in (None, models, models)]
    assert len(models) == 2
    assert Run(config_of(text), models=models).encoders["emoji"].encoder.encoder in models.values()
    assert torch.equal(pictures[0], pictures[1])
    assert torch.equal(pictures[0], pictures[2])


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
    seed = run.plan.seed
    assert isinstance(seed, int)
    assert torch.equal(run.image, image_of(f"seed: {seed}\n{text}"))
    assert run_of(text, LinearEncoder(AXES)).plan.seed != seed


def test_all_views_of_all_targets_take_one_encoder_call_per_epoch() -> None:
    encoder = LinearEncoder(AXES)
    text = (
        "chunk: 99\ntargets:\n" + "- {batch_size: 3, features: [{text: x}, {text: y}], transforms: [{noise: .1}]}\n" * 2
    )
    text += "- {batch_size: 9, features: [{text: z}]}\n- {batch_size: 5, constraints: [blur]}\n"
    image_of(HEAD + text, encoder)
    assert encoder.passes == [7] * 6


def test_the_number_of_views_may_change_during_the_run() -> None:
    encoder = LinearEncoder(AXES)
    target = "{batch_size: 5 if epoch < 2 else 1 + epoch - 2, features: [{text: x}], transforms: [{noise: .1}]}"
    run = run_of(f"{HEAD}chunk: 99\ntargets: [{target}]", encoder)
    assert [len(step.targets[0].loss) for step in run] == [5, 5, 1, 2, 3, 4]
    assert encoder.passes == [5, 5, 1, 2, 3, 4]
    [row] = run.statistics.rows()
    assert (row.views, row.share) == (20, 1)
    still = run_of(f"{HEAD}targets: [{target.replace('noise: .1', 'mul: 1')}]", encoder)
    assert [step.targets[0].multiplicity for step in still] == [5, 5, 1, 2, 3, 4]
    held = run_of(f"{HEAD}targets: [{target.replace('1 + epoch - 2', '3 - epoch')}]", encoder)
    assert [len(step.targets[0].loss) for step in held] == [5, 5, 1, 1, 1, 1]  # at its limit


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
    weights = [step.targets[0].constraints[0].weight.item() for step in run]
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
    assert [(step.epoch, step.now.time, [o.name for o in step.targets]) for step in steps] == [
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
  transforms: [{center_crop: 4}, {crop: 4 2 3 3}]
  constraints: [blur]
- transforms: [{center_crop: 4}]
  constraints: [{blur: 5}, {blur: 9}, {blur: 9 + t}]
- active: false
  transforms: [{random_crop: 99}]
  constraints: [blur]
- transforms: [{pad: epoch}, {random_crop: 9}]
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
    component = run.plan.postproc[0].transforms[0].component
    monkeypatch.setattr(component, "function", lambda images, **_: images[:, :, 1:])
    with pytest.raises(PluginError, match="changed the resolution"):
        next(iter(run))


class NeverReading(TorchDispatchMode):
    """Refuses what would wait for a GPU."""

    READING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "item")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func.overloadpacket.__name__ not in self.READING, f"{func} waits for the device"
        return func(*args, **(kwargs or {}))


def test_an_epoch_reads_nothing_back_from_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
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

    run = run_of(HEAD + text, Trusting(AXES))
    run._watch = Watch(late=True)  # as on a GPU
    asked = "clipig_core.engine.watch._Answer.finite"  # of the epoch before, which is there
    monkeypatch.setattr(asked, lambda _: True)
    run.step()  # makes matrices and measures what a chunk needs, once
    with NeverReading():  # type: ignore[no-untyped-call]
        run.step()
    run.settle()
    assert "similarity" in "\n".join(table(run.statistics.rows()))


def test_targets_that_are_switched_off_need_no_model() -> None:
    text = "targets: [{active: no, features: [{text: x}]}, {name: held, constraints: [blur]}]"
    run = run_of(HEAD + text, encoder=None)
    assert [outcome.name for outcome in next(iter(run)).targets] == ["held"]
    assert next(iter(run)).targets[0].index == 1


@pytest.mark.parametrize("transforms", ["[]", "[{shift: 0}]"])
def test_targets_that_see_the_same_views_all_pull(transforms: str) -> None:
    """One step of plain gradient descent: the steps of two targets add up."""
    moved = []
    for names in ("x", "y", "xy"):
        text = "optimizer: sgd\nepochs: 1\nlearnrate: .02\ntargets:\n"
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


def test_a_run_goes_on_where_it_stands() -> None:
    whole = run_of(HEAD + LIVELY, LinearEncoder(AXES))
    losses = [step.loss for step in whole]
    run, found = run_of(HEAD + LIVELY, LinearEncoder(AXES)), []
    for step in run:
        found.append(step.loss)
        if step.epoch == 1:
            break
    assert run.epoch == 2
    found.append(run.step().loss)
    found += [step.loss for step in run]
    assert found == losses
    assert torch.equal(run.image, whole.image)


def test_a_random_part_changes_no_other() -> None:
    """Views are drawn by a component's name and place, so that another one beside it leaves them as they are."""
    weights = []
    for more in ("", "- {name: new, batch_size: 2, constraints: [{blur: {weight: 1 + random()}}]}\n"):
        run = run_of(HEAD + LIVELY.replace("1 + random()", "0", 1) + more, LinearEncoder(AXES))
        weights.append([float(one.weight[0]) for step in run for one in step.targets[0].features])
    assert weights[0] == weights[1]
    similar = []
    for transforms in ("[{noise: .1}]", "[{random_shift: 0 0}, {noise: .1}]"):
        text = f"targets: [{{batch_size: 2, features: [{{text: x}}], transforms: {transforms}}}]"
        step = next(run_of(HEAD + text, LinearEncoder(AXES)))
        assert step.targets[0].similarity is not None
        similar.append(step.targets[0].similarity)
    assert torch.equal(*similar)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_picture_at_a_bound_moves_as_far_as_one_in_the_middle(level: float) -> None:
    """Where following the gradient leads back inside; where it would lead out, nothing moves."""
    moved = []
    for mean in (level, 0.5):
        text = f"epochs: 1\ninit: {{mean: {mean}, std: 0}}\ntargets: [{{features: [{{text: x}}]}}]"
        run = run_of(HEAD.replace("epochs: 6\n", "") + text, LinearEncoder(AXES))
        before = run.image
        next(run)
        moved.append(run.image - before)
    assert moved[0].abs().max() == pytest.approx(moved[1].abs().max().item(), rel=0.01)
    assert 0.2 < (moved[0] != 0).float().mean() < 0.8
    assert run.image.min() >= 0
    assert run.image.max() <= 1


def test_what_is_judged_is_what_is_saved() -> None:
    """A picture that left [0, 1] is judged, and reported, as it is shown."""
    run = run_of(
        HEAD + "learnrate: 40\ntargets: [{features: [{text: x}], constraints: [{mean: {above: .9}}]}]",
        LinearEncoder(AXES),
    )
    for _ in range(5):
        run.step()
    image = run.image
    wanted = torch.nn.functional.normalize(LinearEncoder(AXES).encode_image(image), dim=-1)[0, 0]
    step = run.step()
    assert step.similarity == pytest.approx(100 * wanted.item(), abs=1e-3)
    (constraint,) = step.targets[0].constraints
    below = (0.9 - image.mean((2, 3))).clamp(min=0).square().mean()
    assert constraint.loss.item() == pytest.approx(100 * below.item(), rel=1e-4)


OPTIMIZERS = Registry().names("optimizer")
PARTS = {
    "pyramid": "canvas: pyramid\n",
    "resolution": "resolution: 8 if t < .4 else 12\ncanvas: pyramid\n",
    "average": "average: 50%\n",
    "bfloat16": "precision: bfloat16\n",
}


@pytest.mark.parametrize("extra", [*(f"optimizer: {name}\n" for name in OPTIMIZERS), *PARTS.values()])
def test_a_restored_run_ends_in_the_same_bytes(extra: str) -> None:
    head = (HEAD if "resolution" not in extra else HEAD.replace(f"resolution: {SIZE}\n", "")) + extra
    fair = (
        "- {feature_scale: fair, features: [{text: x}, {text: y, weight: 1 + random()}], transforms: [{resize: 8}]}\n"
    )
    text = head + LIVELY + fair
    text = text.replace("transforms: [{random_shift", "transforms: [{resize: 8}, {random_shift")
    whole = run_of(text, LinearEncoder(AXES))
    losses = [step.loss for step in whole]
    stopped = run_of(text, LinearEncoder(AXES))
    for _ in range(4):
        stopped.step()
    saved = io.BytesIO()
    torch.save(stopped.state_dict(), saved)
    saved.seek(0)
    restored = run_of(text, LinearEncoder(AXES))
    restored.load_state_dict(torch.load(saved, weights_only=True))
    assert [step.loss for step in restored] == losses[4:]
    assert torch.equal(restored.image, whole.image)
    assert torch.equal(restored.result(), whole.result())


def test_a_state_of_another_run_is_refused() -> None:
    state = run_of(HEAD + LIVELY, LinearEncoder(AXES)).state_dict()
    with pytest.raises(ValueError, match="another canvas"):
        run_of(f"{HEAD}canvas: pyramid\n{LIVELY}", LinearEncoder(AXES)).load_state_dict(state)
    with pytest.raises(ValueError, match="other targets"):
        run_of(HEAD + "targets: [{features: [{text: x}]}]", LinearEncoder(AXES)).load_state_dict(state)


def test_a_changed_run_goes_on_from_its_picture_with_what_it_has_learned() -> None:
    text = HEAD + LIVELY
    run, whole = run_of(text, LinearEncoder(AXES)), image_of(text)
    for _ in range(3):
        run.step()
    assert run.change(config_of(text)) == []  # the same config: as if nothing had happened
    assert [step.epoch for step in run] == [3, 4, 5]
    assert torch.equal(run.image, whole)
    assert (run.done, run.changes) == (6, [3])
    assert "# until epoch 3 with another config than this\n" in provenance(run, run.image)


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ("learnrate: 0\ntargets: [{features: [{text: z}, {text: y}, {text: x}]}]", []),
        ("learnrate: 0\ntargets: [{features: [{text: z}]}]\noptimizer: sgd", ["the optimizer starts without memory"]),
        (
            "learnrate: 0\ntargets: [{features: [{text: z}]}]\ncanvas: pyramid",
            ["another canvas starts from the picture", "the optimizer starts without memory"],
        ),
    ],
)
def test_a_change_keeps_the_picture_and_says_what_it_cannot_keep(change: str, lost: list[str]) -> None:
    run = run_of(HEAD + LIVELY, LinearEncoder(AXES))
    for _ in range(3):
        run.step()
    before = run.image
    assert run.change(config_of(HEAD + change)) == lost
    assert torch.allclose(run.image, before, atol=1e-3)
    run.step()  # learnrate 0
    assert torch.allclose(run.image, before, atol=1e-3)


def test_a_change_is_undone_by_the_state_before_it() -> None:
    config, run = config_of(HEAD + LIVELY), run_of(HEAD + LIVELY, LinearEncoder(AXES))
    for _ in range(3):
        run.step()
    state = copy.deepcopy(run.state_dict())
    run.change(config_of(HEAD.replace("epochs: 6", "epochs: 99") + "targets: [{features: [{text: z}]}]"))
    for _ in range(9):
        run.step()
    run.change(config, state)
    assert [step.epoch for step in run] == [3, 4, 5]
    assert torch.equal(run.image, image_of(HEAD + LIVELY))


def test_a_change_that_cannot_be_made_leaves_the_run_as_it_was() -> None:
    run = run_of(HEAD + LIVELY, LinearEncoder(AXES))
    for _ in range(3):
        run.step()
    [problem] = problems_of(lambda: run.change(config_of(HEAD.replace("epochs: 6", "epochs: 3") + LIVELY)))
    assert str(problem).startswith("test.yaml:2:9: 3 epochs are done; 'epochs' has to be more")
    assert [step.epoch for step in run] == [3, 4, 5]
    assert torch.equal(run.image, image_of(HEAD + LIVELY))


def test_the_average_is_the_mean_of_the_last_pictures() -> None:
    for average, count in (("50%", 3), ("2", 2), (".2", 2), ("0", 1)):
        run = run_of(f"{HEAD}average: {average}\n{LIVELY}", LinearEncoder(AXES))
        images = [step.image for step in run]
        torch.testing.assert_close(run.result(), torch.cat(images[-count:]).mean(0, keepdim=True))
        assert torch.equal(run.image, images[-1])


def test_finishing_changes_the_result_alone() -> None:
    text = "finish: [{mul: .5}, {active: no, mul: 0}, {add: .1}]\n"
    run, plain = (run_of(HEAD + more + LIVELY, LinearEncoder(AXES)) for more in (text, ""))
    for _ in zip(run, plain, strict=True):
        pass
    assert torch.equal(run.image, plain.image)
    torch.testing.assert_close(run.result(), (plain.image * 0.5 + 0.1).clamp(0, 1))


def one_step(target: str) -> Tensor:
    """How plain gradient descent moves the picture in one step."""
    text = f"epochs: 1\noptimizer: sgd\nlearnrate: .01\ntargets:\n{target}"
    run = run_of(HEAD.replace("epochs: 6\n", "") + text, LinearEncoder(AXES))
    before = run.image
    run.step()
    return run.image - before


def test_a_normalized_gradient_has_the_weight_of_its_target_as_norm() -> None:
    features = "features: [{text: x, weight: 7}], constraints: [{blur: {weight: 3}}]"
    plain = one_step(f"- {{{features}}}\n")
    for weight in (0.5, 2, -2):
        moved = one_step(f"- {{weight: {weight}, gradient: normalized, {features}}}\n")
        assert moved.norm().item() == pytest.approx(0.1 * abs(weight), rel=1e-3)
        cosine = torch.nn.functional.cosine_similarity(moved.flatten(), plain.flatten(), dim=0)
        assert cosine.item() == pytest.approx(1 if weight > 0 else -1, abs=1e-3)
    both = one_step(f"- {{weight: .5, gradient: normalized, {features}}}\n- {{features: [{{text: y}}]}}\n")
    wanted = 0.05 * plain / plain.norm() + one_step("- {features: [{text: y}]}\n")
    torch.testing.assert_close(both, wanted, rtol=0, atol=1e-5)


def test_a_target_may_leave_colours_to_others() -> None:
    plain = one_step("- {features: [{text: x}]}\n")
    gray = plain.mean(1, keepdim=True)
    for color in (0, 0.25):
        moved = one_step(f"- {{color: {color}, features: [{{text: x}}]}}\n")
        torch.testing.assert_close(moved, gray + color * (plain - gray), rtol=0, atol=1e-5)


class Knowing(LinearEncoder):
    """A model that knows some texts, and says so of all others."""

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        for text in texts:
            if text not in self.texts:
                raise InputError(f"no word is known of '{text}'")
        return super().encode_text(texts)


def test_a_feature_that_only_some_models_know_is_left_to_them(caplog: pytest.LogCaptureFixture) -> None:
    text = "targets: [{name: a, features: [{text: qqq}]}, {name: b, model: emoji, features: [{text: qqq}]}]"
    with caplog.at_level(logging.WARNING, "clipig"):
        run = run_of(HEAD.replace("model: emoji", "model: RN50") + text, Knowing({"qqq": (1.0, 0, 0, 0)}))
    assert [record.getMessage() for record in caplog.records] == ["'qqq' is unknown to emoji, and left to RN50"]
    assert [len(target.features) for target in run.targets] == [1, 0]
    assert [len(result.features) for result in next(run).targets] == [1, 0]


def test_a_feature_that_no_model_knows_is_an_error() -> None:
    text = "targets: [{features: [{text: zz}]}, {model: emoji, features: [{text: zz}]}]"
    problems = problems_of(lambda: run_of(HEAD.replace("model: emoji", "model: RN50") + text, Knowing(AXES)))
    assert [problem.message for problem in problems] == [
        "no word is known of 'zz'",
        "the emoji model knows none of these words: zz",
    ]
    assert [problem.place and problem.place.line for problem in problems] == [5, 5]


def test_the_same_said_by_several_models_is_said_once() -> None:
    text = "targets:\n" + "- {features: [{text: zz}]}\n" * 3 + "- {features: [{text: yy}]}\n"
    problems = problems_of(lambda: run_of(HEAD + text, Knowing(AXES)))
    assert [(problem.message, problem.place and problem.place.line) for problem in problems] == [
        ("no word is known of 'zz', here and in 2 more places", 6),
        ("no word is known of 'yy'", 9),
    ]


def test_each_model_has_one_pass_for_all_its_targets() -> None:
    own = LinearEncoder(AXES)
    text = "targets:\n" + "- {batch_size: 3, features: [{text: x}], transforms: [{noise: .1}]}\n" * 2
    text += "- {model: emoji, batch_size: 2, features: [{text: strawberry}], transforms: [{noise: .1}]}\n"
    run = run_of(HEAD.replace("model: emoji", "model: RN50") + text, own)
    next(run)
    assert list(run.encoders) == ["RN50", "emoji"]
    assert own.passes[-1] == 6
