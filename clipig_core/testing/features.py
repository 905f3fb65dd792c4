"""The check of features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core.engine.encoder import Encoder
from clipig_core.extension.kinds import FEATURE
from clipig_core.testing.base import (
    _CPU,
    LENGTH,
    Function,
    _arguments,
    _describe,
    _devices,
    _random,
    _range,
    _Subject,
)

__tracebackhide__ = True  # pytest then shows the author's line, not those of this file


def check_feature(source: Function, value: object, /, *, encoder: Encoder | None = None, **arguments: object) -> None:
    """Check `source(value, encoder, **arguments) -> [D]`.

    Without an `encoder` it gets a linear one that takes images of 8x8 pixels and any text.
    """
    given = _arguments(FEATURE, source, {"value": value, **arguments})
    value = given.pop("value")
    for device in _devices() if encoder is None else [_CPU]:
        subject = _Subject(FEATURE, source, device)
        own = encoder or _LinearEncoder(subject)
        with subject.running(), torch.no_grad():
            feature, again = (source(value, own, **given) for _ in range(2))
        wanted = own.encode_text(["a"]).shape[1]
        subject.need(
            isinstance(feature, Tensor) and feature.shape == (wanted,),
            f"returns {_describe(feature)}, not a feature [{wanted}], as long as those of the encoder",
            "return one feature without a batch: encoder.encode_text([value])[0]",
        )
        subject.need(
            feature.is_floating_point() and bool(feature.isfinite().all()),
            f"returns {feature.dtype} with values that are no finite floats",
            "return finite floats",
        )
        subject.need(
            torch.equal(feature, again), "returns another feature for the same value", "leave nothing to chance"
        )


class _LinearEncoder:
    """An `Encoder` without training: random projections of pixels, and of how often each byte is in a text."""

    image_size = 8

    def __init__(self, subject: _Subject) -> None:
        self._subject = subject
        self._pixels, self._bytes = (
            (_random(size, LENGTH, seed=5).float() - 0.5).to(subject.device) for size in (3 * self.image_size**2, 256)
        )

    def encode_image(self, images: Tensor) -> Tensor:
        size = self.image_size
        self._subject.need(
            images.shape[1:] == (3, size, size) and float(images.min()) >= 0 and float(images.max()) <= 1,
            f"encodes {_describe(images)}{_range(images)}, not [B, 3, {size}, {size}] in [0, 1]",
            "use clipig_core.engine.encoder.fit(images, encoder.image_size)",
        )
        features: Tensor = images.to(self._pixels).flatten(1) @ self._pixels
        return features

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        counts = [torch.bincount(torch.tensor([*text.encode()], dtype=torch.long), minlength=256) for text in texts]
        features: Tensor = F.normalize(torch.stack(counts).to(self._bytes), dim=1) @ self._bytes
        return features
