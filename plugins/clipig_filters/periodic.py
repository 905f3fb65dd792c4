"""Edges that meet."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Param


def periodic(
    images: Tensor,
    strength: Annotated[float, Param("Part of the step between edges that goes: 0 none, 1 all.", min=0, max=1)] = 1.0,
) -> Tensor:
    """Make opposite edges meet, so that the picture can be tiled without a seam.

    It is the periodic component of Moisan 2011, "Periodic plus smooth image decomposition": a smooth image is
    subtracted that has the differences between opposite edges. Means of channels stay.

    Example: 1
    """
    height, width = images.shape[-2:]
    values = images.to(torch.promote_types(images.dtype, torch.float32))
    jumps = torch.zeros_like(values)
    down, across = values[..., -1:, :] - values[..., :1, :], values[..., -1:] - values[..., :1]
    jumps[..., :1, :] += down
    jumps[..., -1:, :] -= down
    jumps[..., :1] += across
    jumps[..., -1:] -= across
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
    laplacian = 2 * (2 * math.pi * rows).cos() + 2 * (2 * math.pi * columns).cos() - 4
    laplacian[0, 0] = 1  # of a mean that is zero
    smooth: Tensor = torch.fft.irfft2(torch.fft.rfft2(jumps) / laplacian.to(values), s=(height, width))
    return (values - strength * smooth).to(images.dtype)
