"""Normally distributed noise around zero that is added to images."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Floats2, Floats3, Ints2, Param
from clipig_core.kit import Loss, difference, numbers, resample

Std = Annotated[Floats3, Param("Standard deviation for red, green and blue; one number for all.", min=0)]


def noise(images: Tensor, std: Std, *, rng: torch.Generator) -> Tensor:
    """Add noise, of its own for each channel of each pixel.

    Example: .2 * ti
    """
    return torch.addcmul(images, _normal(images, images.shape, rng), numbers(std, images)[:, None, None])


def random_noise(
    images: Tensor,
    std: Annotated[Floats2, Param("Smallest and largest standard deviation.", min=0)] = (0, 0.15),
    *,
    rng: torch.Generator,
) -> Tensor:
    """Add noise, of its own for each channel of each pixel, whose standard deviation is drawn for each image.

    Example: 0 .15
    """
    drawn = torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device, dtype=images.dtype)
    return torch.addcmul(images, _normal(images, images.shape, rng), std[0] + (std[1] - std[0]) * drawn)


def bwnoise(
    images: Tensor, std: Annotated[float, Param("Standard deviation.", min=0)], *, rng: torch.Generator
) -> Tensor:
    """Add gray noise: the same to all channels of a pixel.

    Example: .2
    """
    batch, _, height, width = images.shape
    return images + _normal(images, (batch, 1, height, width), rng) * std


def rnoise(
    images: Tensor,
    std: Std,
    resolution: Annotated[Ints2, Param("Width and height of the noise; one number for a square.", min=1, max=16384)],
    *,
    rng: torch.Generator,
) -> Tensor:
    """Add noise of another resolution, resized to that of the images.

    Example: {std: .2, resolution: 16}
    """
    height, width = images.shape[-2:]
    coarse = _normal(images, (len(images), 3, resolution[1], resolution[0]), rng)
    return images + resample(coarse, width, height, "linear") * numbers(std, images)[:, None, None]


def fnoise(images: Tensor, std: Std, *, rng: torch.Generator) -> Tensor:
    """Add noise of `15 * std` to the real and imaginary parts of the Fourier transform of each channel, as one row.

    Example: .1
    """
    batch, _, height, width = images.shape
    waves = torch.view_as_complex(_normal(images, (batch, 3, height * width // 2 + 1, 2), rng))
    # The transform is linear, so that of the images need not be computed.
    noise = torch.fft.irfft(waves, n=height * width).unflatten(2, (height, width))
    return torch.addcmul(images, noise, 15 * numbers(std, images)[:, None, None])


def keep_noisy(images: Tensor, std: Std, loss: Loss = "l2", *, rng: torch.Generator) -> Tensor:
    """The difference to a noisy version of the image.

    Both move alike with the image, so this adds to the loss without moving a pixel.

    Example: {std: .1, weight: .2}
    """
    return 100 * difference(images, noise(images, std, rng=rng), loss)


def _normal(images: Tensor, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Standard normal numbers for `images`."""
    return torch.randn(shape, generator=rng, device=images.device, dtype=images.dtype)
