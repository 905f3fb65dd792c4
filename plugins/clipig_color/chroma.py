"""The mean square of what is not gray."""

from __future__ import annotations

from torch import Tensor


def limit_chroma(images: Tensor) -> Tensor:
    """Pull colours towards gray, strong ones most: `8 * mean((image - gray)^2)`, gray being the mean of the channels.

    Example: {weight: .5}
    """
    return 8 * (images - images.mean(1, keepdim=True)).square().mean((1, 2, 3))
