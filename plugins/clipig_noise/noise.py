"""Noise that is added to images."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Floats3, Param

Std = Annotated[Floats3, Param("Standard deviation for red, green and blue; one number for all.", min=0)]


def noise(images: Tensor, std: Std, *, rng: torch.Generator) -> Tensor:
    """Add normally distributed noise, of its own for each channel of each pixel."""
    drawn = torch.randn(images.shape, generator=rng, device=images.device, dtype=images.dtype)
    return images + drawn * images.new_tensor(std)[:, None, None]
