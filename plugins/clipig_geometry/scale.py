"""Scaling of the contents; the resolution stays."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Floats2, Param
from clipig_geometry.sampling import affine, uniform


def random_scale(
    images: Tensor,
    scale: Annotated[Floats2, Param("Minimum and maximum scale; 2.0 makes things twice as large.", above=0)],
    *,
    rng: torch.Generator,
) -> Tensor:
    """Scale the contents of each image around its centre by a random factor; what comes from outside is black."""
    inverse = 1 / uniform(images, *scale, rng)
    matrix = torch.eye(2, 3, device=images.device, dtype=images.dtype) * inverse[:, None, None]
    return affine(images, matrix)
