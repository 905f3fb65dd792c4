"""What the core needs from a CLIP-like model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from clipig_core.resample import resample


class Encoder(Protocol):
    """A frozen model that turns images and texts into features of one space.

    Its weights do not require gradients; gradients flow through `encode_image` to the images.
    """

    image_size: int
    """Width and height in pixels of the images that it reads."""

    def encode_image(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] with S = `image_size`, values in [0, 1], float32 -> [B, D] float32, of any length."""

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts -> [N, D] float32, of any length. A text that is too long is cut, with a warning that says where."""


def fit(images: Tensor, size: int) -> Tensor:
    """[B, 3, H, W] -> [B, 3, size, size] in [0, 1]: resized (bicubic, antialiased) if needed, then clamped."""
    if images.shape[-2:] != (size, size):
        images = resample(images, size, size)
    return images.clamp(0, 1)
