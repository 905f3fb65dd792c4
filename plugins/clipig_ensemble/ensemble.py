"""The model `ensemble`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core import InputError, Nested, Param
from clipig_core.kit import Encoder, prepare

log = logging.getLogger("clipig")

LARGEST = 1e30
"""Of weights."""

Models = Annotated[Sequence[Callable[..., Encoder]], Nested("model", many=True)]


def ensemble(
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    models: Annotated[Models, Param("The models, each by name or as one name with parameters.")],
    weights: Annotated[list | None, Param("How much each counts; by default all the same.")] = None,  # type: ignore[type-arg]
) -> Ensemble:
    """Several models as one: similarities are the weighted means of theirs.

    All see the same views. Where each should have its own views, window or weight over time, give targets a `model`
    instead. A text that one of them does not know is left to the others.

    Example: [emoji, photo-lite0]

    Raises:
        ValueError: there are not as many weights as models, or one is not above 0.
        InputError: none of the models knows a text.
    """
    given = weights if isinstance(weights, list) else [weights]
    counts = [1.0] * len(models) if weights is None else [_number(weight) for weight in given]
    if len(counts) != len(models):
        raise ValueError(f"there are {len(models)} models and {len(counts)} weight{'s' * (len(counts) != 1)}")
    return Ensemble([model(device, dtype) for model in models], counts, device)


class Ensemble:
    """Encoders whose unit-length features stand behind each other, each times the root of its share of the weight.

    The cosine of two such features is the weighted mean of the encoders' cosines.
    """

    def __init__(self, encoders: Sequence[Encoder], weights: Sequence[float], device: torch.device) -> None:
        self.encoders, self.device = encoders, device
        self.image_size = max(encoder.image_size for encoder in encoders)
        self._roots = [(weight / sum(weights)) ** 0.5 for weight in weights]

    def prepare(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] as they are: each encoder prepares them for itself."""
        return images

    def encode_image(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, sum of D], of length 1."""
        found = [encoder.encode_image(prepare(encoder, images)) for encoder in self.encoders]
        return torch.cat([root * F.normalize(own, dim=1) for root, own in zip(self._roots, found, strict=True)], 1)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts -> [N, sum of D]; zeros where an encoder does not know a text.

        Raises:
            InputError: no encoder knows one.
        """
        return torch.stack([self._text(text) for text in texts])

    def _text(self, text: str) -> Tensor:
        parts, refusals = [], []
        for root, encoder in zip(self._roots, self.encoders, strict=True):
            try:
                parts.append(root * F.normalize(encoder.encode_text([text])[0].float(), dim=0))
            except InputError as error:
                refusals.append(error)
                size = encoder.image_size
                blank = torch.zeros(1, 3, size, size, device=self.device)
                parts.append(torch.zeros_like(encoder.encode_image(blank)[0]))
        if len(refusals) == len(self.encoders):
            raise InputError([problem for refusal in refusals for problem in refusal.problems])
        if refusals:
            known, all_of_them = len(self.encoders) - len(refusals), len(self.encoders)
            log.warning("'%s' is known to %d of the %d models, and left to these", text, known, all_of_them)
        return torch.cat(parts)


def _number(weight: object) -> float:
    """Raises ValueError if it is no number above 0, or too large a one to be added to others."""
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= LARGEST:
        raise ValueError(f"a weight is a number above 0, not {weight!r}")
    return float(weight)
