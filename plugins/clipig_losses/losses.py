"""How far features [B, D] of unit length are from the wanted one, [D] or one for each of them [B, D]."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cosine(features: Tensor, target: Tensor) -> Tensor:
    """1 minus the cosine of the angle between them, which is what CLIP was trained with."""
    return 1 - F.cosine_similarity(features, target, dim=-1)
