"""Images of which only what is looked at is computed.

A crop at the end of a chain of transforms would throw away most of what those before it computed. So a transform that
only moves pixels can be `lazy`: it returns `Views`, and what follows reads the pixels that it needs.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, Concatenate, ParamSpec, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

P = ParamSpec("P")

MOST_PIECES = 16
"""An image of more pieces is read pixel by pixel."""


@dataclass(frozen=True)
class Axis:
    """Positions along one side of images: `index` [B or 1, n], each inside the image.

    No two of them are more than `span` apart. `start` is the first, if all others follow it one by one and it is known
    without asking the device; who reorders positions leaves it out.
    """

    index: Tensor
    span: int
    start: int | None = None

    @classmethod
    def run(cls, start: int | Tensor, length: int, device: torch.device) -> Axis:
        """`length` positions one after the other, from `start`, for all or for each image [B]."""
        steps = torch.arange(length, device=device)[None]
        if isinstance(start, int):
            return cls(steps + start, length - 1, start)
        return cls(steps + start[:, None], length - 1)

    def moved(self, by: int | Tensor) -> Axis:
        """Moved by a number of pixels, for all or for each image [B]."""
        if isinstance(by, int):
            return Axis(self.index + by, self.span, None if self.start is None else self.start + by)
        return Axis(self.index + by[:, None], self.span)

    def wrapped(self, size: int) -> Axis:
        """Positions that left an image of this size come in again on its other side."""
        return Axis(self.index % size, size - 1)


class Views(ABC):
    """A batch of images with the `shape` [B, 3, H, W]; `dtype` and `device` as tensors have them."""

    shape: torch.Size
    dtype: torch.dtype
    device: torch.device

    @abstractmethod
    def read(self, columns: Axis, rows: Axis) -> Tensor:
        """[B, 3, h, w]: the pixels at h rows and w columns."""

    def pixels(self) -> Tensor:
        """[B, 3, H, W]"""
        height, width = self.shape[-2:]
        return self.read(Axis.run(0, width, self.device), Axis.run(0, height, self.device))


Images = Tensor | Views


class Pixels(Views):
    """Images that are there; or one that stands for `batch` of them, and gets the sum of their gradients."""

    def __init__(self, images: Tensor, batch: int = 1) -> None:
        self.images = images
        self.shape = torch.Size((max(batch, len(images)), *images.shape[1:]))
        self.dtype, self.device = images.dtype, images.device

    def read(self, columns: Axis, rows: Axis) -> Tensor:
        if columns.start is not None and rows.start is not None:
            left, top = columns.start, rows.start
            picked = self.images[:, :, top : top + rows.index.shape[1], left : left + columns.index.shape[1]]
        else:
            picked = _Pick.apply(self.images, rows.index, columns.index)
        return picked.expand(self.shape[0], -1, -1, -1)


def pixels(images: Images) -> Tensor:
    """[B, 3, H, W] of both."""
    return images if isinstance(images, Tensor) else images.pixels()


def lazy(transform: Callable[Concatenate[Views, P], Views]) -> Callable[Concatenate[Tensor, P], Tensor]:
    """Makes a transform of `Views` one that anybody can call with a tensor, too, and then gets a tensor."""

    @functools.wraps(transform)
    def either(images: Any, *args: P.args, **kwargs: P.kwargs) -> object:
        views = transform(Pixels(images) if isinstance(images, Tensor) else images, *args, **kwargs)
        if not isinstance(views, Views):
            raise TypeError(f"a lazy transform returns Views, not {type(views).__name__}")
        return views.pixels() if isinstance(images, Tensor) else views

    either.lazy = True  # type: ignore[attr-defined]
    return cast(Callable[Concatenate[Tensor, P], Tensor], either)


def is_lazy(transform: Callable[..., object]) -> bool:
    """Whether it takes and returns `Views`."""
    return getattr(transform, "lazy", False)


class _Pick(torch.autograd.Function):
    """[B or 1, 3, H, W] with rows [B or 1, h] and columns [B or 1, w] -> [B, 3, h, w].

    On a CPU, images are copied piece by piece, and gradients added in the same order every time.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.save_for_backward(rows, columns)
        ctx.shape, ctx.pieces = images.shape, _pieces(images, rows, columns)
        if ctx.pieces is None:
            return images[_batch(images), :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        batch = max(len(images), len(rows), len(columns))
        picked = images.new_empty(batch, 3, rows.shape[1], columns.shape[1])
        for i, there, here in ctx.pieces:
            picked[i, :, *here] = images[i % len(images), :, *there]
        return picked

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        total = gradient.new_zeros(ctx.shape)
        if ctx.pieces is None:
            rows, columns = ctx.saved_tensors
            places = (_batch(total), rows[:, :, None], columns[:, None, :])
            total.permute(0, 2, 3, 1).index_put_(places, gradient.permute(0, 2, 3, 1), accumulate=True)
            return total, None, None
        for i, there, here in ctx.pieces:
            total[i % len(total), :, *there] += gradient[i, :, *here]
        return total, None, None


def _batch(images: Tensor) -> Tensor:
    return torch.arange(len(images), device=images.device)[:, None, None]


Piece = tuple[slice, slice]


def _pieces(images: Tensor, rows: Tensor, columns: Tensor) -> list[tuple[int, Piece, Piece]] | None:
    """For each image the rectangles that lie together: where they are, and where they go.

    None on a GPU, which would have to be waited for, and if there are more than `MOST_PIECES` for an image.
    """
    if images.device.type != "cpu":
        return None
    sides = [[_stretches(line) for line in axis.tolist()] for axis in (rows, columns)]
    if math.prod(max(map(len, side)) for side in sides) > MOST_PIECES:
        return None
    return [
        (i, (row_there, column_there), (row_here, column_here))
        for i in range(max(len(images), len(rows), len(columns)))
        for (row_there, row_here), (column_there, column_here) in product(*(side[i % len(side)] for side in sides))
    ]


def _stretches(positions: list[int]) -> list[tuple[slice, slice]]:
    """Runs of positions that follow one another: where they are, and their places in the list."""
    ends = [i + 1 for i, (a, b) in enumerate(pairwise(positions)) if b != a + 1]
    bounds = pairwise([0, *ends, len(positions)])
    return [(slice(positions[a], positions[a] + b - a), slice(a, b)) for a, b in bounds]
