"""Sections of the picture."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Ints2, Param, Resized
from clipig_geometry.sampling import pick, uniform

CropSize = Annotated[Ints2, Param("Width and height in pixels; one number for a square.", min=1)]


def center_crop(images: Tensor, size: CropSize) -> Annotated[Tensor, Resized]:
    """Cut a section of the given size from the centre."""
    (left, top), (width, height) = (round(room / 2) for room in _room(images, size)), size
    return images[:, :, top : top + height, left : left + width]


def random_crop(images: Tensor, size: CropSize, *, rng: torch.Generator) -> Annotated[Tensor, Resized]:
    """Cut a section of the given size from a random position of each image."""
    width, height = size
    left, top = ((uniform(images, 0, room + 1, rng)).long().clamp(max=room) for room in _room(images, size))
    columns = left[:, None] + torch.arange(width, device=images.device)
    rows = top[:, None] + torch.arange(height, device=images.device)
    return pick(images, columns, rows)


def _room(images: Tensor, size: Ints2) -> tuple[int, int]:
    """How much wider and higher the images are. Raises ValueError if they are smaller than `size`."""
    (height, width), (crop_width, crop_height) = images.shape[-2:], size
    if crop_width > width or crop_height > height:
        raise ValueError(f"a section of {crop_width}x{crop_height} does not fit into an image of {width}x{height}")
    return width - crop_width, height - crop_height
