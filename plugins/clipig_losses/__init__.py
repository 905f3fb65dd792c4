"""Losses between features."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_losses() -> Mapping[str, str]:
    return {
        "cosine": "clipig_losses.losses:cosine",
        "l1": "clipig_losses.losses:l1",
        "l2": "clipig_losses.losses:l2",
        "mae": "clipig_losses.losses:l1",
        "mse": "clipig_losses.losses:l2",
        "spherical": "clipig_losses.losses:spherical",
    }
