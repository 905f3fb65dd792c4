"""Random changes of colours."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Param


def jitter(
    images: Tensor,
    contrast: Annotated[
        float, Param("Largest change of the distances to middle gray, as a part of them.", min=0)
    ] = 0.2,
    channels: Annotated[float, Param("Largest change of red, of green and of blue.", min=0)] = 0.05,
    brightness: Annotated[float, Param("Largest change of all channels together.", min=0)] = 0.1,
    *,
    rng: torch.Generator,
) -> Tensor:
    """Change contrast and colours of each image at random, up or down: a model then relies on none of them.

    The result is `(image - .5) * (1 + contrast * u) + .5 + channels * v + brightness * w`, where u, v and w are uniform
    in -1 to 1, and v is drawn for each channel. It is not clamped.

    Example: {contrast: .3, brightness: .2}
    """
    by, each, all_channels = (_around_zero(images, count, rng) for count in (1, 3, 1))
    return (images - 0.5) * (1 + contrast * by) + (0.5 + channels * each + brightness * all_channels)


def _around_zero(images: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """[B, count, 1, 1], uniform in [-1, 1)."""
    drawn = torch.rand(len(images), count, 1, 1, generator=rng, device=images.device, dtype=images.dtype)
    return 2 * drawn - 1
