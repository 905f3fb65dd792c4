"""What is trained: the protocol of canvases, their first pixels, and changes of their resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from clipig_core.config import Init
from clipig_core.errors import InputError, Problem
from clipig_core.imaging.images import read_image
from clipig_core.imaging.resample import resample


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
    shapes = [parameter.shape for parameter in parameters]
    canvas.resize(width, height, interpolation)
    own = getattr(canvas, "remap", None)
    remap = own or _resized
    for parameter, before in zip(parameters, shapes, strict=True):
        parameter.grad = None
        if parameter.shape == before and not own:
            continue
        memory = optimizer.state.get(parameter, {})
        moments = {name: value for name, value in memory.items() if isinstance(value, Tensor) and value.shape == before}
        remapped = {name: remap(moment, parameter) for name, moment in moments.items()}
        if any(moment is None for moment in remapped.values()):
            optimizer.state.pop(parameter, None)
        else:
            memory.update(remapped)


def _resized(moment: Tensor, parameter: Tensor) -> Tensor | None:
    """Linear: a cubic filter would make squares of gradients negative."""
    return resample(moment, parameter.shape[3], parameter.shape[2], "linear") if moment.dim() == 4 else None


def cover(image: Tensor, width: int, height: int) -> Tensor:
    """[3, H, W] -> [1, 3, height, width]: scaled to cover the size, then cropped around the centre."""
    scale = max(width / image.shape[2], height / image.shape[1])
    scaled = (max(width, round(image.shape[2] * scale)), max(height, round(image.shape[1] * scale)))
    image = resample(image[None], *scaled).clamp(0, 1)
    left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2
    return image[:, :, top : top + height, left : left + width]


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


def _pixels(nested: list[Any]) -> Tensor:
    try:
        pixels = torch.tensor(nested, dtype=torch.float32)
    except (ValueError, TypeError) as error:
        raise InputError(Problem(f"init.image_tensor: {error}", hint="expected numbers, [3, H, W]")) from None
    if pixels.dim() != 3 or pixels.shape[0] != 3 or not pixels.numel():
        raise InputError(Problem(f"init.image_tensor has the shape {list(pixels.shape)}", hint="expected [3, H, W]"))
    if not pixels.isfinite().all():
        raise InputError(Problem("init.image_tensor has values that are not finite"))
    return pixels[None]
