"""Edges that meet."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def periodic(images: Tensor) -> Tensor:
    """Make opposite edges meet, so that the picture can be tiled without a seam.

    It is the periodic component of Moisan 2011, "Periodic plus smooth image decomposition": a smooth image is
    subtracted that has the differences between opposite edges. Means of channels stay.
    """
    height, width = images.shape[-2:]
    values: Tensor = images.float()
    jumps = torch.zeros_like(values)
    down, across = values[..., -1:, :] - values[..., :1, :], values[..., -1:] - values[..., :1]
    jumps[..., :1, :] += down
    jumps[..., -1:, :] -= down
    jumps[..., :1] += across
    jumps[..., -1:] -= across
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
    laplacian = 2 * (2 * math.pi * rows).cos() + 2 * (2 * math.pi * columns).cos() - 4
    laplacian[0, 0] = 1  # of a mean that is zero
    smooth: Tensor = torch.fft.irfft2(torch.fft.rfft2(jumps) / laplacian.to(images.device), s=(height, width))
    return (values - smooth).to(images.dtype)
