"""Optimizers, each with the step size that `learnrate: 1.0` means."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_optimizers() -> Mapping[str, str]:
    return {"adam": "clipig_optimizers.optimizers:adam"}
