"""Sections of the picture."""

from __future__ import annotations

from typing import Annotated

import torch

from clipig_core import Floats4, Ints2, Param, Resized
from clipig_core.kit import Views, lazy
from clipig_geometry.sampling import Section, uniform

CropSize = Annotated[
    Ints2, Param("Width and height in pixels; one number for a square.", min=1, max=16384, length=True)
]


@lazy
def crop(
    images: Views,
    xywh: Annotated[
        Floats4, Param("Left, top, width and height; a number below 1 is a fraction of the size, else pixels.", min=0)
    ],
) -> Annotated[Views, Resized]:
    """Cut out a section, truncated to whole pixels; what is outside of the image is black.

    Raises ValueError if it is empty, or wholly outside.

    Example: .25 .25 .5 .5
    """
    full_height, full_width = images.shape[-2:]
    sizes = (full_width, full_height, full_width, full_height)
    left, top, width, height = (int(by * size if by < 1 else by) for by, size in zip(xywh, sizes, strict=True))
    if min(width, height) == 0 or left >= full_width or top >= full_height:
        raise ValueError(
            f"a section of {width}x{height} at {left}, {top} holds nothing of an image of {full_width}x{full_height}"
        )
    return Section(images, left, top, width, height)


@lazy
def center_crop(images: Views, size: CropSize) -> Annotated[Views, Resized]:
    """Cut a section of the given size from the centre; what is outside of the image is black.

    Example: 160
    """
    (height, width), (full_height, full_width) = size[::-1], images.shape[-2:]
    left, top = round((full_width - width) / 2), round((full_height - height) / 2)
    return Section(images, left, top, width, height)


@lazy
def random_crop(images: Views, size: CropSize, *, rng: torch.Generator) -> Annotated[Views, Resized]:
    """Cut a section of the given size from a random position of each image.

    Example: 120
    """
    left, top = (uniform(images, 0, room + 1, rng).long().clamp(max=room) for room in _room(images, size))
    return Section(images, left, top, *size)


def _room(images: Views, size: Ints2) -> tuple[int, int]:
    """How much wider and higher the images are. Raises ValueError if they are smaller than `size`."""
    (height, width), (crop_width, crop_height) = images.shape[-2:], size
    if crop_width > width or crop_height > height:
        raise ValueError(f"a section of {crop_width}x{crop_height} does not fit into an image of {width}x{height}")
    return width - crop_width, height - crop_height
