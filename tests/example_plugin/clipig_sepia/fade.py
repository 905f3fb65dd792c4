"""The transform `random_fade`."""

from __future__ import annotations

from typing import Annotated

import torch
from clipig_core import Param
from torch import Tensor

PAPER = (0.96, 0.92, 0.84)


def random_fade(
    images: Tensor,
    amount: Annotated[float, Param("The most that an image may fade; 1 leaves nothing but paper.", min=0, max=1)] = 0.5,
    *,
    rng: torch.Generator,
) -> Tensor:
    """Fade each image towards paper by an amount of its own, as light does with old prints."""
    faded = amount * torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device, dtype=images.dtype)
    return images + faded * (images.new_tensor(PAPER)[:, None, None] - images)
