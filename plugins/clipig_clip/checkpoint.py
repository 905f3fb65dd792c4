"""Models in files of the user's."""

from __future__ import annotations

from typing import Annotated

import torch

from clipig_clip.encoder import ClipEncoder, load_checkpoint
from clipig_clip.traits import Activation
from clipig_core import Param


def checkpoint(
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    activation: Annotated[
        Activation,
        Param(
            "With which it was trained: OpenAI's models with quickgelu, most of open_clip's with gelu; auto reads it."
        ),
    ] = "auto",
    heads: Annotated[
        int, Param("Number of heads of the image tower; 0 reads it, or takes one per 64 channels.", min=0)
    ] = 0,
) -> ClipEncoder:
    """A CLIP model from a file: a state dict in OpenAI's format, as .pt or .safetensors.

    Files of OpenAI's models and of open_clip's have the same weights, and do not compute the same. Which it is stands
    in OpenAI's own files, in the metadata of a .safetensors file (`activation`, `heads`), or in `open_clip_config.json`
    beside it; otherwise it has to be said.
    """
    model, traits = load_checkpoint(name, activation, heads)
    return ClipEncoder(model, device, dtype, traits)
