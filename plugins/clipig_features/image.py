"""Features of images."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from clipig_core import Param
from clipig_core.kit import Encoder, Picture, fit


def image(
    value: Annotated[Picture, Param("Path or URL of an image that shows what the picture should resemble.")],
    encoder: Encoder,
) -> Tensor:
    """The model's feature of an image, which is resized to the square that the model reads, whatever its shape.

    Files of all formats that Pillow reads will do. Photographs are turned as their camera was held, transparent
    pixels are white, and of an animation the first frame counts.

    Raises InputError if it cannot be fetched or read.

    Example: my-photo.jpg
    """
    return encoder.encode_image(fit(value.pixels[None], encoder.image_size))[0]
