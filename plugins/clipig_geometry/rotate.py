"""Rotations; the resolution stays, and what comes from outside is black."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Floats2, Param
from clipig_core.kit import Views, lazy
from clipig_geometry.sampling import Resampled, uniform


@lazy
def rotate(
    images: Views,
    degree: Annotated[float, Param("Angle in degrees, counter-clockwise.")],
    center: Annotated[Floats2, Param("Centre of rotation, x and y, in [0, 1] from the top left.")] = (0.5, 0.5),
) -> Views:
    """Rotate around a centre.

    Example: {degree: 360 * t}
    """
    # In double precision, as every rounding of the matrix grows with the distance from the centre.
    angle, x, y = torch.tensor([degree, *center], dtype=torch.float64).split(1)
    return _rotate(images, angle, x, y, (degree, degree))


@lazy
def random_rotate(
    images: Views,
    degree: Annotated[Floats2, Param("Minimum and maximum angle in degrees, counter-clockwise.")],
    center: Annotated[Floats2, Param("Minimum and maximum centre of rotation, for x and y, in [0, 1].")] = (0.5, 0.5),
    *,
    rng: torch.Generator,
) -> Views:
    """Rotate each image by a random angle around a random centre.

    Example: {degree: -30 30, center: .3 .7}
    """
    angle = uniform(images, *degree, rng)
    return _rotate(images, angle, uniform(images, *center, rng), uniform(images, *center, rng), degree)


def _rotate(images: Views, degree: Tensor, x: Tensor, y: Tensor, limits: Floats2) -> Views:
    """Rotate by angles [B] within limits, around centres [B], fractions of the size; or by one angle [1]."""
    height, width = images.shape[-2:]
    center = torch.stack([(x - 0.5) * width, (y - 0.5) * height], 1)[:, :, None]
    cos, sin = torch.cos(torch.deg2rad(degree)), torch.sin(torch.deg2rad(degree))
    linear = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
    matrix = torch.cat([linear, center - linear @ center], 2).to(images.device, images.dtype, non_blocking=True)
    low, high = sorted(map(math.radians, limits))
    cosine, sine = _largest(low, high), _largest(low - math.pi / 2, high - math.pi / 2)
    return Resampled(images, matrix, ((cosine, sine), (sine, cosine)))


def _largest(low: float, high: float) -> float:
    """The largest absolute value of the cosine between two angles."""
    if math.ceil(low / math.pi) * math.pi <= high:  # it is 1 at every multiple of pi
        return 1.0
    return max(abs(math.cos(low)), abs(math.cos(high)))
