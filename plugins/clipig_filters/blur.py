"""Gaussian blur, as a transform and as a constraint."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from clipig_core import Floats2, Ints2, Param
from clipig_core.kit import Banded, Loss, banded, difference, product
from clipig_filters.window import windowed

KernelSize = Annotated[
    Ints2,
    Param(
        "Width and height in pixels of the window; even numbers are raised to the next odd one.",
        min=0,
        max=32767,
        length=True,
    ),
]
Sigma = Annotated[
    Floats2 | None,
    Param(
        "Standard deviation in pixels, for x and y; 0.3 * ((kernel_size - 1) * 0.5 - 1) + 0.8 if not given.",
        min=0,
        length=True,
    ),
]


def blur(images: Tensor, kernel_size: KernelSize = (3, 3), sigma: Sigma = None) -> Tensor:
    """Blur with a Gaussian window; the edges are mirrored.

    Raises ValueError if half the window is not smaller than the image.

    Example: {kernel_size: 15, sigma: 4}
    """
    height, width = images.shape[-2:]
    odd = [size // 2 * 2 + 1 for size in kernel_size]
    if odd[0] // 2 >= width or odd[1] // 2 >= height:
        raise ValueError(f"a window of {odd[0]}x{odd[1]} is too large for an image of {width}x{height}")
    deviations = [0.3 * ((size - 1) * 0.5 - 1) + 0.8 for size in odd] if sigma is None else list(sigma)
    deviations = [max(deviation, 0.0001) for deviation in deviations]
    if banded(images):
        sides = zip((height, width), odd[::-1], deviations[::-1], strict=True)
        return product(images, *(_matrix(*side, images.dtype) for side in sides))
    blurred: Tensor = gaussian_blur(images, odd, deviations)
    return blurred


@lru_cache(maxsize=64)
def _matrix(size: int, window: int, deviation: float, dtype: torch.dtype) -> Banded:
    """[size, size]: the weights with which pixels of a row, mirrored at its ends, make up each pixel of the result."""
    reach = torch.arange(window, dtype=dtype) - window // 2
    return windowed(size, torch.softmax(-0.5 * (reach / deviation).square(), 0))


def keep_blurred(images: Tensor, kernel_size: KernelSize = (3, 3), sigma: Sigma = None, loss: Loss = "l2") -> Tensor:
    """Pull the image towards a blurred version of itself, where the features do not pull it away.

    Example: {kernel_size: 15, weight: .5}
    """
    return 100 * difference(images, blur(images, kernel_size, sigma), loss)
