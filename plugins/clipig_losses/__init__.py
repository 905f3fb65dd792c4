"""Losses between features."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_losses() -> Mapping[str, str]:
    return {"cosine": "clipig_losses.losses:cosine"}
