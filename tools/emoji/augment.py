"""Random backgrounds, poses, colours, blur and noise for a batch of drawings, as tensor operations."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Named colours of backgrounds, the CSS values softened a little where they are harsh.
BACKGROUNDS = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.03, 0.03, 0.03),
    "gray": (0.5, 0.5, 0.5),
    "red": (0.9, 0.1, 0.1),
    "orange": (1.0, 0.6, 0.1),
    "yellow": (1.0, 0.92, 0.2),
    "green": (0.15, 0.65, 0.2),
    "blue": (0.1, 0.3, 0.9),
    "light blue": (0.6, 0.82, 1.0),
    "purple": (0.5, 0.15, 0.7),
    "pink": (1.0, 0.65, 0.8),
    "brown": (0.5, 0.3, 0.15),
}
SIZE = 64


def uniform(count: int, low: Tensor | float, high: Tensor | float, rng: torch.Generator) -> Tensor:
    """[count, 1, 1, 1] in [low, high); the bounds may differ from image to image."""
    return torch.rand(count, 1, 1, 1, generator=rng) * (high - low) + low


def backgrounds(labels: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
    """[B, 3, SIZE, SIZE]: the named colour of each label, jittered, a third of them with soft clouds."""
    count = len(labels)
    colors = torch.tensor(list(BACKGROUNDS.values()))[labels][:, :, None, None]
    jittered = colors + 0.08 * torch.randn(count, 3, 1, 1, generator=rng) * strength
    clouds = F.interpolate(torch.randn(count, 3, 5, 5, generator=rng), size=(SIZE, SIZE), mode="bicubic")
    cloudy = uniform(count, -0.2, 0.1, rng).clamp(min=0) * strength
    return (jittered + cloudy * clouds).clamp(0, 1)


def poses(count: int, mirrored: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
    """[B, 2, 3] affine matrices for `affine_grid`: size, aspect, rotation, position and mirroring.

    `mirrored` [B] bool says which images may be mirrored.
    """
    shape, strength = (count,), strength.flatten()
    scale = 0.92 * torch.exp(strength * (torch.rand(shape, generator=rng) * 1.0 - 0.7))
    aspect = torch.exp(strength * 0.12 * torch.randn(shape, generator=rng))
    angle = strength * torch.randn(shape, generator=rng) * math.radians(14)
    room = (1.1 - scale).clamp(min=0.08) * strength
    offset = (torch.rand(count, 2, generator=rng) * 2 - 1) * room[:, None]
    flip = torch.where(mirrored & (torch.rand(shape, generator=rng) < 0.5 * strength), -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = torch.stack([flip * cos / aspect, -flip * sin / aspect, sin * aspect, cos * aspect], 1).view(count, 2, 2)
    matrix = rows / scale[:, None, None]
    return torch.cat([matrix, -(matrix @ offset[:, :, None])], 2)


def bends(count: int, strength: Tensor, rng: torch.Generator) -> Tensor:
    """[B, SIZE, SIZE, 2] smooth displacements: no two sets draw a thing in the same proportions."""
    coarse = 0.08 * strength * torch.randn(count, 2, 4, 4, generator=rng)
    return F.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic").permute(0, 2, 3, 1)


def hues(count: int, strength: Tensor, rng: torch.Generator) -> Tensor:
    """[B, 3, 3] rotations of colours around the axis of grays (Rodrigues' formula)."""
    angle = 0.2 * strength * torch.randn(count, 1, 1, 1, generator=rng)
    axis = torch.full((3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    angle = angle[:, :, :, 0]
    return torch.eye(3) * torch.cos(angle) + cross * torch.sin(angle) + axis * (1 - torch.cos(angle))


def augment(
    images: Tensor, labels: Tensor, mirrored: Tensor, most: float, rng: torch.Generator, reshape: bool = False
) -> Tensor:
    """`images` [B, S, S, 4] uint8 on backgrounds `labels` [B] -> [B, 3, SIZE, SIZE] in [0, 1].

    The strength of each image is drawn from 0 to `most`, so that pictures as they are stay part of the training;
    `reshape` adds bends and changes of hue.
    """
    count = len(images)
    strength = uniform(count, 0.0, most, rng)
    drawing = images.permute(0, 3, 1, 2).float() / 255
    drawing = torch.cat([drawing[:, :3] * drawing[:, 3:], drawing[:, 3:]], 1)
    grid = F.affine_grid(poses(count, mirrored, strength, rng), [count, 4, SIZE, SIZE], align_corners=False)
    if reshape:
        grid = grid + bends(count, strength, rng)
    drawing = F.grid_sample(drawing, grid, mode="bilinear", align_corners=False)
    color, alpha = drawing[:, :3], drawing[:, 3:]

    gray = color.mean(1, keepdim=True)
    color = gray + (color - gray) * uniform(count, 1 - 0.5 * strength, 1 + 0.4 * strength, rng)
    if reshape:
        color = torch.einsum("bij,bjhw->bihw", hues(count, strength, rng), color)
    color = color * (1 + 0.1 * strength * torch.randn(count, 3, 1, 1, generator=rng))
    view = color.clamp(min=0).minimum(alpha) + (1 - alpha) * backgrounds(labels, strength, rng)
    view = (view - 0.5) * uniform(count, 1 - 0.4 * strength, 1 + 0.2 * strength, rng) + 0.5
    view = view + 0.1 * strength * torch.randn(count, 1, 1, 1, generator=rng)

    blurred = F.interpolate(F.avg_pool2d(view, 4), size=(SIZE, SIZE), mode="bilinear")
    view = torch.lerp(view, blurred, uniform(count, -1, 0.9, rng).clamp(min=0) * strength)
    for grain, deviation in ((SIZE, 0.25), (SIZE // 4, 0.12)):
        noise = torch.randn(count, 3, grain, grain, generator=rng)
        noise = noise if grain == SIZE else F.interpolate(noise, size=(SIZE, SIZE), mode="bilinear")
        view = view + noise * uniform(count, -deviation, deviation, rng).clamp(min=0) * strength
    return view.clamp(0, 1)
