"""The check of canvases."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clipig_core.engine.canvas import Canvas, resample, resize
from clipig_core.extension.kinds import CANVAS
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


def check_canvas(canvas: Function, /, **arguments: object) -> None:
    """Check `canvas(width, height, device, **arguments) -> Canvas`."""
    given = _arguments(CANVAS, canvas, arguments)
    for device in _devices():
        subject = _Subject(CANVAS, canvas, device)
        for width, height in [(24, 16), (7, 13)]:
            with subject.running(f"for {width}x{height} pixels"):
                made: Canvas = canvas(width, height, device, **given)
                _check_canvas(subject, made, width, height)


def _picture(width: int, height: int, device: torch.device) -> Tensor:
    """[1, 3, H, W]: smooth, of another slope in each channel."""
    coarse = _random(1, 3, 2, 3, seed=6).float() * 0.8 + 0.1
    return resample(coarse, width, height, "linear").to(device)


def _check_canvas(subject: _Subject, canvas: Canvas, width: int, height: int) -> None:
    parameters, wanted = list(canvas.parameters()), _picture(width, height, subject.device)
    subject.need(
        bool(parameters) and all(p.is_leaf and p.requires_grad and p.is_floating_point() for p in parameters),
        "its parameters() are not trainable leaf tensors",
        "make them once, with torch.nn.Parameter",
    )
    for interpolation in ("cubic", "linear", "nearest"):
        with torch.no_grad():
            canvas.write(given := wanted.clone())
            given.zero_()
        _shows(subject, canvas, parameters, wanted, "write()")
        gradients = torch.autograd.grad(_weighted(canvas.image()), parameters, allow_unused=True)
        reached = [gradient for gradient in gradients if gradient is not None and gradient.isfinite().all()]
        subject.need(
            len(reached) == len(parameters) and any(bool(gradient.any()) for gradient in reached),
            "the gradient of image() does not reach all parameters, is not finite, or is zero",
            "compute the picture from all parameters(), without detach()",
        )
        shapes = [parameter.shape for parameter in parameters]
        with torch.no_grad():
            canvas.resize(2 * width, height + 3, interpolation)
        subject.need(
            all(p.dim() == 4 or p.shape == shape for p, shape in zip(parameters, shapes, strict=True)),
            "resize() changes a parameter that is not [1, C, h, w], so core cannot resize the optimizer's memory of it",
            "give parameters that change with the resolution four dimensions",
        )
        larger = resample(wanted, 2 * width, height + 3, interpolation)
        _shows(subject, canvas, parameters, larger, f"resize() with '{interpolation}'")
        optimizer = torch.optim.Adam(parameters, lr=1e-4)
        for _ in range(2):  # the second step uses what the optimizer remembers of another resolution
            optimizer.zero_grad()
            canvas.image().mean().backward()
            optimizer.step()
            resize(canvas, optimizer, width, height, interpolation)


def _shows(subject: _Subject, canvas: Canvas, parameters: Sequence[Tensor], wanted: Tensor, after: str) -> None:
    """Whether the canvas is `wanted`, nearly, with the parameters that it had."""
    subject.need(
        [*map(id, canvas.parameters())] == [*map(id, parameters)],
        f"parameters() are other objects after {after}, so the optimizer moves what is no longer seen",
        "keep the tensors and change their data: `parameter.data = ...`",
    )
    image = canvas.image()
    subject.need(
        isinstance(image, Tensor) and image.shape == wanted.shape and image.dtype == torch.float32,
        f"image() is {_describe(image)} after {after}, not float32 {list(wanted.shape)}",
        "give images [1, 3, height, width]",
    )
    subject.need(image.device == wanted.device, f"image() is on {image.device}", "make tensors on the given `device`")
    distance = float((image.detach() - wanted).abs().mean())
    subject.need(
        distance < 0.1,  # nan fails, too
        f"image() is not the picture that it should be after {after}: {distance:.2g} away, on average",
        "take over the pixels, as copies, and keep what is seen when the resolution changes",
    )
