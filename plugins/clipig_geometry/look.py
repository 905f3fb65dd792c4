"""Looks at the picture from random places, each rendered in one go."""

from __future__ import annotations

import math
import random
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core import Floats2, Ints2, Param, Resized

Size = Annotated[
    Ints2 | None,
    Param(
        "Width and height in pixels of the views; one number for a square; that of the image if not given.",
        min=1,
        max=16384,
        length=True,
    ),
]
RandomSize = Annotated[
    Ints2 | None,
    Param(
        "Smallest and largest side in pixels of square views, instead of `size`; drawn once for all views of an epoch.",
        min=1,
        max=16384,
        length=True,
    ),
]
Outside = Annotated[
    Literal["black", "mirror", "repeat", "edge", "plain"],
    Param(
        "What is around the image: black, its mirror image, the image again, its outermost pixels, or for each view "
        "a random plain colour whose channels are between .2 and .8."
    ),
]

_PADDING = {"black": "zeros", "plain": "zeros", "mirror": "reflection", "edge": "border", "repeat": "zeros"}

_MOST_SAMPLES = 8
"""Samples per pixel and axis of a cutout; more would not be seen."""


def random_look(
    images: Tensor,
    size: Size = None,
    random_size: RandomSize = None,
    scale: Annotated[
        Floats2, Param("Smallest and largest part of the image that a view shows, by its side; 1 is all.", above=0)
    ] = (0.7, 1.3),
    overlap: Annotated[
        float, Param("How far a view may be off in addition to its room in the image, in half sides.", min=0)
    ] = 0.1,
    degree: Annotated[Floats2, Param("Minimum and maximum angle in degrees, counter-clockwise.")] = (-15, 15),
    flip: Annotated[bool, Param("Whether half of the views are mirrored, left to right.")] = False,
    outside: Outside = "plain",
    supersample: Annotated[int, Param("Samples per pixel, in each direction, that are averaged.", min=1, max=8)] = 1,
    *,
    rng: torch.Generator,
) -> Annotated[Tensor, Resized]:
    """Look at the image from a random place: scaled, moved, rotated and resized, in one bilinear step.

    A view has the proportions of its `size`. At scale 1 it is the largest such rectangle in the image, and nothing is
    distorted; at .7 it has .7 of its sides, and lies anywhere in the image, and up to `overlap` beyond; above 1 it
    shows what is outside, too.

    Raises ValueError for `size` together with `random_size`, or if the latter is in the wrong order.

    Example: {size: 112, outside: mirror}
    """
    size = _view_size(images, size, random_size, rng)
    sides = scale[0] + (scale[1] - scale[0]) * _uniform(images, rng)
    angles = torch.deg2rad(degree[0] + (degree[1] - degree[0]) * _uniform(images, rng))
    matrix = _places(images, size, sides, angles, overlap, flip, rng)
    background = 0.2 + 0.6 * _uniform(images, rng, 3, 1, 1) if outside == "plain" else None
    return _render(images, matrix, size, outside, supersample, background)


def cutouts(
    images: Tensor,
    size: Size = None,
    part: Annotated[
        Floats2, Param("Smallest and largest side, as a part of the shorter side of the image.", above=0, max=1)
    ] = (0.3, 1),
    power: Annotated[float, Param("1 draws all sides alike, more prefers small ones, less large ones.", above=0)] = 1.0,
    *,
    rng: torch.Generator,
) -> Annotated[Tensor, Resized]:
    """Cut sections of random size from random places, and resize them to one size.

    As VQGAN-CLIP does: the side is `low + (high - low) * u ** power` with a uniform u. Sections have the proportions of
    `size`; at part 1 they are as large as the image allows. Each pixel averages up to 8x8 samples of what it shows.

    Example: {size: 64, part: .3 .8}
    """
    size = _view_size(images, size, None, rng)
    sides = part[0] + (part[1] - part[0]) * _uniform(images, rng) ** power
    matrix = _places(images, size, sides, torch.zeros_like(sides), 0, False, rng)
    samples = math.ceil(max(part) * _largest(images, size)[0] / size[0] - 1e-6)
    return _render(images, matrix, size, "edge", min(max(samples, 1), _MOST_SAMPLES))


def random_flip(
    images: Tensor,
    probability: Annotated[float, Param("How likely a view is mirrored.", min=0, max=1)] = 0.5,
    *,
    rng: torch.Generator,
) -> Tensor:
    """Mirror some of the views, left to right.

    Example: .5
    """
    return torch.where(_uniform(images, rng, 1, 1, 1) < probability, images.flip(3), images)


def _uniform(images: Tensor, rng: torch.Generator, *shape: int) -> Tensor:
    """Uniform numbers in [0, 1) for each image, [B, ...]."""
    return torch.rand(len(images), *shape, generator=rng, device=images.device, dtype=images.dtype)


def _view_size(images: Tensor, size: Ints2 | None, random_size: Ints2 | None, rng: torch.Generator) -> Ints2:
    """Width and height of all views. Raises ValueError if they contradict each other."""
    if random_size is None:
        return (images.shape[3], images.shape[2]) if size is None else size
    if size is not None:
        raise ValueError("views have either a size or a random_size")
    low, high = random_size
    if low > high:
        raise ValueError(f"the smallest side, {low}, is above the largest, {high}")
    # The state of a generator is known here, whatever its device; a number that is drawn on a GPU is not.
    side = random.Random(rng.get_state().numpy().tobytes()).randint(low, high)
    return side, side


def _largest(images: Tensor, size: Ints2) -> Floats2:
    """Width and height of the largest rectangle in the images that has the proportions of `size`."""
    (height, width), proportion = images.shape[-2:], size[0] / size[1]
    return min(width, height * proportion), min(height, width / proportion)


def _places(
    images: Tensor, size: Ints2, sides: Tensor, angles: Tensor, overlap: float, flip: bool, rng: torch.Generator
) -> Tensor:
    """Matrices [B, 2, 3] from places in a view to places in the image, both from -1 to 1 along each side."""
    (height, width), (across, down) = images.shape[-2:], _largest(images, size)
    x, y = (
        (2 * _uniform(images, rng) - 1) * ((1 - sides * part).clamp(min=0) + overlap * part)
        for part in (across / width, down / height)
    )
    cos, sin = sides * angles.cos(), sides * angles.sin()
    mirrored = torch.where(_uniform(images, rng) < 0.5, -1, 1) if flip else 1
    rows = [
        torch.stack([cos * mirrored * (across / width), -sin * (down / width), x], 1),
        torch.stack([sin * mirrored * (across / height), cos * (down / height), y], 1),
    ]
    return torch.stack(rows, 1)


def _render(
    images: Tensor, matrix: Tensor, size: Ints2, outside: str, supersample: int, background: Tensor | None = None
) -> Tensor:
    """[B, 3, H, W] as seen through the matrices; a `background` [B, 3, 1, 1] is seen where the image is not."""
    width, height = (side * supersample for side in size)
    grid = F.affine_grid(matrix, [len(images), 3, height, width], align_corners=False)
    if outside == "repeat":
        images, grid = _wrapped(images, grid)
    seen = F.grid_sample(images, grid, mode="bilinear", padding_mode=_PADDING[outside], align_corners=False)
    if background is not None:
        seen = seen + (1 - _coverage(images, grid)) * background
    return F.avg_pool2d(seen, supersample) if supersample > 1 else seen


def _wrapped(images: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Images with one more pixel of the opposite side at each edge, and places in them that never leave them."""
    height, width = images.shape[-2:]
    rows, columns = (torch.arange(-1, side + 1, device=images.device) % side for side in (height, width))
    shrink = torch.cat([torch.full_like(grid[:1, :1, :1, :1], side / (side + 2)) for side in (width, height)], 3)
    return images.index_select(2, rows).index_select(3, columns), ((grid + 1) % 2 - 1) * shrink


def _coverage(images: Tensor, grid: Tensor) -> Tensor:
    """[B, 1, h, w]: the part of each bilinear sample that comes from the image: that of an alpha channel of ones."""
    parts = []
    for places, side in zip(grid.unbind(3), reversed(images.shape[-2:]), strict=True):
        pixel = ((places + 1) * side - 1) / 2
        parts.append(torch.minimum(pixel + 1, side - pixel).clamp(0, 1))
    return (parts[0] * parts[1])[:, None]
