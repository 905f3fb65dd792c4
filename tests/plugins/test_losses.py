"""Losses between features of unit length."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.plugins.components import built_in, find, generator


def loss(name: str, features: Tensor, target: Tensor) -> Tensor:
    result: Tensor = find("loss", name).function(features, target)
    return result


def unit(*shape: int) -> Tensor:
    return F.normalize(torch.randn(*shape, generator=generator(2), dtype=torch.float64), dim=-1)


def test_values() -> None:
    features, target = torch.tensor([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]]), torch.tensor([1.0, 0.0])
    assert torch.allclose(loss("cosine", features, target), torch.tensor([0, 0.4, 2]))
    assert torch.allclose(loss("l1", features, target), 100 * torch.tensor([0, 0.6, 1]))
    assert torch.allclose(loss("l2", features, target), 100 * torch.tensor([0, 0.4, 2]))


def test_spherical_is_half_the_square_of_the_angle() -> None:
    angles = torch.tensor([0, 0.1, 1, 2, 3, torch.pi], dtype=torch.float64)
    features = torch.stack([angles.cos(), angles.sin()], 1).requires_grad_()
    target = torch.tensor([3.0, 0.0], dtype=torch.float64)  # a mixture of features has another length
    found = loss("spherical", features, target)
    torch.testing.assert_close(found.detach(), angles**2 / 2)
    crowson = 2 * torch.asin((features.detach() - target / 3).norm(dim=1) / 2) ** 2
    torch.testing.assert_close(found.detach(), crowson)
    (gradient,) = torch.autograd.grad(found.sum(), features)
    assert gradient.isfinite().all()
    assert gradient[0].norm() == 0


@pytest.mark.parametrize("name", [component.name for component in built_in("loss")])
def test_gradients_are_finite_everywhere(name: str) -> None:
    target = unit(8).float()
    features = torch.stack([target, -target, torch.zeros(8)]).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(name, features, target).sum(), features)
    assert gradient.isfinite().all()


def test_aliases() -> None:
    features, target = unit(3, 8), unit(8)
    assert torch.equal(loss("mae", features, target), loss("l1", features, target))
    assert torch.equal(loss("mse", features, target), loss("l2", features, target))


@pytest.mark.parametrize("name", [component.name for component in built_in("loss")])
def test_one_target_for_all_or_one_for_each(name: str) -> None:
    features, targets = unit(3, 8), unit(4, 8)[1:]
    together = loss(name, features, targets)
    assert together.shape == (3,)
    for index in range(3):
        assert torch.allclose(loss(name, features, targets[index])[index], together[index])


@pytest.mark.parametrize("name", [component.name for component in built_in("loss")])
def test_gradients(name: str) -> None:
    target = unit(8)
    features = unit(5, 8)[1:].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(name, x, target), [features])
