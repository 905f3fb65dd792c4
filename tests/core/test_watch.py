"""Runs that go wrong without an error: values that are not finite, gradients that end somewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from clipig_core.config.check import check
from clipig_core.engine.run import Run
from clipig_core.engine.watch import Watch
from clipig_core.errors import ClipigError, PluginError, RunError
from clipig_core.language.yaml import read_yaml
from clipig_core.runner.execute import execute

from .support import AXES, SIZE, LinearEncoder, third_party

PLUGIN = """
from typing import Annotated

import torch

from clipig_core import Param, hookimpl

Now = Annotated[bool, Param("Whether something goes wrong.")]
NAN = float("nan")


def bad_transform(images, now: Now = False):
    return images + (NAN if now else 0)


def bad_backward(images, now: Now = False):
    return images + (images - images.detach()).sqrt() if now else images


def bad_constraint(images, now: Now = False):
    return images.mean((1, 2, 3)) * (NAN if now else 1)


def bad_loss(features, target):
    return (features * target).sum(1).sub(9).sqrt()


def rounded(images, now: Now = True):
    return images.mul(255).round().div(255) if now else images


def cut(images):
    return images.detach().clone()


def needs_closure(parameters):
    return torch.optim.LBFGS(parameters, lr=0.1)


class Stumbling(torch.optim.SGD):
    def step(self, closure=None):
        super().step()
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == 4:
            self.param_groups[0]["params"][0].data.mul_(NAN)


def stumbling(parameters):
    return Stumbling(parameters, lr=1)


def names(*names):
    return {name: f"watched_plugin:{name}" for name in names}


@hookimpl
def clipig_transforms():
    return names("bad_transform", "bad_backward", "rounded", "cut")


@hookimpl
def clipig_constraints():
    return names("bad_constraint")


@hookimpl
def clipig_losses():
    return names("bad_loss")


@hookimpl
def clipig_optimizers():
    return names("needs_closure", "stumbling")
"""

HEAD = f"resolution: {SIZE}\nepochs: 6\nseed: 1\nmodel: emoji\n"
GOOD = "targets: [{batch_size: 3, features: [{text: x}], transforms: [{random_shift: 0 1}]}]"


class Trusting(LinearEncoder):
    def encode_image(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weights


Make = Callable[[str], Run]


@pytest.fixture(params=[False, True], ids=["at once", "late"])
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Runs with a plugin that fails in all ways, on a device that says so at once, or late, as a GPU does."""
    registry = third_party(monkeypatch, tmp_path, "watched_plugin", PLUGIN)

    def make(text: str) -> Run:
        head = HEAD.replace("epochs: 6", "epochs: 200") if "learnrate: " in text and "sgd" in text else HEAD
        run = Run(check(read_yaml(head + text, "test.yaml"), registry), encoder=Trusting(AXES))
        run._watch = Watch(late=request.param)
        return run

    return make


BAD = [
    (
        "transforms: [bad_transform: epoch == 3]",
        "test.yaml:6:69: transform 'bad_transform' of plugin 'acme' (acme 1) made",
    ),
    ("transforms: [{shift: 1}, {bad_backward: epoch == 3}]", "'bad_backward' of plugin 'acme' (acme 1) has a gradient"),
    ("constraints: [bad_constraint: epoch == 3]", "constraint 'bad_constraint' of plugin 'acme' (acme 1) made values"),
    ("transforms: [{mul: '3e38 if epoch == 3 else 1'}, {mul: 10}, blur]", "6:96: transform 'mul' of plugin 'color'"),
    (
        "weight: 'epoch == 3 and 3e38', constraints: [{mean: {above: .9, weight: 1e5}}]",
        "the weighted loss of test.yaml:6:93: constraint 'mean' of plugin",
    ),
]


@pytest.mark.parametrize(("extra", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_an_epoch_that_is_not_finite_is_undone_and_its_component_named(make: Make, extra: str, reason: str) -> None:
    text = GOOD.removesuffix("]") + f",\n  {{name: second, features: [{{text: y}}], {extra}}}]"
    run = make(text)
    with pytest.raises(RunError) as caught:
        list(run)
    assert str(caught.value).startswith("epoch 3: ")
    assert reason in str(caught.value)
    whole = make(text)
    list(zip(range(3), whole, strict=False))
    whole.settle()
    assert (run.epoch, run.done) == (whole.epoch, whole.done) == (3, 3)
    assert torch.equal(run.image, whole.image)
    assert run.statistics.rows() == whole.statistics.rows()
    ours, theirs = run.optimizer.state_dict(), whole.optimizer.state_dict()
    assert all(torch.equal(ours["state"][0][name], value) for name, value in theirs["state"][0].items())


def test_pixels_that_an_optimizer_or_a_stage_spoils_come_back(make: Make) -> None:
    for extra, reason in (
        ("optimizer: stumbling\n", "optimizer 'stumbling' of plugin 'acme'"),
        ("postproc: [{start: 3, bad_transform: yes}]\n", "transform 'bad_transform' of plugin 'acme'"),
    ):
        run, whole = make(extra + GOOD), make(extra + GOOD)
        result = execute(run)
        list(zip(range(3), whole, strict=False))
        assert isinstance(result.error, RunError)
        assert reason in str(result.error)
        assert run.done == 3
        assert torch.equal(result.image, whole.image)


@pytest.mark.parametrize("stop_after", [4, 5])
def test_a_run_that_is_stopped_just_there_keeps_the_picture_too(make: Make, stop_after: int) -> None:
    text = GOOD.removesuffix("]") + ", {constraints: [bad_constraint: epoch > 2]}]"
    run = make(text)
    result = execute(run, stop=lambda: run.done == stop_after)
    assert "'bad_constraint'" in str(result.error)
    assert run.done == 3
    assert result.image.isfinite().all()
    assert result.loss is not None


def test_a_run_that_is_never_finite_fails(make: Make) -> None:
    with pytest.raises(RunError, match=r"epoch 0: .*loss 'bad_loss' of plugin 'acme' \(acme 1\) made values"):
        execute(make("targets: [{features: [{text: x, loss: bad_loss}]}]"))


@pytest.mark.parametrize("name", ["rounded", "cut"])
def test_a_transform_that_lets_no_gradient_through_is_named(
    make: Make, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = (
        f"targets: [{{features: [{{text: x}}], constraints: [mean: {{above: .1}}], transforms: [blur, {name}, blur]}}]"
    )
    with caplog.at_level(logging.WARNING, "clipig"):
        list(make(before))
    assert [record.message for record in caplog.records] == [
        "no gradient reaches the picture in epoch 0: "
        f"test.yaml:5:88: transform '{name}' of plugin 'acme' (acme 1) passes none on"
    ]


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "targets: [{features: [{text: x}], weight: t, transforms: [rounded]}]",  # wants nothing yet
        "targets: [{constraints: [mean: {above: .1}]}]",  # is content
        "targets: [{features: [{text: x}]}, {features: [{text: y}], transforms: [rounded]}]",
        "postproc: [{noise: .1}]",
    ],
)
def test_nothing_is_said_of_runs_that_learn_or_have_nothing_to_learn(
    make: Make, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "clipig"):
        list(make(text))
    assert not caplog.records


def test_an_epoch_that_fails_leaves_the_state_before_it(make: Make) -> None:
    """A stage has changed the canvas by then; who goes on from here would see it change twice."""
    text = "postproc: [{blur: 3}]\nlearnrate: 1\ntargets: [{features: [{text: x}], weight: 1 / (epoch - 3)}]"
    run, whole = make(text), make(text)
    with pytest.raises(ClipigError, match="in epoch 3"):
        list(run)
    list(zip(range(3), whole, strict=False))
    assert torch.equal(run.image, whole.image)


def test_a_picture_that_is_all_black_and_white_is_told_of_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    away = "optimizer: sgd\nlearnrate: 1e6\ntargets: [{constraints: [{mean: {above: 1, weight: 1e6}}]}]\n"
    for text, said in ((away, 1), (away.replace("learnrate: 1e6", "learnrate: 0"), 0)):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "clipig"):
            list(make(text))
        assert [record.message[:60] for record in caplog.records] == said * [
            "all values of the picture have been at their bounds for 75 e"
        ]


def test_an_optimizer_that_wants_a_closure_is_refused_by_name(make: Make) -> None:
    reason = r"optimizer 'needs_closure' of plugin 'acme' \(acme 1\) cannot be used: .* \(a closure\)"
    with pytest.raises(PluginError, match=reason):
        make(f"optimizer: needs_closure\n{GOOD}")
