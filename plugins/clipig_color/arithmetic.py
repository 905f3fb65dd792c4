"""The same arithmetic on all pixels."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from clipig_core import Floats3, Param


def mul(
    images: Tensor, color: Annotated[Floats3, Param("Factor for red, green and blue; one number for all.")]
) -> Tensor:
    """Multiply all pixels by a fixed value."""
    return images * images.new_tensor(color)[:, None, None]
