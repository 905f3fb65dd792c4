"""Scaling of the contents; the resolution stays."""

from __future__ import annotations

from typing import Annotated

import torch

from clipig_core import Floats2, Param
from clipig_core.kit import Views, lazy
from clipig_geometry.sampling import Resampled, uniform


@lazy
def random_scale(
    images: Views,
    scale: Annotated[Floats2, Param("Minimum and maximum scale; 2.0 makes things twice as large.", above=0)],
    *,
    rng: torch.Generator,
) -> Views:
    """Scale the contents of each image around its centre by a random factor; what comes from outside is black.

    Example: .6 1.4
    """
    inverse = 1 / uniform(images, *scale, rng)
    matrix = torch.eye(2, 3, device=images.device, dtype=images.dtype) * inverse[:, None, None]
    most = 1 / min(scale)
    return Resampled(images, matrix, ((most, 0), (0, most)))
