"""The loss `angle`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def angle(features: Tensor, target: Tensor) -> Tensor:
    """The angle between them in radians, which pulls as hard near the goal as far from it; `cosine` lets go.

    By a formula of Kahan 2006, "How Futile are Mindless Assessments of Roundoff in Floating-Point Computation?": an
    arc cosine would be imprecise near 0, and have no gradient there.
    """
    target = F.normalize(target, dim=-1)
    return 2 * torch.atan2((features - target).norm(dim=-1), (features + target).norm(dim=-1))
