"""Optimizers, each with the step size that `learnrate: 1.0` means."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_optimizers() -> Mapping[str, str]:
    return {
        "adadelta": "clipig_optimizers.optimizers:adadelta",
        "adagrad": "clipig_optimizers.optimizers:adagrad",
        "adam": "clipig_optimizers.optimizers:adam",
        "adamw": "clipig_optimizers.optimizers:adamw",
        "nadam": "clipig_optimizers.optimizers:nadam",
        "radam": "clipig_optimizers.optimizers:radam",
        "rmsprob": "clipig_optimizers.optimizers:rmsprop",
        "rmsprop": "clipig_optimizers.optimizers:rmsprop",
        "sgd": "clipig_optimizers.optimizers:sgd",
        "sparse_adam": "clipig_optimizers.optimizers:sparse_adam",
    }
