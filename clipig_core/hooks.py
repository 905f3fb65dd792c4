"""The hooks that a plugin implements.

Each returns a mapping from the names that users write to the functions behind them, as `"module:function"`, so that
listing plugins imports nothing heavy. The contracts of the functions stand in the docstrings; their parameters are
declared in their signatures (see `clipig_core.params`).
"""

from __future__ import annotations

from collections.abc import Mapping

import pluggy

hookspec = pluggy.HookspecMarker("clipig")
hookimpl = pluggy.HookimplMarker("clipig")


@hookspec
def clipig_transforms() -> Mapping[str, str]:
    """`transform(images[B, 3, H, W], **params, rng) -> [B, 3, h, w]`: what CLIP is shown of the picture.

    Randomness is drawn per image from `rng: torch.Generator`, which only random transforms take. One that changes the
    resolution returns `Annotated[Tensor, Resized]`.
    """
    return {}


@hookspec
def clipig_constraints() -> Mapping[str, str]:
    """`constraint(images[B, 3, H, W], **params, rng) -> [B]`: a loss that needs no CLIP; `rng` only if it is random."""
    return {}


@hookspec
def clipig_losses() -> Mapping[str, str]:
    """`loss(features[B, D], target[D]) -> [B]`: how far unit-length features are from the wanted one."""
    return {}


@hookspec
def clipig_features() -> Mapping[str, str]:
    """`feature_source(value, encoder) -> [D]`: turns what the user wrote into a feature; `value` is declared."""
    return {}


@hookspec
def clipig_optimizers() -> Mapping[str, str]:
    """`optimizer(parameters, **params) -> torch.optim.Optimizer`, with the step size that `learnrate: 1.0` means."""
    return {}


@hookspec
def clipig_canvases() -> Mapping[str, str]:
    """`canvas(width, height, device, **params) -> clipig_core.engine.canvas.Canvas`: what is trained, and its picture."""
    return {}


@hookspec
def clipig_models() -> Mapping[str, str]:
    """`model(name, device, dtype, **params) -> clipig_core.engine.encoder.Encoder`.

    A name that starts with a dot (`.pt`) stands for files with that ending; the function then gets the path as name.
    """
    return {}


KINDS = {
    "transform": "clipig_transforms",
    "constraint": "clipig_constraints",
    "loss": "clipig_losses",
    "feature": "clipig_features",
    "optimizer": "clipig_optimizers",
    "canvas": "clipig_canvases",
    "model": "clipig_models",
}
"""The kinds of components and the hook that provides each."""
