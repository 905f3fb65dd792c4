"""The feature `double_exposure`."""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F
from clipig_core import Param
from clipig_core.kit import Encoder
from torch import Tensor


def double_exposure(
    value: Annotated[str, Param("Two texts or more, separated by commas, that share one picture.")], encoder: Encoder
) -> Tensor:
    """The mean of the features of several texts. Raises ValueError if there is only one."""
    texts = [text.strip() for text in value.split(",") if text.strip()]
    if len(texts) < 2:
        raise ValueError(f"'{value}' is one text; write two or more, separated by commas")
    return F.normalize(encoder.encode_text(texts), dim=1).mean(0)
