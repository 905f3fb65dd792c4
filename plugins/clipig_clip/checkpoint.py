"""Models in files of the user's."""

from __future__ import annotations

import torch

from clipig_clip.encoder import ClipEncoder, load_checkpoint


def checkpoint(name: str, device: torch.device, dtype: torch.dtype) -> ClipEncoder:
    """A CLIP model from a file: a state dict in OpenAI's format, as .pt or .safetensors."""
    return ClipEncoder(load_checkpoint(name), device, dtype)
