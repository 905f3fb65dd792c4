"""What the built-in canvases show of their parameters. `tests/core/test_canvas.py` has what all of them promise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from clipig_core.engine.canvas import Canvas
from clipig_core.imaging.resample import resample
from tests.plugins.components import find, generator, images

CPU = torch.device("cpu")
LUCID = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0, -0.05], [0.27, -0.09, 0.03]])


def made(name: str, width: int, height: int, **arguments: Any) -> Canvas:
    canvas: Canvas = find("canvas", name).function(width, height, CPU, **arguments)
    return canvas


def sown(canvas: Canvas, std: float) -> list[Tensor]:
    """Its parameters, with random numbers in them."""
    rng = generator(1)
    for parameter in canvas.parameters():
        parameter.data = torch.randn(parameter.shape, generator=rng) * std
    return list(canvas.parameters())


def colors(values: Tensor, gain: float) -> Tensor:
    return torch.sigmoid(torch.einsum("oc,bchw->bohw", LUCID / LUCID.norm(dim=0).max(), values) * gain)


def total(planes: list[Tensor]) -> Tensor:
    summed = planes[0]
    for plane in planes[1:]:
        summed = resample(summed, plane.shape[3], plane.shape[2]) + plane
    return summed


def test_natural_is_what_was_measured() -> None:
    canvas = made("natural", 24, 24)
    planes = sown(canvas, 0.3)
    assert [plane.shape[2] for plane in planes] == [1, 1, 2, 3, 5, 7, 11, 16, 24]
    torch.testing.assert_close(canvas.image(), colors(total(planes), 1.5))
    sizes = [round(36 * 36 ** (k / 8 - 1)) for k in range(9)]
    grown = [resample(plane.detach(), size, size) for plane, size in zip(planes, sizes, strict=True)]
    with torch.no_grad():
        canvas.resize(36, 36, "cubic")
    torch.testing.assert_close(canvas.image(), colors(total(grown), 1.5))


def test_natural_moves_brightness_most() -> None:
    """By the columns of the matrix, for equal steps."""
    canvas = made("natural", 4, 4, planes=1, gain=1.0)
    (plane,) = canvas.parameters()
    moved = []
    for column in range(3):
        plane.data = torch.zeros(1, 3, 4, 4)
        plane.data[:, column] = 0.01
        moved.append(float((canvas.image().detach()[0, :, 0, 0] - 0.5).norm()))
    assert moved[0] / moved[1] == pytest.approx(3.63, rel=0.01)
    assert moved[0] / moved[2] == pytest.approx(7.49, rel=0.01)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 6), (7, 1), (5, 7), (6, 9)])
@pytest.mark.parametrize("name", ["natural", "fourier"])
def test_what_is_written_is_seen_exactly(name: str, width: int, height: int) -> None:
    canvas, picture = made(name, width, height), images(1, height, width) * 0.99 + 0.005
    sown(canvas, 0.1)
    with torch.no_grad():
        canvas.write(picture)
    torch.testing.assert_close(canvas.image().detach(), picture, atol=2e-6, rtol=0)


def lucid(real: Tensor, imaginary: Tensor, width: int, height: int, decay: float) -> Tensor:
    """The picture of a spectrum before its colours, as Lucid has it."""
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
    frequency = torch.sqrt(across * across + down * down)
    scale = (width * height) ** 0.5 / frequency.clamp(min=1 / max(width, height)) ** decay
    values: Tensor = torch.fft.irfft2(scale * torch.complex(real, imaginary), s=(height, width)) / 4
    return values


@pytest.mark.parametrize(("width", "height"), [(16, 16), (9, 6), (6, 9)])
@pytest.mark.parametrize("decay", [0.0, 1.0, 1.5])
def test_fourier_is_that_of_lucid(width: int, height: int, decay: float) -> None:
    canvas = made("fourier", width, height, decay=decay)
    (spectrum,) = sown(canvas, 0.01)
    wanted = colors(lucid(spectrum[:, :3], spectrum[:, 3:], width, height, decay), 1)
    torch.testing.assert_close(canvas.image(), wanted, atol=1e-5, rtol=0)


def test_slow_waves_move_more_than_fast_ones() -> None:
    canvas = made("fourier", 32, 32)
    (spectrum,) = canvas.parameters()
    moved = []
    for wave in (1, 4, 16):
        spectrum.data = torch.zeros_like(spectrum)
        spectrum.data[:, 0, 0, wave] = 0.01
        moved.append(float((canvas.image().detach() - 0.5).std()))
    assert moved[0] == pytest.approx(4 * moved[1], rel=0.01)
    assert moved[1] > 2 * moved[2]


def test_fourier_grows_as_asked() -> None:
    for interpolation in ("cubic", "linear", "nearest"):
        canvas = made("fourier", 9, 6)
        sown(canvas, 0.05)
        before = torch.logit(canvas.image().detach())
        with torch.no_grad():
            canvas.resize(20, 15, interpolation)
        after = torch.logit(canvas.image().detach())
        torch.testing.assert_close(after, resample(before, 20, 15, interpolation), atol=1e-4, rtol=0)
