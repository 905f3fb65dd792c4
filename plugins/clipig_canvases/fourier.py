"""A picture as a sum of waves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from clipig_canvases.colors import Colors, Decorrelated
from clipig_core import Param
from clipig_core.kit import resample


def fourier(
    width: int,
    height: int,
    device: torch.device,
    decay: Annotated[
        float,
        Param(
            "Power of the frequency by which waves are divided; 1 as in photographs, less for texture.", min=0, max=4
        ),
    ] = 1.0,
    gain: Annotated[float, Param("Factor before the sigmoid: how far a step moves the picture.", above=0)] = 1.0,
) -> Fourier:
    """Waves of all frequencies and directions, in decorrelated colours, all trained at once.

    Slow waves move the picture more than fast ones, so colours and shapes come before texture. As in Lucid (Olah,
    Mordvintsev and Schubert 2017, "Feature Visualization"): the picture is the sigmoid of colours whose spectrum is
    trained, after a division by `max(frequency, 1 / longer side) ** decay`. Waves continue around the edges.

    Example: {decay: .8}
    """
    return Fourier(width, height, device, decay, Decorrelated(gain, device))


class Fourier:
    """A real spectrum [1, 6, H, W // 2 + 1]: the real parts of three colours, then the imaginary ones."""

    def __init__(self, width: int, height: int, device: torch.device, decay: float, colors: Colors) -> None:
        self._width, self._decay, self._colors = width, decay, colors
        self._scale = _scale(width, height, decay, device)
        self._spectrum = torch.nn.Parameter(torch.zeros(1, 6, height, width // 2 + 1, device=device))

    def parameters(self) -> Sequence[Tensor]:
        return [self._spectrum]

    def image(self) -> Tensor:
        return self._colors.picture(self._values())

    def write(self, image: Tensor) -> None:
        self._spectrum.data = self._waves(self._colors.values(image), self._scale)

    def resize(self, width: int, height: int, interpolation: str) -> None:
        values = resample(self._values(), width, height, interpolation)
        scale = _scale(width, height, self._decay, values.device)
        self._spectrum.data = self._waves(values, scale)
        self._width, self._scale = width, scale

    def _values(self) -> Tensor:
        """[1, 3, H, W]"""
        waves = torch.complex(*self._spectrum.chunk(2, 1)) * self._scale
        values: Tensor = torch.fft.irfft2(waves, s=(self._spectrum.shape[2], self._width), norm="ortho")
        return values

    @staticmethod
    def _waves(values: Tensor, scale: Tensor) -> Tensor:
        """[1, 6, H, W // 2 + 1]"""
        waves = torch.fft.rfft2(values, norm="ortho") / scale
        return torch.cat([waves.real, waves.imag], 1)


def _scale(width: int, height: int, decay: float, device: torch.device) -> Tensor:
    """[H, W // 2 + 1]: the factor of each wave; frequencies are in waves per pixel, and a quarter is Lucid's, too."""
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
    frequency = torch.hypot(down, across).clamp(min=1 / max(width, height))
    return (0.25 / frequency**decay).to(device)
