"""The ways in which the transforms of this package move pixels."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core.kit import Axis, Views


class Section(Views):
    """A rectangle of other views, from column `left` and row `top`, for all or for each image [B].

    What is outside of them is black; positions for each image are inside.
    """

    def __init__(self, source: Views, left: int | Tensor, top: int | Tensor, width: int, height: int) -> None:
        self.source, self.left, self.top = source, left, top
        self.shape, self.dtype, self.device = (
            torch.Size((*source.shape[:2], height, width)),
            source.dtype,
            source.device,
        )

    def read(self, columns: Axis, rows: Axis) -> Tensor:
        columns, rows = columns.moved(self.left), rows.moved(self.top)
        if self._inside:
            return self.source.read(columns, rows)
        height, width = self.source.shape[-2:]
        images = self.source.read(_held(columns, width), _held(rows, height))
        seen = _within(rows, height)[:, None, :, None] & _within(columns, width)[:, None, None, :]
        return images.where(seen, 0)

    @property
    def _inside(self) -> bool:
        """Whether it is a part of the source; positions that the device holds are."""
        if not isinstance(self.left, int) or not isinstance(self.top, int):
            return True
        right, bottom = self.left + self.shape[3], self.top + self.shape[2]
        return self.left >= 0 and self.top >= 0 and right <= self.source.shape[3] and bottom <= self.source.shape[2]


def _held(axis: Axis, size: int) -> Axis:
    """Positions outside are moved to the edge."""
    return Axis(axis.index.clamp(0, size - 1), min(axis.span, size - 1))


def _within(axis: Axis, size: int) -> Tensor:
    return (axis.index >= 0) & (axis.index < size)


class Rolled(Views):
    """Other views moved by `x` and `y` whole pixels, for all or for each image [B], around the edges."""

    def __init__(self, source: Views, x: int | Tensor, y: int | Tensor) -> None:
        self.source, self.x, self.y = source, x, y
        self.shape, self.dtype, self.device = source.shape, source.dtype, source.device

    def read(self, columns: Axis, rows: Axis) -> Tensor:
        height, width = self.shape[-2:]
        return self.source.read(columns.moved(-self.x).wrapped(width), rows.moved(-self.y).wrapped(height))


class Resampled(Views):
    """Other views, resampled bilinearly; outside of them is black.

    `matrix`, [B, 2, 3] or [1, 2, 3] for all, maps pixels to where they come from, in pixels around the image's centre.
    No image has a greater absolute value of the linear part than `reach`: [[x by x, x by y], [y by x, y by y]]; it says
    how much of the source is needed, without asking the device.
    """

    def __init__(self, source: Views, matrix: Tensor, reach: tuple[tuple[float, float], tuple[float, float]]) -> None:
        self.source, self.matrix, self.reach = source, matrix, reach
        self.shape, self.dtype, self.device = source.shape, source.dtype, source.device

    def read(self, columns: Axis, rows: Axis) -> Tensor:
        height, width = self.shape[-2:]
        x = columns.index.to(self.dtype)[:, None, :] + (0.5 - width / 2)
        y = rows.index.to(self.dtype)[:, :, None] + (0.5 - height / 2)
        axes, grid = [], []
        for (by_x, by_y, offset), reach, size in zip(self._lines(), self.reach, (width, height), strict=True):
            # by_x * x + by_y * y + offset, as a term for the column of a pixel and one for its row.
            column, row = by_x * x + (offset + (size - 1) / 2), by_y * y
            extent = reach[0] * columns.span + reach[1] * rows.span
            axis = _needed(column.amin((1, 2)) + row.amin((1, 2)), extent, size)
            # grid_sample counts from -1 to 1 along each side.
            scale = 2 / axis.index.shape[1]
            grid.append(scale * (column - axis.index[:, :1, None]) + (scale / 2 - 1) + scale * row)
            axes.append(axis)
        images = self.source.read(*axes)
        places = torch.stack(grid, 3).expand(len(images), -1, -1, -1)
        return F.grid_sample(images, places, mode="bilinear", padding_mode="zeros", align_corners=False)

    def _lines(self) -> list[tuple[Tensor, ...]]:
        """For x and y: the three columns of the matrix, each [B, 1, 1]."""
        return [line[:, :, None, None].unbind(1) for line in self.matrix.unbind(1)]


def _needed(least: Tensor, extent: float, size: int) -> Axis:
    """The pixels around places that are `extent` apart at most, and not below `least` [B], as far as there are any."""
    count = math.ceil(min(extent, size)) + 3
    if count >= size:
        return Axis.run(0, size, least.device)
    first = least.floor().clamp(0, size - count)
    return Axis.run(first.long(), count, least.device)


def uniform(images: Views, low: float, high: float, rng: torch.Generator) -> Tensor:
    """One number for each image [B], uniform in [low, high)."""
    drawn = torch.rand(images.shape[0], generator=rng, device=images.device, dtype=images.dtype)
    return drawn * (high - low) + low
