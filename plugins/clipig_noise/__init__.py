"""Random pixels."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_transforms() -> Mapping[str, str]:
    return {"noise": "clipig_noise.noise:noise"}
