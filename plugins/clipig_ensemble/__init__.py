"""Components made of others: several models as one, a transform for some of the views."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_models() -> Mapping[str, str]:
    return {"ensemble": "clipig_ensemble.ensemble:ensemble"}


@hookimpl
def clipig_transforms() -> Mapping[str, str]:
    return {"random_apply": "clipig_ensemble.random_apply:random_apply"}
