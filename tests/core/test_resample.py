"""Products with banded matrices are what torch computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clipig_core.imaging.resample import Banded, product, resample

sizes = st.integers(2, 150)  # for images that are one pixel wide, torch repeats the first row


def random_images(height: int, width: int) -> Tensor:
    rng = torch.Generator().manual_seed(height * 1000 + width)
    return torch.rand(2, 3, height, width, generator=rng, dtype=torch.float64).requires_grad_()


def interpolated(images: Tensor, width: int, height: int, mode: str) -> Tensor:
    smooth: dict[str, Any] = {} if mode == "nearest" else {"antialias": True}
    return F.interpolate(images, size=(height, width), mode=mode, **smooth)


@settings(deadline=None, max_examples=40)
@given(sizes, sizes, sizes, sizes, st.sampled_from([("cubic", "bicubic"), ("linear", "bilinear"), ("nearest",) * 2]))
def test_resizing_is_that_of_torch(
    height: int, width: int, to_height: int, to_width: int, names: tuple[str, str]
) -> None:
    images = random_images(height, width)
    found, wanted = resample(images, to_width, to_height, names[0]), interpolated(images, to_width, to_height, names[1])
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12)
    weights = torch.rand_like(wanted)
    gradient, wanted_gradient = (torch.autograd.grad((r * weights).sum(), images)[0] for r in (found, wanted))
    assert torch.allclose(gradient, wanted_gradient, rtol=0, atol=1e-11)


@pytest.mark.parametrize("interpolation", ["cubic", "linear"])
def test_an_image_of_one_row_or_column_is_resized_along_the_other(interpolation: str) -> None:
    column = random_images(9, 1).detach()
    wide = resample(column.expand(-1, -1, -1, 2), 2, 4, interpolation)
    torch.testing.assert_close(resample(column, 1, 4, interpolation), wide[..., :1])
    torch.testing.assert_close(resample(column.mT, 4, 1, interpolation), wide[..., :1].mT)
    assert (resample(column[:, :, :1], 5, 7, interpolation) == column[:, :, :1]).all()


def test_what_is_too_large_for_matrices_is_resized_as_well() -> None:
    images = torch.rand(1, 3, 2, 4099)
    assert torch.equal(resample(images, 7, 5), interpolated(images, 7, 5, "bicubic"))


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 200])
def test_any_matrix_will_do(rows: int) -> None:
    """Even one that is not banded, or has rows of zeros."""
    rng = torch.Generator().manual_seed(rows)
    down, across = torch.randn(rows, 70, generator=rng).double(), torch.randn(5, 80, generator=rng).double()
    down[rows // 2] = 0
    images = torch.rand(2, 3, 70, 80, dtype=torch.float64, requires_grad=True)
    assert torch.allclose(product(images, Banded(down), Banded(across)), down @ images @ across.T)
    if rows < 100:
        small = images.detach()[:1, :1, :, :].clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda x: product(x, Banded(down), Banded(across)), [small])
