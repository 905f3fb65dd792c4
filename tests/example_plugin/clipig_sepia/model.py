"""The model `old_film`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from clipig_core import InputError, Param
from clipig_core.kit import Encoder
from clipig_core.extension.registry import Registry
from torch import Tensor

SENSITIVITY = (0.1, 0.4, 0.5)


def old_film(
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    of: Annotated[str, Param("The model that is shown the film: its name, or the path of a checkpoint.")] = "emoji",
) -> OldFilm:
    """Another model, which sees what early film saw: black and white, and next to nothing of red."""
    try:
        component, found = Registry().find_model(of)
    except LookupError as error:
        raise InputError(f"{name}: {error}") from None
    return OldFilm(component.function(found, device, dtype), torch.tensor(SENSITIVITY, device=device)[:, None, None])


class OldFilm:
    """An `Encoder` behind a film with a sensitivity [3, 1, 1] to red, green and blue."""

    def __init__(self, encoder: Encoder, sensitivity: Tensor) -> None:
        self._encoder, self._sensitivity = encoder, sensitivity
        self.image_size = encoder.image_size

    def encode_image(self, images: Tensor) -> Tensor:
        gray = (images * self._sensitivity).sum(1, keepdim=True)
        return self._encoder.encode_image(gray.expand_as(images))

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return self._encoder.encode_text(texts)
