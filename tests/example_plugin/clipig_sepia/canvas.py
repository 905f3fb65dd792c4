"""The canvas `density`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from clipig_core import Param
from clipig_core.kit import resample
from torch import Tensor


def density(
    width: int,
    height: int,
    device: torch.device,
    black: Annotated[float, Param("Density of black: 2 lets 1 / 100 of the light through.", above=0, max=6)] = 2.0,
) -> Density:
    """Pixels by their optical density, as in a negative: each step changes light by a factor, dark or bright."""
    return Density(torch.zeros(1, 3, height, width, device=device), black)


class Density:
    """The negative decadic logarithm of light, [1, 3, H, W]: 0 is white."""

    def __init__(self, densities: Tensor, black: float) -> None:
        self._densities, self._black = torch.nn.Parameter(densities), black

    def parameters(self) -> Sequence[Tensor]:
        return [self._densities]

    def image(self) -> Tensor:
        return 10**-self._densities

    def write(self, image: Tensor) -> None:
        self._densities.data = -image.clamp(min=10**-self._black).log10()

    def resize(self, width: int, height: int, interpolation: str) -> None:
        self._densities.data = resample(self._densities.data, width, height, interpolation)
