"""What the core needs from a CLIP-like model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from clipig_core.imaging.clamp import clamp_through
from clipig_core.imaging.resample import resample


class Encoder(Protocol):
    """A frozen model that turns images and texts into features of one space.

    Its weights do not require gradients; gradients flow through `encode_image` to the images. A method
    `prepare(images) -> images`, [B, 3, H, W] to what `encode_image` reads in [0, 1], may replace `fit`, for models that
    read other shapes.
    """

    image_size: int
    """Width and height in pixels of the images that it reads."""

    def encode_image(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] with S = `image_size`, values in [0, 1], float32 -> [B, D] float32, of any length."""

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts -> [N, D] float32, of any length. A text that is too long is cut, with a warning that says where.

        Raises:
            InputError: the model knows none of the words of a text.
        """


def fit(images: Tensor, size: int) -> Tensor:
    """[B, 3, H, W] -> [B, 3, size, size] in [0, 1]: resized (bicubic, antialiased) if needed, then clamped."""
    if images.shape[-2:] != (size, size):
        images = resample(images, size, size)
    return clamp_through(images)


def prepare(encoder: Encoder, images: Tensor) -> Tensor:
    """[B, 3, H, W] -> what `encoder.encode_image` reads: by its own `prepare`, or resized to its square."""
    own = getattr(encoder, "prepare", None)
    prepared: Tensor = own(images) if own else fit(images, encoder.image_size)
    return prepared
