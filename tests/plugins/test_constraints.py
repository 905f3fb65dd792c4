"""What each constraint measures and where it pulls, by numbers that can be checked by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clipig_core import InputError
from clipig_core.errors import Place
from clipig_core.extension.registry import Component
from clipig_core.language.nodes import Node
from tests.plugins.components import CONSTRAINTS, apply, apply_constraint, built_in, find, images

LIMITS = {"contrast": 1, "edge_mean": 100, "mean": 100, "saturation": 100, "std": 100}
"""The constraints with a threshold, and their factors."""


def gray(*levels: float) -> Tensor:
    """One gray image, a row of pixels."""
    return torch.tensor(levels).expand(1, 3, 1, -1)


def value_of(name: str, pixels: Tensor, **arguments: Any) -> Tensor:
    """What a limit measures, read off its distance to a far threshold [B]."""
    far = (10.0, 10.0, 10.0)
    return 10 - apply_constraint(name, pixels, above=far, loss="l1", **arguments) / LIMITS[name]


def all_channels(value: float) -> tuple[float, float, float]:
    return (value, value, value)


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_one_sided(name: str) -> None:
    pixels = images(1, 6, 7).requires_grad_()
    value = float(value_of(name, pixels.detach()))
    for side, sign in (("above", -1), ("below", 1)):
        free = apply_constraint(name, pixels, **{side: all_channels(value + sign * 0.2)})
        (gradient,) = torch.autograd.grad(free.sum(), pixels)
        assert not free.any()
        assert not gradient.any()
        for loss, power in (("l1", 1), ("mae", 1), ("l2", 2), ("mse", 2)):
            bound = apply_constraint(name, pixels.detach(), **{side: all_channels(value - sign * 1.5)}, loss=loss)
            if power == 1:
                assert float(bound) == pytest.approx(LIMITS[name] * 1.5, rel=1e-4)
            else:
                assert float(bound) >= LIMITS[name] * 1.5**2 * 0.999  # channels differ, squares add to more


@pytest.mark.parametrize("name", LIMITS)
def test_limits_add_up(name: str) -> None:
    pixels, above, below = images(2, 6, 7), all_channels(2.0), all_channels(-1.0)
    both = apply_constraint(name, pixels, above=above, below=below)
    alone = apply_constraint(name, pixels, above=above) + apply_constraint(name, pixels, below=below)
    assert torch.allclose(both, alone)
    assert not apply_constraint(name, pixels).any()


def test_channels_are_compared_separately() -> None:
    """Too much green does not make up for too little red."""
    pixels = torch.tensor([0.0, 1.0, 0.5]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert float(apply_constraint("mean", pixels, above=all_channels(0.5), loss="l1")) == pytest.approx(100 * 0.5 / 3)
    assert float(apply_constraint("mean", pixels, above=all_channels(0.5))) == pytest.approx(100 * 0.25 / 3)


def test_mean() -> None:
    assert float(value_of("mean", gray(0.1, 0.2, 0.6))) == pytest.approx(0.3, rel=1e-4)


def test_std_is_unbiased() -> None:
    assert float(value_of("std", gray(0.1, 0.3))) == pytest.approx(0.02**0.5, rel=1e-4)
    assert float(value_of("std", gray(0.4))) == pytest.approx(0, abs=1e-5)


def test_saturation() -> None:
    pixels = torch.tensor([[0.3, 0.6, 0.9], [0.5, 0.5, 0.5]]).T.view(1, 3, 1, 2)
    assert float(value_of("saturation", pixels)) == pytest.approx((0.15 + 0 + 0.15) / 3, rel=1e-4)


def test_contrast() -> None:
    assert float(value_of("contrast", gray(0.1, 0.2, 0.9, 0.8))) == pytest.approx(0.7, rel=1e-4)
    assert float(value_of("contrast", gray(0.0, 0.5, 1.0))) == pytest.approx(1.0, rel=1e-4)
    assert float(value_of("contrast", gray(0.3, 0.3, 0.3))) == pytest.approx(0, abs=1e-5)


def test_edge_mean() -> None:
    pixels = images(2, 6, 7)
    edges = apply(find("transform", "edge"), pixels, {"kernel_size": (5, 3), "sigma": (1, 2)})
    found = value_of("edge_mean", pixels, kernel_size=(5, 3), sigma=(1, 2))
    assert torch.allclose(found, edges.mean((1, 2, 3)), atol=1e-5)


def test_blur_measures_what_the_blur_changes() -> None:
    pixels = images(2, 6, 7)
    changed = pixels - apply(find("transform", "blur"), pixels, {"kernel_size": (3, 5)})
    found = apply_constraint("blur", pixels, kernel_size=(3, 5))
    assert torch.allclose(found, 100 * changed.square().mean((1, 2, 3)))
    assert torch.allclose(apply_constraint("blur", torch.full((1, 3, 6, 6), 0.3)), torch.tensor(0.0), atol=1e-9)


def test_border_counts_all_pixels() -> None:
    pixels = torch.ones(1, 3, 4, 4)
    assert float(apply_constraint("border", pixels)) == pytest.approx(100 * 12 / 16)
    assert float(apply_constraint("border", pixels, color=(1, 1, 1))) == 0
    assert float(apply_constraint("border", pixels, size=(0, 1), color=all_channels(0.5))) == pytest.approx(12.5)
    assert float(apply_constraint("border", pixels, size=(1, 0), color=(1, 1, 0.5), loss="l1")) == pytest.approx(
        100 * 0.5 * 0.5 / 3
    )


def test_normalize() -> None:
    assert float(apply_constraint("normalize", gray(0, 0.4, 1))) == 0
    assert float(apply_constraint("normalize", gray(0.25, 0.5, 0.75), loss="l1")) == pytest.approx(10 * 0.5 / 3)
    wanted = apply_constraint("normalize", gray(0.2, 0.3), min=all_channels(0.2), max=all_channels(0.3))
    assert float(wanted) == pytest.approx(0, abs=1e-9)
    assert float(apply_constraint("normalize", gray(0.4, 0.4), min=all_channels(0.1))) == pytest.approx(0.9, rel=1e-5)
    with pytest.raises(ValueError, match=r"min .*0\.5.* is above max"):
        apply_constraint("normalize", gray(0.5, 0.7), min=(0, 0.5, 0), max=(1, 0.4, 1))


def test_normalize_treats_channels_separately() -> None:
    pixels = torch.stack([torch.linspace(0, 1, 5), torch.linspace(0, 1, 5), torch.linspace(0.4, 0.6, 5)])
    lost = apply_constraint("normalize", pixels.view(1, 3, 1, 5), loss="l1")
    change = (pixels[0] - pixels[2]).abs().mean() / 3
    assert float(lost) == pytest.approx(float(10 * change), rel=1e-4)


def test_noise_costs_its_variance() -> None:
    """But moves nothing, as image and noisy image move alike."""
    pixels = images(2, 100, 100).requires_grad_()
    lost = apply_constraint("noise", pixels, std=(0.1, 0.2, 0.3))
    assert torch.allclose(lost, torch.tensor(100 * (0.01 + 0.04 + 0.09) / 3), rtol=0.05)
    assert lost[0] != lost[1]
    (gradient,) = torch.autograd.grad(lost.sum(), pixels)
    assert gradient.abs().max() < 1e-6


@pytest.mark.parametrize(
    "component", [c for c in built_in("constraint") if c.name != "noise"], ids=lambda component: component.name
)
@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_a_step_against_the_gradient_helps(component: Component, loss: str) -> None:
    arguments = CONSTRAINTS[component.name] | ({"loss": loss} if "loss" in component.params else {})
    pixels = images(2, 6, 7, torch.float64).requires_grad_()
    before = apply(component, pixels, arguments)
    (gradient,) = torch.autograd.grad(before.sum(), pixels)
    after = apply(component, pixels - 1e-4 * gradient / gradient.abs().max(), arguments)
    assert (after < before).all()


@given(
    st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12),
    st.sampled_from(sorted(CONSTRAINTS)),
    st.sampled_from(["l1", "l2"]),
)
@settings(deadline=None, max_examples=100)
def test_losses_are_finite_and_not_negative(levels: list[float], name: str, loss: str) -> None:
    pixels = torch.tensor(levels).view(1, 3, 2, 2).requires_grad_()
    arguments = CONSTRAINTS[name] | ({"kernel_size": (3, 3)} if "kernel_size" in CONSTRAINTS[name] else {})
    if "loss" in find("constraint", name).params:
        arguments = arguments | {"loss": loss}
    lost = apply_constraint(name, pixels, **arguments)
    (gradient,) = torch.autograd.grad(lost.sum(), pixels)
    assert (lost >= 0).all()
    assert lost.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("blur", "kernel_size", -1),
        ("blur", "loss", "cosine"),
        ("border", "size", -1),
        ("edge_mean", "sigma", -1),
        ("noise", "std", -0.1),
    ],
)
def test_senseless_parameters_are_refused(name: str, parameter: str, value: object) -> None:
    with pytest.raises(InputError):
        find("constraint", name).params[parameter].convert(Node.of(value, Place("test")))
