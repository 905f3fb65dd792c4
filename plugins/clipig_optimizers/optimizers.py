"""The optimizers of torch, with step sizes that make them comparable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Floats2, Param


def adam(
    parameters: Iterable[Tensor],
    betas: Annotated[Floats2, Param("Decay of the running means of gradient and square.", min=0, max=0.999999)] = (
        0.9,
        0.999,
    ),
    eps: Annotated[float, Param("Added to the denominator.", above=0)] = 1e-8,
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015), the default."""
    return torch.optim.Adam(parameters, lr=0.01, betas=betas, eps=eps)
