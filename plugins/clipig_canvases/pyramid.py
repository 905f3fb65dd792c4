"""A picture as a sum of planes, from one pixel to the full resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from clipig_canvases.colors import Colors, Decorrelated, Independent
from clipig_core import Param
from clipig_core.kit import resample

Planes = Annotated[int, Param("Number of planes, in geometric steps from one pixel to all.", min=1, max=64)]


def pyramid(
    width: int,
    height: int,
    device: torch.device,
    planes: Planes = 13,
) -> Pyramid:
    """Planes from one pixel to the full resolution, all trained at once; the picture is the sigmoid of their sum.

    Coarse planes move large areas with one step, so colours and shapes come before texture. After Fort and Whitaker
    2025, "Direct Ascent Synthesis".

    Example: {planes: 8}
    """
    return Pyramid(_sizes(width, height, planes), device, Independent())


def natural(
    width: int,
    height: int,
    device: torch.device,
    planes: Planes = 9,
    gain: Annotated[float, Param("Factor before the sigmoid: how far a step moves the picture.", above=0)] = 1.5,
) -> Natural:
    """A pyramid in decorrelated colours: brightness moves 4 to 7 times as far as colour, as photographs vary.

    With models that were trained on photographs it avoids poster colours. The planes hold brightness, warm against cold
    and green against magenta; the picture is the sigmoid of `gain` times their colours.

    Example: {planes: 9, gain: 1.5}
    """
    return Natural(_sizes(width, height, planes), device, Decorrelated(gain, device))


class Pyramid:
    """Planes [1, 3, h, w] from coarse to fine, whose sum stands for colours."""

    def __init__(self, sizes: Sequence[tuple[int, int]], device: torch.device, colors: Colors) -> None:
        self._colors = colors
        self._planes = [torch.nn.Parameter(torch.zeros(1, 3, h, w, device=device)) for w, h in sizes]

    def parameters(self) -> Sequence[Tensor]:
        return list(self._planes)

    def image(self) -> Tensor:
        return self._colors.picture(_enlarged_sum(self._planes))

    def write(self, image: Tensor) -> None:
        """Each plane takes what the coarser ones leave of the change, so that their balance stays as it was trained."""
        rest = self._colors.values(image) - self._colors.values(self.image())
        levels = [rest]
        for plane in reversed(self._planes[:-1]):
            levels.append(resample(levels[-1], plane.shape[3], plane.shape[2], "linear"))
        coarser = None
        for plane, level in zip(self._planes, reversed(levels), strict=True):
            plane.data = plane.data + (level if coarser is None else level - _enlarged(coarser, plane))
            coarser = level

    def resize(self, width: int, height: int, interpolation: str) -> None:
        for plane, (w, h) in zip(self._planes, _sizes(width, height, len(self._planes)), strict=True):
            plane.data = resample(plane.data, w, h, interpolation)


class Natural(Pyramid):
    """A pyramid for which a new resolution is a new beginning of the optimizer."""

    def remap(self, moment: Tensor, parameter: Tensor) -> Tensor | None:  # noqa: ARG002 - the protocol's
        """Nothing: what planes of other sizes remember slows down the first steps of the new ones."""
        return None


def _sizes(width: int, height: int, planes: int) -> list[tuple[int, int]]:
    """Width and height of each plane, coarse to fine; the longer side grows from 1 by a constant factor."""
    longer = max(width, height)
    scales = [longer ** (step / (planes - 1) - 1) for step in range(planes - 1)]
    return [(max(1, round(width * scale)), max(1, round(height * scale))) for scale in scales] + [(width, height)]


def _enlarged(plane: Tensor, like: Tensor) -> Tensor:
    return resample(plane, like.shape[3], like.shape[2])


def _enlarged_sum(planes: Sequence[Tensor]) -> Tensor:
    total = planes[0]
    for plane in planes[1:]:
        total = _enlarged(total, plane) + plane
    return total
