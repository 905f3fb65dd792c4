"""The check of models."""

from __future__ import annotations

import logging
from logging.handlers import BufferingHandler
from typing import Any

import torch
from torch import Tensor

from clipig_core.engine.encoder import Encoder
from clipig_core.extension.kinds import MODEL
from clipig_core.testing.base import (
    Function,
    _arguments,
    _describe,
    _devices,
    _random,
    _Subject,
    _weighted,
)

__tracebackhide__ = True  # pytest then shows the author's line, not those of this file


def check_model(model: Function, name: str, /, **arguments: Any) -> None:
    """Check `model(name, device, dtype, **arguments) -> Encoder` with a name that users would write."""
    given = _arguments(MODEL, model, arguments)
    for device in _devices():
        subject = _Subject(MODEL, model, device)
        with subject.running("when it is made", seeded=False):  # weights may be drawn before they are loaded
            encoder: Encoder = model(name, device, torch.float32, **given)
        with subject.running():
            length = _check_images(subject, encoder)
            _check_texts(subject, encoder, length)


def _check_images(subject: _Subject, encoder: Encoder) -> int:
    """Checks `encode_image`; returns the length of the features."""
    size = encoder.image_size
    subject.need(isinstance(size, int) and size > 0, f"image_size is {size!r}", "give the pixels of a side, as int")
    images = _random(3, 3, size, size, seed=1).float().to(subject.device)
    features = encoder.encode_image(images)
    _are_features(subject, features, 3, "encode_image()")
    subject.need(
        not features.requires_grad, "its weights require gradients", "freeze them: model.requires_grad_(False)"
    )
    subject.need(
        _alike(encoder.encode_image(images), features),
        "encode_image() gives other features for the same images",
        "switch off dropout and other randomness: model.eval()",
    )
    subject.need(
        _alike(encoder.encode_image(images[:1]), features[:1]),
        "the features of image 0 change when there are others in the batch",
        "let nothing depend on the batch: model.eval()",
    )
    pixels = images.clone().requires_grad_()
    features = encoder.encode_image(pixels)
    subject.need(
        features.requires_grad and bool(torch.autograd.grad(_weighted(features), pixels)[0].any()),
        "no gradient reaches the images",
        "encode them without torch.no_grad(), round() and other steps that cut off gradients",
    )
    return features.shape[1]


def _check_texts(subject: _Subject, encoder: Encoder, length: int) -> None:
    texts = ["strawberry", "a red apple on a blue background"]
    features = encoder.encode_text(texts)
    _are_features(subject, features, 2, "encode_text()")
    subject.need(
        features.shape[1] == length,
        f"texts have features of {features.shape[1]} numbers, images of {length}",
        "return features of one space, behind the projections",
    )
    subject.need(
        _alike(torch.cat([encoder.encode_text([text]) for text in texts]), features),
        "a text has other features alone than beside another",
        "let nothing depend on the batch, such as the length of its longest text",
    )
    long = "strawberry " * 300
    log, handler = logging.getLogger("clipig"), BufferingHandler(10_000)
    log.addHandler(handler)
    try:
        first, second = (encoder.encode_text([long + end])[0] for end in ("on ice", "in a bowl of milk"))
    finally:
        log.removeHandler(handler)
    subject.need(
        not torch.equal(first, second) or any(record.levelno >= logging.WARNING for record in handler.buffer),
        "cuts a text that is too long without a word",
        'log what is lost: logging.getLogger("clipig").warning(...)',
    )


def _alike(features: Tensor, wanted: Tensor) -> bool:
    """Up to the rounding of a model in reduced precision."""
    return bool(((features - wanted).norm(dim=1) <= 0.01 * wanted.norm(dim=1)).all())


def _are_features(subject: _Subject, features: Any, count: int, method: str) -> None:
    subject.need(
        isinstance(features, Tensor) and features.dim() == 2 and len(features) == count,
        f"{method} returns {_describe(features)} for {count} of them, not features [{count}, D]",
        "return a feature for each",
    )
    subject.need(
        features.dtype == torch.float32 and bool(features.isfinite().all()),
        f"{method} returns {features.dtype}, or values that are not finite",
        "convert the result with float()",
    )
