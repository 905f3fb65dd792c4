"""Edges: what a Gaussian blur takes away."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from clipig_core import Floats3, Param
from clipig_core.kit import Above, Below, Loss, beyond, numbers
from clipig_filters.blur import KernelSize, Sigma, blur


def edge(
    images: Tensor,
    kernel_size: KernelSize = (3, 3),
    sigma: Sigma = None,
    amount: Annotated[Floats3, Param("Factor for red, green and blue; one number for all.")] = (1, 1, 1),
) -> Tensor:
    """Leave nothing but edges: `amount * |image - blur(image)|`.

    Raises ValueError if half the window of the blur is not smaller than the image.

    Example: {kernel_size: 5, amount: 4}
    """
    return numbers(amount, images)[:, None, None] * (images - blur(images, kernel_size, sigma)).abs()


def limit_edge_mean(
    images: Tensor,
    above: Above = None,
    below: Below = None,
    kernel_size: KernelSize = (3, 3),
    sigma: Sigma = None,
    loss: Loss = "l2",
) -> Tensor:
    """Push the mean of each channel's edges above or below a threshold.

    Example: {above: .15, kernel_size: 15}
    """
    return 100 * beyond(edge(images, kernel_size, sigma).mean((2, 3)), above, below, loss)
