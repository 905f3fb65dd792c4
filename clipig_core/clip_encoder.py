"""An encoder from a model in OpenAI's CLIP format, for plugins that have such weights."""

from __future__ import annotations

import logging
import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from clipig_core.errors import InputError

with warnings.catch_warnings(action="ignore"):  # clip-anytorch imports the deprecated pkg_resources
    import clip
    from clip.model import CLIP, build_model

log = logging.getLogger("clipig")

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


SHORT = 128
"""Attention over so few tokens in bfloat16 is faster on a CPU as plain matrix products than as flash attention."""


class ClipEncoder:
    """A CLIP model with frozen weights (an `Encoder`).

    The matrix products of the image tower are computed in `dtype`, its layer norms and the text tower in float32. The
    model given is changed.
    """

    def __init__(self, model: CLIP, device: torch.device, dtype: torch.dtype) -> None:
        self.model = model.to(device).eval().requires_grad_(False)
        _prepare(model.visual, dtype)
        self.image_size = int(model.visual.input_resolution)
        self.context_length = int(model.context_length)
        self._device, self._dtype = device, dtype
        self._mean, self._std = (torch.tensor(color, device=device)[:, None, None] for color in (MEAN, STD))

    def encode_image(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] in [0, 1] -> [B, D]."""
        pixels = (images.to(self._device) - self._mean) / self._std
        with self._attention():
            features: Tensor = self.model.visual(pixels.to(self._dtype))
        return features.float()

    def _attention(self) -> AbstractContextManager[None]:
        tokens = len(getattr(self.model.visual, "positional_embedding", ()))
        plain = self._device.type == "cpu" and self._dtype == torch.bfloat16 and tokens <= SHORT
        return sdpa_kernel(SDPBackend.MATH) if plain else nullcontext()

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts -> [N, D]. Words behind the context length are dropped, with a warning that names them."""
        tokens = torch.cat([self._tokens(text) for text in texts]).to(self._device)
        model = self.model  # its own encode_text takes on the precision of the image tower
        states = model.token_embedding(tokens) + model.positional_embedding
        states = model.ln_final(model.transformer(states.transpose(0, 1)).transpose(0, 1))
        features: Tensor = states[torch.arange(len(tokens)), tokens.argmax(-1)] @ model.text_projection
        return features

    def _tokens(self, text: str) -> Tensor:
        """[1, context_length]."""
        words = text.split()
        kept = words
        while True:
            try:
                tokens: Tensor = clip.tokenize(" ".join(kept), context_length=self.context_length)
                break
            except RuntimeError:  # too long
                kept = kept[:-1]
        if not kept and words:
            tokens = clip.tokenize(text, context_length=self.context_length, truncate=True)
            log.warning("the text %r is one word too long for the model; only its beginning counts", text)
        elif len(kept) < len(words):
            log.warning(
                "the text is too long for the model; these words do not count: %s", " ".join(words[len(kept) :])
            )
        return tokens


def _prepare(visual: nn.Module, dtype: torch.dtype) -> None:
    """Convert the weights of products, as OpenAI's `convert_weights` does for float16, and the patch embedding."""
    first = visual.conv1
    if isinstance(first, nn.Conv2d) and first.kernel_size == first.stride:
        visual.conv1 = _Patches(first)
    for layer in visual.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.MultiheadAttention | _Patches):
            layer.to(dtype)
    if hasattr(visual, "proj"):
        visual.proj.data = visual.proj.data.to(dtype)


class _Patches(nn.Module):
    """A convolution whose windows do not overlap, as one matrix product; on a CPU its backward pass is much faster."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.size = convolution.kernel_size[0]
        self.weight = convolution.weight

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, D, H / size, W / size]."""
        rows, columns = (side // self.size for side in images.shape[-2:])
        patches = images.unflatten(3, (columns, self.size)).unflatten(2, (rows, self.size))
        patches = patches.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        embedded = F.linear(patches, self.weight.flatten(1))
        return embedded.transpose(1, 2).reshape(len(images), -1, rows, columns)


def rebuild(state: Mapping[str, Any], source: str) -> CLIP:
    """The model whose weights these are; its architecture is read off their shapes.

    Raises:
        InputError: they are not the weights of a CLIP model; the text names `source`.
    """
    try:
        weights = {
            name: tensor for name, tensor in state.items() if isinstance(name, str) and isinstance(tensor, Tensor)
        }
        # Its parameters are replaced, so they get no memory, no random numbers, and no rounding to half precision.
        with torch.device("meta"), warnings.catch_warnings(action="ignore"):
            model = build_model(dict(weights))
        own = model.float().state_dict()
        known = {name: tensor.to(own[name].dtype) for name, tensor in weights.items() if name in own}
        model.load_state_dict(known, assign=True)
        for block in model.transformer.resblocks:  # no parameter, so it is not among the weights
            block.attn_mask = model.build_attention_mask()
    except (KeyError, RuntimeError, AssertionError, IndexError, ValueError, ZeroDivisionError) as error:
        reason = re.sub(r"\s+", " ", str(error))[:200]
        raise InputError(f"'{source}' does not hold a CLIP model in OpenAI's format: {reason}") from error
    return cast(CLIP, model)


def load_checkpoint(path: str) -> CLIP:
    """The model of a `.safetensors` file, or of a `.pt` file that holds a state dict and nothing that could run code.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    try:
        if Path(path).suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            with warnings.catch_warnings(action="ignore"):  # about TorchScript, which is refused below
                state = torch.load(path, map_location="cpu", weights_only=True)
            state = state.get("state_dict", state) if isinstance(state, dict) else None
        if not isinstance(state, dict):
            raise TypeError("it holds no state dict")
    except Exception as error:  # every reader has its own exceptions for a file that is broken
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, pickle.UnpicklingError) or "TorchScript" in reason:  # torch advises to run the code
            reason = "it is no state dict, or holds objects or TorchScript, which are code and are not run"
        raise InputError(f"cannot read the model '{path}': {reason}") from error
    return rebuild(state, path)
