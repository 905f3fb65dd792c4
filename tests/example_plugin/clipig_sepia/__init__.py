"""A plugin for clipig: the names of its components, and the functions behind them."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_transforms() -> Mapping[str, str]:
    return {
        "random_fade": "clipig_sepia.fade:random_fade",
        "sepia": "clipig_sepia.sepia:sepia",
    }


@hookimpl
def clipig_constraints() -> Mapping[str, str]:
    return {"sepia": "clipig_sepia.constraint:keep_sepia"}


@hookimpl
def clipig_losses() -> Mapping[str, str]:
    return {"angle": "clipig_sepia.loss:angle"}


@hookimpl
def clipig_features() -> Mapping[str, str]:
    return {"double_exposure": "clipig_sepia.feature:double_exposure"}


@hookimpl
def clipig_optimizers() -> Mapping[str, str]:
    return {"lion": "clipig_sepia.optimizer:lion"}


@hookimpl
def clipig_canvases() -> Mapping[str, str]:
    return {"density": "clipig_sepia.canvas:density"}


@hookimpl
def clipig_models() -> Mapping[str, str]:
    return {"old_film": "clipig_sepia.model:old_film"}
