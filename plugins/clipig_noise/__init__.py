"""Random pixels."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_transforms() -> Mapping[str, str]:
    return {
        "bwnoise": "clipig_noise.noise:bwnoise",
        "fnoise": "clipig_noise.noise:fnoise",
        "noise": "clipig_noise.noise:noise",
        "random_noise": "clipig_noise.noise:random_noise",
        "rnoise": "clipig_noise.noise:rnoise",
    }


@hookimpl
def clipig_constraints() -> Mapping[str, str]:
    return {"noise": "clipig_noise.noise:keep_noisy"}
