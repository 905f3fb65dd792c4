"""The constraint `sepia`."""

from __future__ import annotations

from clipig_core.kit import Loss, difference
from torch import Tensor

from clipig_sepia.sepia import sepia


def keep_sepia(images: Tensor, loss: Loss = "l2") -> Tensor:
    """Pull the image towards a brown version of itself."""
    return 100 * difference(images, sepia(images), loss)
