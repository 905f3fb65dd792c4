"""Changes of resolution."""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor

from clipig_core import Ints2, Param, Resized


def resize(
    images: Tensor,
    size: Annotated[Ints2, Param("Width and height in pixels; one number for a square.", min=1, max=16384)],
) -> Annotated[Tensor, Resized]:
    """Change the resolution, bilinearly."""
    return F.interpolate(images, size=(size[1], size[0]), mode="bilinear", antialias=True)
