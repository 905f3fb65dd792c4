"""How far features [B, D] of unit length are from the wanted one, [D] or one for each of them [B, D]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core.kit import difference


def cosine(features: Tensor, target: Tensor) -> Tensor:
    """1 minus the cosine of the angle between them, which is what CLIP was trained with."""
    return 1 - F.cosine_similarity(features, target, dim=-1)


def l1(features: Tensor, target: Tensor) -> Tensor:
    """100 times the mean absolute difference of their numbers."""
    return 100 * difference(features, target, "l1")


def l2(features: Tensor, target: Tensor) -> Tensor:
    """100 times the mean squared difference of their numbers: less for small differences, more for large ones."""
    return 100 * difference(features, target, "l2")


def spherical(features: Tensor, target: Tensor) -> Tensor:
    """Half the square of the angle between them, in radians: `2 * asin(|features - target| / 2)^2`, after Crowson.

    Where the cosine hardly changes any more, between opposite features, this one still pulls.
    """
    wanted = F.normalize(target, dim=-1)
    apart, together = (features - wanted).norm(dim=-1), (features + wanted).norm(dim=-1)
    # The same angle as by asin, whose slope is infinite for opposite features.
    return 2 * torch.atan2(apart, together).square()
