"""Optimizers: that they move, that one learnrate fits all, and that their settings arrive."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.plugins.components import built_in, find

BASE = {"adam": 0.01, "sgd": 10, "adadelta": 20, "rmsprop": 0.003, "rmsprob": 0.003, "sparse_adam": 0.01}
NAMES = [component.name for component in built_in("optimizer")]


def make(name: str, pixels: Tensor, **arguments: Any) -> torch.optim.Optimizer:
    optimizer: torch.optim.Optimizer = find("optimizer", name).function([pixels], **arguments)
    return optimizer


def distances(name: str, steps: int) -> Tensor:
    """From gray towards black and white; the mean distance that is left after each step."""
    pixels = torch.nn.Parameter(torch.full((1, 3, 18, 18), 0.5))
    wanted = (torch.arange(18) % 2).float().expand(1, 3, 18, 18)
    optimizer = make(name, pixels)
    left = []
    for _ in range(steps):
        optimizer.zero_grad()
        (pixels - wanted).square().mean().backward()
        optimizer.step()
        left.append((pixels - wanted).abs().mean().detach())
    return torch.stack(left)


@pytest.mark.parametrize("name", NAMES)
def test_every_step_helps_at_first(name: str) -> None:
    left = torch.cat([torch.tensor([0.5]), distances(name, 10)])
    assert (left.diff() < 0).all()


def drift(name: str) -> float:
    """How far a default run moves a pixel whose gradient stays the same."""
    pixels = torch.nn.Parameter(torch.zeros(1))
    optimizer = make(name, pixels)
    for _ in range(300):
        pixels.grad = torch.full((1,), -1e-3)
        optimizer.step()
    return float(pixels.detach())


@pytest.mark.parametrize("name", NAMES)
def test_learnrate_one_is_comparable(name: str) -> None:
    assert 0.4 < drift(name) / drift("adam") < 2.5


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.99])
def test_rmsprop_with_a_gradient_that_stays_the_same_is_finite(alpha: float) -> None:
    """torch's own has nan there, when rounding makes the variance negative."""
    pixels, gradient = torch.nn.Parameter(torch.zeros(1000)), 1e-3 * torch.randn(1000, generator=torch.manual_seed(0))
    optimizer = make("rmsprop", pixels, alpha=alpha)
    for _ in range(1500):
        pixels.grad = gradient.clone()
        optimizer.step()
    assert pixels.isfinite().all()


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.0, "weight_decay": 0.1}, {"alpha": 0.9, "eps": 1e-3}])
def test_rmsprop_is_that_of_torch(settings: dict[str, Any]) -> None:
    ours, theirs = torch.nn.Parameter(torch.zeros(1000)), torch.nn.Parameter(torch.zeros(1000))
    pair = (
        make("rmsprop", ours, **settings),
        torch.optim.RMSprop([theirs], **{"lr": 0.003, "momentum": 0.1, "centered": True, **settings}),
    )
    rng = torch.manual_seed(0)
    for _ in range(20):
        ours.grad = theirs.grad = torch.randn(1000, generator=rng)
        for optimizer in pair:
            optimizer.step()
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("name", "rate"), BASE.items())
def test_base_rates(name: str, rate: float) -> None:
    assert make(name, torch.nn.Parameter(torch.zeros(1))).defaults["lr"] == rate


def test_old_spellings() -> None:
    pixels = torch.nn.Parameter(torch.zeros(1))
    old, new, plain = (make(name, pixels) for name in ("rmsprob", "rmsprop", "sparse_adam"))
    assert old.defaults == new.defaults
    assert new.defaults["centered"]
    assert new.defaults["momentum"] == 0.1
    assert type(plain) is type(new)
    assert not plain.defaults["centered"]
    assert plain.defaults["momentum"] == 0


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [(c.name, name, d.default) for c in built_in("optimizer") for name, d in c.params.items()],
)
def test_settings_arrive(name: str, setting: str, value: Any) -> None:
    other: Any = tuple(part / 2 for part in value) if isinstance(value, tuple) else (value or 0.5) / 2
    if isinstance(value, bool):
        other = not value
    needed = {"momentum": 0.9} if setting == "nesterov" else {}
    assert make(name, torch.nn.Parameter(torch.zeros(1)), **{setting: other}, **needed).defaults[setting] == other


def test_every_setting_of_torch_that_shapes_the_steps_can_be_given() -> None:
    beside = {"params", "lr", "foreach", "maximize", "capturable", "differentiable", "fused", "decoupled_weight_decay"}
    fixed = {("sparse_adam", "momentum"), ("sparse_adam", "centered")}  # it is plain by definition
    for component in built_in("optimizer"):
        torch_class = type(make(component.name, torch.nn.Parameter(torch.zeros(1))))
        wanted = inspect.signature(torch_class).parameters.keys() - beside
        missing = {(component.name, setting) for setting in wanted - component.params.keys()}
        assert missing <= fixed


def test_settings_that_do_not_fit_together_are_the_users_mistake() -> None:
    with pytest.raises(ValueError, match="Nesterov"):
        make("sgd", torch.nn.Parameter(torch.zeros(1)), nesterov=True)
