"""Features of words."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from clipig_core import Param
from clipig_core.kit import Encoder


def text(
    value: Annotated[str, Param("A word, sentence or paragraph that says what the picture shows.")], encoder: Encoder
) -> Tensor:
    """The model's feature of a text.

    Example: a red heart on a white background
    """
    if not value.strip():
        raise ValueError("the text is empty; say what the picture shows")
    return encoder.encode_text([value])[0]
