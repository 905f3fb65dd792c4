"""Translations; what comes from outside is black."""

from __future__ import annotations

from typing import Annotated

import torch

from clipig_core import Floats2, Param
from clipig_core.kit import Views, lazy
from clipig_geometry.sampling import Resampled, uniform


@lazy
def random_translate(
    images: Views,
    offset: Annotated[Floats2, Param("Largest shift for x and y, as a fraction of the size.", min=0, max=1)],
    *,
    rng: torch.Generator,
) -> Views:
    """Move each image by a random offset, as far to the left as to the right, and up as down.

    Example: .2 .2
    """
    sizes = reversed(images.shape[-2:])
    x, y = (uniform(images, -most * size, most * size, rng) for most, size in zip(offset, sizes, strict=True))
    linear = torch.eye(2, device=images.device, dtype=images.dtype).expand(images.shape[0], 2, 2)
    matrix = torch.cat([linear, -torch.stack([x, y], 1)[:, :, None]], 2)
    return Resampled(images, matrix, ((1, 0), (0, 1)))
