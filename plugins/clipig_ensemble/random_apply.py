"""The transform `random_apply`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Nested, Param

Transform = Annotated[Callable[..., Tensor], Nested("transform")]


def random_apply(
    images: Tensor,
    transform: Annotated[Transform, Param("What is done to some of the views: a transform that keeps their size.")],
    probability: Annotated[float, Param("How likely it is done to a view.", min=0, max=1)] = 0.5,
    *,
    rng: torch.Generator,
) -> Tensor:
    """Use a transform on some of the views, drawn anew for each, and leave the others as they are.

    Example: {transform: {saturation: 0}, probability: .3}

    Raises:
        ValueError: the transform changes the size of the views.
    """
    changed = transform(images, rng=rng)
    if changed.shape != images.shape:
        raise ValueError("the transform changes the size of the views, so that some cannot be left as they are")
    chosen = torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device) < probability
    return torch.where(chosen, changed, images)
