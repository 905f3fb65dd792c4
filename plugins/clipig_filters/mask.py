"""A mask, which holds a target to a part of the picture."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from clipig_core import Param
from clipig_core.kit import Picture


def mask(
    images: Tensor,
    image: Annotated[Picture, Param("White where the target may change the picture, black where it must not.")],
) -> Tensor:
    """Let a target change the picture only where an image is white, and less where it is gray.

    The model still sees the whole picture: what changes are gradients, which are multiplied by the brightness of the
    image. It is stretched to the size of the picture, so it stands first, before transforms that move pixels.

    Example: my-photo.jpg
    """
    height, width = images.shape[-2:]
    share = image.resized(width, height).to(images).mean(dim=0, keepdim=True)
    still = images.detach()
    return still + share * (images - still)
