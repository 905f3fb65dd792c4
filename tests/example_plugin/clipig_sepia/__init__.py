"""A plugin for clipig: the names of its components, and the functions behind them."""

from collections.abc import Mapping

from clipig_core import hookimpl
from clipig_core.extension.kinds import Entry


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


@hookimpl
def clipig_outputs() -> Mapping[str, str]:
    return {"proof": "clipig_sepia.output:proof"}


@hookimpl
def clipig_looks() -> Mapping[str, str]:
    return {"old_portrait": "clipig_sepia:old_portrait.yaml"}


@hookimpl
def clipig_commands() -> Mapping[str, str | Entry]:
    return {"toned": Entry("clipig_sepia.command:toned", summary="What a colour becomes in sepia.")}


@hookimpl
def clipig_functions() -> Mapping[str, str]:
    return {"film": "clipig_sepia.function:film"}


@hookimpl
def clipig_launchers() -> Mapping[str, str]:
    return {"darkroom": "clipig_sepia.launcher:darkroom"}


@hookimpl
def clipig_kinds() -> Mapping[str, str]:
    return {"paper": "clipig_sepia.kind:PAPER"}


@hookimpl
def clipig_papers() -> Mapping[str, str | Entry]:
    return {"baryta": Entry("clipig_sepia.paper:baryta", aliases=("fibre",), default=True)}
