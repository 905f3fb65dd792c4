"""The losses of one target, computed by hand on the features that a linear encoder gives to the first picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from clipig_core.config.check import check
from clipig_core.engine.run import Run, Step
from clipig_core.engine.statistics import table
from clipig_core.errors import InputError, PluginError
from clipig_core.language.yaml import read_yaml

from .support import AXES, SIZE, LinearEncoder, run_of, third_party

HEAD = f"resolution: {SIZE}\nepochs: 5\nseed: 1\nmodel: emoji\ninit: {{std: .3}}\n"


def first_step(target: str, texts: dict[str, Any] | None = None, head: str = HEAD) -> tuple[Run, Tensor, Step]:
    """The run, the unit feature [D] of its first picture, and its first step."""
    encoder = LinearEncoder(texts or AXES)
    run = run_of(f"{head}targets:\n- {target}", encoder)
    feature = torch.nn.functional.normalize(encoder.encode_image(run.image.clamp(0, 1)), dim=-1)[0]
    return run, feature, next(iter(run))


def passes(run: Run) -> list[int]:
    """The sizes of the batches that the model of a run was given."""
    (encoder,) = run.encoders.values()
    assert isinstance(encoder.encoder.encoder, LinearEncoder)
    return encoder.encoder.encoder.passes


def chosen(step: Step) -> dict[str, float]:
    return {part.name: float(part.count) for part in step.targets[0].features}


@pytest.fixture
def feature() -> Tensor:
    return first_step("features: [{text: x}]")[1]


def test_all_adds_the_weighted_losses(feature: Tensor) -> None:
    _, _, step = first_step("features: [{text: x, weight: 2}, {text: y, weight: -.5}, {text: z}]")
    x, y, z = feature[:3].tolist()
    assert step.loss == pytest.approx(2 * (1 - x) - 0.5 * (1 - y) + (1 - z), abs=1e-5)
    assert chosen(step) == {"x": 1, "y": 1, "z": 1}


def test_similarity_is_a_percentage_with_its_sign(feature: Tensor) -> None:
    _, _, step = first_step("features: [{text: x}, {text: -x}, {text: y, scale: 3}]")
    found = [part.similarity.item() for part in step.targets[0].features if part.similarity is not None]
    x, y = feature[:2].tolist()
    assert found == pytest.approx([100 * x, -100 * x, 300 * y], abs=1e-3)


@pytest.mark.parametrize(("select", "pick"), [("best", max), ("worst", min)])
def test_best_and_worst_take_one_feature(feature: Tensor, select: str, pick: Any) -> None:
    _, _, step = first_step(
        f"{{select: {select}, features: [{{text: x, weight: 2}}, {{text: y, weight: 3}}, {{text: z, weight: 4}}]}}"
    )
    values = dict(zip("xyz", feature[:3].tolist(), strict=True))
    name = pick(values, key=values.__getitem__)
    assert chosen(step) == {text: float(text == name) for text in "xyz"}
    assert step.loss == pytest.approx({"x": 2, "y": 3, "z": 4}[name] * (1 - values[name]), abs=1e-5)


def test_scale_changes_which_feature_is_best_but_not_its_loss(feature: Tensor) -> None:
    texts = {"weak": (feature + torch.tensor([1.0, -1, 1, -1])).tolist(), "strong": feature.tolist()}
    entries = "{text: weak, scale: SCALE}, {text: strong}"
    for scale, picked in (("1", "strong"), ("1000", "weak")):
        target = f"{{select: best, features: [{entries.replace('SCALE', scale)}]}}"
        _, _, step = first_step(target, texts)
        assert chosen(step) == {name: float(name == picked) for name in texts}
        wanted = 1 - torch.nn.functional.cosine_similarity(feature, torch.tensor(texts[picked]), dim=0)
        assert step.loss == pytest.approx(wanted.item(), abs=1e-5)


def test_best_compares_only_what_is_active(feature: Tensor) -> None:
    values = dict(zip("xyz", feature[:3].tolist(), strict=True))
    best, second, _ = sorted(values, key=values.__getitem__, reverse=True)
    texts = [f"{{text: {name}{', start: 3' if name == best else ''}}}" for name in "xyz"]
    _, _, step = first_step(f"{{select: best, features: [{', '.join(texts)}]}}")
    assert best not in chosen(step)
    assert chosen(step)[second] == 1


def test_mix_compares_with_the_weighted_mean(feature: Tensor) -> None:
    _, _, step = first_step("{select: mix, features: [{text: x, weight: 3}, {text: y, weight: -1}]}")
    mixed = torch.tensor([3.0, -1, 0, 0]) / 4
    wanted = 1 - torch.nn.functional.cosine_similarity(feature, mixed, dim=0)
    assert step.loss == pytest.approx(wanted.item(), abs=1e-5)
    assert chosen(step) == {"x": 1, "y": 1}


def test_mix_uses_the_length_of_the_mean_and_the_loss_of_the_first(feature: Tensor) -> None:
    _, _, step = first_step("{select: mix, features: [{text: x, loss: l2}, {text: y, loss: cosine}]}")
    mixed = torch.tensor([0.5, 0.5, 0, 0])
    assert step.loss == pytest.approx(100 * (feature - mixed).square().mean().item(), abs=1e-3)


def test_mix_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"test.yaml:7:.*sum to zero"):
        first_step("{select: mix, features: [{text: x, weight: 0}, {text: y, weight: 0}]}")


def test_features_have_unit_length(feature: Tensor) -> None:
    for loss in ("cosine", "l1", "l2"):
        short = first_step(f"features: [{{text: a, loss: {loss}}}]", {"a": (3.0, 4.0, 0, 0)})[2].loss
        long = first_step(f"features: [{{text: a, loss: {loss}}}]", {"a": (0.6, 0.8, 0, 0)})[2].loss
        assert short == pytest.approx(long, rel=1e-5)


def test_weights_multiply() -> None:
    plain = first_step("features: [{text: x}]")[2].loss
    assert first_step("{weight: 3, features: [{text: x, weight: -2}]}")[2].loss == pytest.approx(-6 * plain, rel=1e-5)
    blur = first_step("constraints: [blur]")[2].loss
    assert blur > 0
    both = first_step("{weight: 3, features: [{text: x}], constraints: [{blur: {weight: -.5}}]}")[2].loss
    assert both == pytest.approx(3 * (plain - 0.5 * blur), rel=1e-5)


def test_a_negative_weight_pushes_away() -> None:
    for weight, sign in ((1, 1), (-1, -1)):
        run, feature, _ = first_step(f"features: [{{text: x, weight: {weight}}}]", head=HEAD + "learnrate: 3\n")
        steps = list(run)
        after = torch.nn.functional.normalize(LinearEncoder(AXES).encode_image(steps[-1].image.clamp(0, 1)), dim=-1)[0]
        assert (after[0] - feature[0]).item() * sign > 0.02


def test_views_count_by_batch_size_but_are_encoded_once_if_nothing_is_random() -> None:
    single = first_step("features: [{text: x}]")[2]
    run, _, step = first_step("{batch_size: 7, features: [{text: x}], constraints: [blur], transforms: [{mul: 1}]}")
    assert passes(run) == [1, 1]  # the test's own, then the first epoch's
    alone = first_step("constraints: [blur]")[2].loss
    assert step.loss == pytest.approx(7 * (single.loss + alone), rel=1e-5)


def test_random_transforms_give_every_view_its_own_look() -> None:
    run, _, step = first_step("{batch_size: 7, features: [{text: x}], transforms: [{noise: .2}]}")
    assert passes(run)[-1] == 7
    (part,) = step.targets[0].features
    assert part.similarity is not None
    assert len(set(part.similarity.tolist())) == 7
    assert step.loss == pytest.approx(sum(1 - value / 100 for value in part.similarity.tolist()), rel=1e-4)


def test_best_is_chosen_for_each_view_by_itself() -> None:
    _, _, step = first_step(
        "{batch_size: 40, select: best, features: [{text: x}, {text: y}, {text: z}], transforms: [{noise: 2}]}"
    )
    table = torch.stack([part.similarity for part in step.targets[0].features if part.similarity is not None], 1)
    wanted = torch.bincount(table.argmax(1), minlength=3).tolist()
    assert list(chosen(step).values()) == wanted
    assert sum(wanted) == 40
    assert sum(count > 0 for count in wanted) > 1
    assert step.loss == pytest.approx((1 - table.max(1).values / 100).sum().item(), rel=1e-4)


def test_similarity_in_expressions_is_that_of_each_view() -> None:
    _, _, step = first_step(
        "{batch_size: 5, features: [{text: x, weight: 1 if sim > 0 else 2 + similarity}, {text: y, scale: sim / 10}],"
        " transforms: [{noise: 2}]}"
    )
    x, y = step.targets[0].features
    assert x.similarity is not None
    assert y.similarity is not None
    weights = torch.tensor([1.0 if value > 0 else 2 + value for value in x.similarity.tolist()])
    torch.testing.assert_close(torch.as_tensor(x.weight), weights)
    assert (y.similarity >= 0).all()
    assert step.loss == pytest.approx((weights * x.loss + y.loss).sum().item(), rel=1e-4)


def test_similarity_of_constraints_is_the_mean_over_the_features() -> None:
    _, _, step = first_step(
        "{weight: sim / 50, batch_size: 3, features: [{text: x}, {text: y, scale: 2}], transforms: [{noise: .3}],"
        " constraints: [{blur: {weight: similarity}},"
        " {blur: {kernel_size: 3 if sim > 0 else 5, end: 1.0 if sim else 0}}]}"
    )
    (outcome,) = step.targets
    similarities = [part.similarity for part in outcome.features if part.similarity is not None]
    mean = torch.stack(similarities).mean(0)
    torch.testing.assert_close(torch.as_tensor(outcome.weight), mean / 50)
    torch.testing.assert_close(torch.as_tensor(outcome.constraints[0].weight), mean)
    losses = sum((part.loss for part in outcome.features), torch.zeros(3))
    first, second = outcome.constraints
    wanted = mean / 50 * (losses + mean * first.loss + second.loss)
    assert step.loss == pytest.approx(wanted.sum().item(), rel=1e-4)


def test_without_features_similarity_is_zero() -> None:
    plain = first_step("constraints: [blur]")[2].loss
    assert first_step("{weight: 2 + sim, constraints: [{blur: {weight: 3 + sim}}]}")[2].loss == pytest.approx(6 * plain)


def test_fair_starts_with_equal_similarities_and_the_largest_factor_is_one() -> None:
    texts = {"a": (1.0, 0.2, 0.1, 0), "b": (0.1, 1.0, 0.3, 0), "c": (0.3, 0.2, 1.0, 0.5)}
    signs = torch.sign(first_step("features: [{text: x}]")[1])
    texts = {name: tuple((torch.tensor(vector) * signs).tolist()) for name, vector in texts.items()}
    run, _, step = first_step("{feature_scale: fair, features: [{text: a}, {text: b}, {text: c}]}", texts)
    found = [part.similarity.item() for part in step.targets[0].features if part.similarity is not None]
    assert found == pytest.approx([found[0]] * 3, rel=1e-4)
    assert max(wanted.factor for wanted in run.targets[0].features) == 1
    plain = first_step("{features: [{text: a}, {text: b}, {text: c}]}", texts)[2]
    assert min(p.similarity.item() for p in plain.targets[0].features if p.similarity is not None) == pytest.approx(
        found[0], rel=1e-4
    )
    assert step.loss == pytest.approx(plain.loss, rel=1e-5)


@pytest.mark.parametrize("names", [["x", "-x"], ["zero", "x", "-x"], ["zero"], ["-x", "zero"]])
def test_fair_survives_similarities_that_are_not_positive(names: list[str]) -> None:
    feature = first_step("features: [{text: x}]")[1]
    across = torch.linalg.qr(feature[:, None], mode="complete").Q[:, 1]
    texts = AXES | {"zero": tuple(across.tolist())}
    entries = ", ".join(f"{{text: {name}}}" for name in names)
    run, _, step = first_step(f"{{feature_scale: fair, select: best, features: [{entries}]}}", texts)
    plain = first_step(f"{{select: best, features: [{entries}]}}", texts)[2]
    for wanted in run.targets[0].features:
        assert 0 < wanted.factor <= 1
    for fair, equal in zip(step.targets[0].features, plain.targets[0].features, strict=True):
        assert fair.similarity is not None
        assert equal.similarity is not None
        assert fair.similarity.item() * equal.similarity.item() >= 0
    assert torch.tensor(step.loss).isfinite()


def test_windows_of_targets_features_and_constraints() -> None:
    encoder = LinearEncoder(AXES)
    run = run_of(
        HEAD + "targets:\n"
        "- {name: early, end: 25%, features: [{text: x, start: 1}, {text: y, end: 0}]}\n"
        "- {name: late, start: 3, constraints: [{blur: {end: .8}}, blur]}\n"
        "- {name: off, active: false, features: [{text: z}]}\n",
        encoder,
    )
    seen = [[(o.name, [p.name for p in o.features], len(o.constraints)) for o in step.targets] for step in run]
    assert seen == [
        [("early", ["y"], 0)],
        [("early", ["x"], 0)],
        [],
        [("late", [], 2)],
        [("late", [], 1)],
    ]
    assert encoder.passes == [1, 1]


def test_a_target_of_constraints_never_runs_the_encoder() -> None:
    run = run_of(HEAD + "targets: [{constraints: [blur]}]")
    assert not run.encoders
    steps = list(run)
    assert steps[0].similarity is None
    assert steps[-1].loss < steps[0].loss


def test_statistics_parts_hold_unweighted_losses(feature: Tensor) -> None:
    _, _, step = first_step("{weight: 5, features: [{text: x, weight: 3}]}")
    (part,) = step.targets[0].features
    assert part.loss.item() == pytest.approx(1 - feature[0].item(), abs=1e-5)
    assert (part.weight.item(), step.targets[0].weight.item()) == (3, 5)


def test_views_are_resized_and_clamped_for_the_model() -> None:
    head = HEAD.replace(f"resolution: {SIZE}", "resolution: 19 11")
    run = run_of(
        head + "targets: [{features: [{text: x}], transforms: [{mul: 5}, {resize: 13 9}]}]", LinearEncoder(AXES)
    )
    assert len(list(run)) == 5  # the encoder itself asserts size and range


def test_statistics_weigh_shares_as_the_loss_does() -> None:
    text = """
targets:
- batch_size: 4
  weight: 1 if t < .5 else 0
  features: [{text: x, weight: 2}]
  constraints: [{border: {start: 51%}}, {blur: {weight: 3}}]
"""
    run, losses = run_of(HEAD + text, LinearEncoder(AXES)), []
    for step in run:
        if step.now.time < 0.5:
            (outcome,) = step.targets
            losses.append([2 * outcome.features[0].loss.item(), 3 * outcome.constraints[0].loss.item()])
    feature, blur = (sum(column) for column in zip(*losses, strict=True))
    lines = dict(line.strip().split(":", 1) for line in table(run.statistics.rows())[1:])
    assert f"count {4 * run.epochs}," in lines["feature 'x'"]
    assert f" {100 * feature / (feature + blur):.1f}% of the loss" in lines["feature 'x'"]
    assert f" {100 * blur / (feature + blur):.1f}% of the loss" in lines["constraint 'blur'"]
    assert " 0.0% of the loss" in lines["constraint 'border'"]


LAZY = """
from clipig_core import hookimpl
from clipig_core.imaging.views import Axis, Views, lazy
@hookimpl
def clipig_transforms():
    return {name: f"acme_lazy:{name}" for name in ("bare", "crash", "outside", "eager")}
class Bare(Views):
    def read(self, columns, rows): raise KeyError("gone")
class Crash(Bare):
    def __init__(self, source):
        self.source, self.shape, self.dtype, self.device = source, source.shape, source.dtype, source.device
class Outside(Crash):
    def read(self, columns, rows): return self.source.read(columns.moved(500), rows)
@lazy
def bare(images): return Bare()
@lazy
def crash(images): return Crash(images)
@lazy
def outside(images): return Outside(images)
@lazy
def eager(images): return images.pixels()
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bare", "failed: AttributeError: 'Bare' object has no attribute 'shape' (context.py:"),
        ("crash", "failed: KeyError: 'gone' (acme_lazy.py:8)"),
        ("outside", "returned [1, 3, 8, 0]"),
        ("eager", "failed: TypeError: a lazy transform returns Views, not Tensor"),
    ],
)
def test_a_lazy_transform_that_fails_later_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, message: str
) -> None:
    registry = third_party(monkeypatch, tmp_path, "acme_lazy", LAZY)
    text = f"{HEAD}targets: [{{transforms: [{name}, {{mul: 1}}], constraints: [blur]}}]"
    with pytest.raises(PluginError) as caught:
        list(Run(check(read_yaml(text, "a.yaml"), registry)))
    assert f"transform '{name}' of plugin 'acme'" in str(caught.value)
    assert message in str(caught.value)
