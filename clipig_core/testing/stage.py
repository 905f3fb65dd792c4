"""A plugin with the least that a run needs, for checks of what watches runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core.extension.hooks import hookimpl
from clipig_core.extension.kinds import Entry


@hookimpl
def clipig_canvases() -> Mapping[str, Entry]:
    """The plainest one."""
    return {"pixels": Entry("clipig_core.testing.stage:pixels", default=True)}


@hookimpl
def clipig_constraints() -> Mapping[str, str]:
    """One that moves pixels."""
    return {"calm": "clipig_core.testing.stage:calm"}


@hookimpl
def clipig_losses() -> Mapping[str, Entry]:
    """A default, which a config must have."""
    return {"none": Entry("clipig_core.testing.stage:calm", default=True)}


@hookimpl
def clipig_models() -> Mapping[str, Entry]:
    """A default, which a config must have, and nobody uses."""
    return {"blind": Entry("clipig_core.testing.stage:calm", default=True)}


@hookimpl
def clipig_optimizers() -> Mapping[str, Entry]:
    """The plainest one."""
    return {"descent": Entry("clipig_core.testing.stage:descent", default=True)}


def calm(images: Tensor) -> Tensor:
    """[B]: the variance of each image."""
    return images.var(dim=(1, 2, 3))


def descent(parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
    """Steps along the gradient."""
    return torch.optim.SGD(parameters, lr=1.0)


def pixels(width: int, height: int, device: torch.device) -> Pixels:
    """The picture itself."""
    return Pixels(torch.zeros(1, 3, height, width, device=device, requires_grad=True))


class Pixels:
    """A canvas whose one parameter is its picture."""

    def __init__(self, picture: Tensor) -> None:
        self.picture = picture

    def parameters(self) -> list[Tensor]:
        return [self.picture]

    def image(self) -> Tensor:
        return self.picture

    def write(self, image: Tensor) -> None:
        self.picture.copy_(image)

    def resize(self, width: int, height: int, interpolation: str) -> None:
        del interpolation
        self.picture.data = F.interpolate(self.picture, size=(height, width))
