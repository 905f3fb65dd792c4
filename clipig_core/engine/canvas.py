"""What is trained: the protocol of canvases, their first pixels, and changes of their resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from clipig_core.config.sections import Init
from clipig_core.errors import InputError, Problem
from clipig_core.imaging.images import MAX_PIXELS, read_image
from clipig_core.imaging.resample import resample
from clipig_core.language.types import File

REACH = 4
"""Pixels that a filter reads on either side of the one that it makes."""


class Canvas(Protocol):
    """Something with trainable tensors that is a picture.

    The tensors of `parameters()` stay the same objects for the life of the canvas; `resize` changes their data.
    """

    def parameters(self) -> Sequence[Tensor]:
        """The leaf tensors that the optimizer moves."""

    def image(self) -> Tensor:
        """[1, 3, H, W], differentiable with respect to the parameters; nominally in [0, 1]."""

    def write(self, image: Tensor) -> None:
        """Make the picture equal to `image` [1, 3, H, W], as nearly as the canvas can. Called without gradients."""

    def resize(self, width: int, height: int, interpolation: str) -> None:
        """Change the resolution; `interpolation` is cubic, linear or nearest. Called without gradients.

        A method `remap(moment, parameter) -> Tensor | None` may say what becomes of the optimizer's memory of each
        parameter: a tensor of its new shape, or None to let the optimizer begin afresh. Without it, memories of four
        dimensions are resized with their parameters, and all others are dropped.
        """


@torch.no_grad()
def resize(canvas: Canvas, optimizer: torch.optim.Optimizer, width: int, height: int, interpolation: str) -> None:
    """Resize a canvas and, with it, what the optimizer remembers of each of its values."""
    parameters = list(canvas.parameters())
    data = [parameter.data for parameter in parameters]
    try:
        canvas.resize(width, height, interpolation)
        memories = [
            _memory(canvas, parameter, before, optimizer) for parameter, before in zip(parameters, data, strict=True)
        ]
    except BaseException:
        for parameter, before in zip(parameters, data, strict=True):
            parameter.data = before
        raise
    for parameter, memory in zip(parameters, memories, strict=True):
        parameter.grad = None
        if memory is None:
            optimizer.state.pop(parameter, None)
        elif memory:
            optimizer.state[parameter] = memory


def _memory(
    canvas: Canvas, parameter: Tensor, before: Tensor, optimizer: torch.optim.Optimizer
) -> dict[str, object] | None:
    """What an optimizer remembers of a parameter that had other values; None if it begins afresh."""
    own = getattr(canvas, "remap", None)
    remap = own or _resized
    memory = dict(optimizer.state.get(parameter, {}))
    if not own and parameter.shape == before.shape:
        return memory
    moments = {
        name: value for name, value in memory.items() if isinstance(value, Tensor) and value.shape == before.shape
    }
    remapped = {name: remap(moment, parameter) for name, moment in moments.items()}
    if any(moment is None for moment in remapped.values()):
        return None
    return memory | remapped


def _resized(moment: Tensor, parameter: Tensor) -> Tensor | None:
    """Linear: a cubic filter would make squares of gradients negative."""
    return resample(moment, parameter.shape[3], parameter.shape[2], "linear") if moment.dim() == 4 else None


def cover(image: Tensor, width: int, height: int) -> Tensor:
    """[3, H, W] -> [1, 3, height, width]: scaled to cover the size, then cropped around the centre.

    What lies far outside of the crop is not scaled: of a picture of 1x4000 pixels that would be gigabytes.
    """
    scale = max(width / image.shape[2], height / image.shape[1])
    across, down = (_seen(image.shape[axis], side / scale, scale) for axis, side in ((2, width), (1, height)))
    image = _middle(image[None], across, down)
    scaled = (max(width, round(image.shape[3] * scale)), max(height, round(image.shape[2] * scale)))
    return _middle(resample(image, *scaled).clamp(0, 1), width, height)


def _seen(side: int, wanted: float, scale: float) -> int:
    """How many pixels in the middle of a side are enough for so many after scaling, with those that filters reach."""
    enough = math.ceil(wanted + 2 * REACH / min(1, scale))
    return min(side, enough + (side - enough) % 2)


def _middle(images: Tensor, width: int, height: int) -> Tensor:
    """[B, 3, H, W] -> [B, 3, height, width]: what is around the centre."""
    left, top = (images.shape[3] - width) // 2, (images.shape[2] - height) // 2
    return images[:, :, top : top + height, left : left + width]


def first_pixels(
    width: int, height: int, rng: torch.Generator, init: Init, adjust: bool, device: torch.device
) -> Tensor:
    """[1, 3, height, width] as the `init` section says; `adjust` applies its mean and std to an image.

    Raises:
        InputError: the image cannot be read, or `image_tensor` is no [3, H, W] list of numbers.
    """
    mean, std = (torch.tensor(three, device=device)[None, :, None, None] for three in (init.mean, init.std))
    first_width, first_height = init.resolution or (width, height)
    if init.image_tensor is not None:
        pixels = _pixels(init.image_tensor).to(device)
    elif init.image is not None:
        pixels = cover(read_image(init.image).to(device), first_width, first_height)
        pixels = (pixels * std + mean).clamp(0, 1) if adjust else pixels
    else:
        noise = torch.randn(1, 3, first_height, first_width, generator=rng, device=device)
        pixels = (mean + std * noise).clamp(0, 1)
    if pixels.shape[-2:] != (height, width):
        pixels = resample(pixels, width, height).clamp(0, 1)
    return pixels


def _pixels(given: list[object] | File) -> Tensor:
    try:
        pixels = torch.tensor(_of_file(given) if isinstance(given, File) else given, dtype=torch.float32)
    except (ValueError, TypeError, OverflowError, OSError, EOFError) as error:
        raise InputError(Problem(f"init.image_tensor: {error}", hint="expected numbers, [3, H, W]")) from None
    if pixels.dim() != 3 or pixels.shape[0] != 3 or not pixels.numel():
        raise InputError(Problem(f"init.image_tensor has the shape {list(pixels.shape)}", hint="expected [3, H, W]"))
    if not pixels.isfinite().all():
        raise InputError(Problem("init.image_tensor has values that are not finite"))
    return pixels[None]


def _of_file(path: File) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Raises ValueError if it holds anything but floats, or too many."""
    found = np.load(path, mmap_mode="r", allow_pickle=False)  # so that nothing is read before its size is known
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
        raise ValueError(f"'{path}' does not hold floats")
    if found.size > 3 * MAX_PIXELS:
        raise ValueError(f"'{path}' has {found.size:,} numbers; at most {3 * MAX_PIXELS:,} are read")
    return found.astype(np.float32)
