"""Plain pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clipig_core.kit import resample


def rgb(width: int, height: int, device: torch.device) -> Rgb:
    """Plain pixels, each trained by itself. The default."""
    return Rgb(width, height, device)


class Rgb:
    """One plane of pixels."""

    def __init__(self, width: int, height: int, device: torch.device) -> None:
        self._pixels = torch.nn.Parameter(torch.zeros(1, 3, height, width, device=device))

    def parameters(self) -> Sequence[Tensor]:
        return [self._pixels]

    def image(self) -> Tensor:
        return self._pixels

    def write(self, image: Tensor) -> None:
        self._pixels.data = image.detach().clone()

    def resize(self, width: int, height: int, interpolation: str) -> None:
        self._pixels.data = resample(self._pixels.data, width, height, interpolation)
