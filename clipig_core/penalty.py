"""Building blocks of constraints: how far images, or numbers for each channel, are from what is wanted."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core.engine.device import numbers
from clipig_core.language.params import Floats3, Param

Loss = Annotated[
    Literal["l1", "mae", "l2", "mse"],
    Param("l1 (mae) takes the mean absolute difference, l2 (mse) the mean squared one."),
]
Above = Annotated[Floats3 | None, Param("No loss while the value of each channel is at least this.")]
Below = Annotated[Floats3 | None, Param("No loss while the value of each channel is at most this.")]


def difference(current: Tensor, wanted: Tensor, loss: str) -> Tensor:
    """[B, ...] and [B, ...] -> [B]: mean absolute (`l1`, `mae`) or mean squared (`l2`, `mse`) difference."""
    each = F.l1_loss if loss in ("l1", "mae") else F.mse_loss
    return each(current, wanted.expand_as(current), reduction="none").flatten(1).mean(1)


def beyond(value: Tensor, above: Floats3 | None, below: Floats3 | None, loss: str) -> Tensor:
    """Channel values [B, 3] -> [B]: how far they are below `above` and above `below`; zero on the wanted side."""
    total = value.new_zeros(len(value))
    if above is not None:
        total = total + difference(torch.minimum(value, numbers(above, value)), numbers(above, value), loss)
    if below is not None:
        total = total + difference(torch.maximum(value, numbers(below, value)), numbers(below, value), loss)
    return total
