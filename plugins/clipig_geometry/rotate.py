"""Rotations; the resolution stays, and what comes from outside is black."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Floats2, Param
from clipig_geometry.sampling import affine, uniform


def rotate(
    images: Tensor,
    degree: Annotated[float, Param("Angle in degrees, counter-clockwise.")],
    center: Annotated[Floats2, Param("Centre of rotation, x and y, in [0, 1] from the top left.")] = (0.5, 0.5),
) -> Tensor:
    """Rotate around a centre."""
    # In double precision, as every rounding of the matrix grows with the distance from the centre.
    angle, x, y = torch.tensor([degree, *center], dtype=torch.float64).split(1)
    return _rotate(images, angle, x, y)


def random_rotate(
    images: Tensor,
    degree: Annotated[Floats2, Param("Minimum and maximum angle in degrees, counter-clockwise.")],
    center: Annotated[Floats2, Param("Minimum and maximum centre of rotation, for x and y, in [0, 1].")] = (0.5, 0.5),
    *,
    rng: torch.Generator,
) -> Tensor:
    """Rotate each image by a random angle around a random centre."""
    angle = uniform(images, *degree, rng)
    return _rotate(images, angle, uniform(images, *center, rng), uniform(images, *center, rng))


def _rotate(images: Tensor, degree: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Rotate by angles [B] around centres [B], which are fractions of the size; or by one angle [1]."""
    height, width = images.shape[-2:]
    center = torch.stack([(x - 0.5) * width, (y - 0.5) * height], 1)[:, :, None]
    cos, sin = torch.cos(torch.deg2rad(degree)), torch.sin(torch.deg2rad(degree))
    linear = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
    return affine(images, torch.cat([linear, center - linear @ center], 2).to(images))
