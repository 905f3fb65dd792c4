"""Optimizers, each with the step size that `learnrate: 1.0` means."""

from collections.abc import Mapping

from clipig_core import Entry, hookimpl


@hookimpl
def clipig_optimizers() -> Mapping[str, str | Entry]:
    return {
        "adadelta": "clipig_optimizers.optimizers:adadelta",
        "adagrad": "clipig_optimizers.optimizers:adagrad",
        "adam": Entry("clipig_optimizers.optimizers:adam", default=True),
        "adamw": "clipig_optimizers.optimizers:adamw",
        "nadam": "clipig_optimizers.optimizers:nadam",
        "radam": "clipig_optimizers.optimizers:radam",
        "rmsprop": Entry("clipig_optimizers.optimizers:rmsprop", aliases=("rmsprob",)),
        "sgd": "clipig_optimizers.optimizers:sgd",
        "sparse_adam": "clipig_optimizers.optimizers:sparse_adam",
    }
