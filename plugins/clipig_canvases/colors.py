"""From numbers without bounds to colours in [0, 1], and back."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

_EDGE = 1e-3  # the sigmoid reaches black and white only at infinity

_COLUMNS = ((0.26, 0.09, 0.02), (0.27, 0, -0.05), (0.27, -0.09, 0.03))
"""Rows red, green, blue; columns bright, warm and green-to-magenta, in proportion to how photographs vary in them.

The matrix that decorrelates colours in Lucid (Olah, Mordvintsev and Schubert 2017, "Feature Visualization").
"""


class Colors(Protocol):
    """A way to write colours as numbers."""

    def picture(self, values: Tensor) -> Tensor:
        """[1, 3, H, W] of any numbers -> [1, 3, H, W] in [0, 1]."""

    def values(self, picture: Tensor) -> Tensor:
        """The inverse; black and white are moved to .001 and .999."""


class Independent:
    """Each channel is the sigmoid of its number."""

    def picture(self, values: Tensor) -> Tensor:
        return torch.sigmoid(values)

    def values(self, picture: Tensor) -> Tensor:
        return torch.logit(picture.clamp(_EDGE, 1 - _EDGE))


class Decorrelated:
    """The sigmoid of `gain * M @ numbers`, so that equal steps move brightness 4 to 7 times as far as colour.

    M is Lucid's matrix, divided by the length of its longest column.
    """

    def __init__(self, gain: float, device: torch.device) -> None:
        columns = torch.tensor(_COLUMNS, dtype=torch.float64)
        matrix = gain * columns / columns.norm(dim=0).max()
        self._matrix, self._inverse = (m.float().to(device) for m in (matrix, matrix.inverse()))

    def picture(self, values: Tensor) -> Tensor:
        return torch.sigmoid(_mix(self._matrix, values))

    def values(self, picture: Tensor) -> Tensor:
        return _mix(self._inverse, torch.logit(picture.clamp(_EDGE, 1 - _EDGE)))


def _mix(matrix: Tensor, values: Tensor) -> Tensor:
    return torch.einsum("oc,bchw->bohw", matrix, values)
