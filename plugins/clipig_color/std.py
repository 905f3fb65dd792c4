"""The spread of values."""

from __future__ import annotations

from torch import Tensor

from clipig_core.kit import Above, Below, Loss, beyond


def limit_std(images: Tensor, above: Above = None, below: Below = None, loss: Loss = "l2") -> Tensor:
    """Push the standard deviation of each channel, by the unbiased estimator, above or below a threshold.

    A single pixel has the deviation 0.

    Example: {above: .4}
    """
    pixels = images.flatten(2)
    return 100 * beyond(pixels.std(2, correction=min(1, pixels.shape[2] - 1)), above, below, loss)
