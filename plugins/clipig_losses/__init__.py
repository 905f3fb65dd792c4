"""Losses between features."""

from collections.abc import Mapping

from clipig_core import Entry, hookimpl


@hookimpl
def clipig_losses() -> Mapping[str, str | Entry]:
    return {
        "cosine": Entry("clipig_losses.losses:cosine", default=True),
        "l1": Entry("clipig_losses.losses:l1", aliases=("mae",)),
        "l2": Entry("clipig_losses.losses:l2", aliases=("mse",)),
        "spherical": "clipig_losses.losses:spherical",
    }
