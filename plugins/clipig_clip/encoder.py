"""An encoder from a model in OpenAI's CLIP format, for plugins that have such weights."""

from __future__ import annotations

import logging
import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from clipig_clip.towers import image_tower
from clipig_clip.traits import Activation, Traits, find_traits
from clipig_core.errors import InputError

with warnings.catch_warnings(action="ignore"):  # clip-anytorch imports the deprecated pkg_resources
    import clip
    from clip.model import CLIP, build_model

log = logging.getLogger("clipig")

PLAIN = Traits()
MEAN, STD = PLAIN.mean, PLAIN.std

VOCABULARY = 49408
"""How many tokens `clip.tokenize` knows."""


class ClipEncoder:
    """A CLIP model with frozen weights (an `Encoder`).

    The image tower is computed in `dtype` (see `clipig_clip.towers`), the text tower in float32. The model given is
    taken apart.
    """

    def __init__(self, model: CLIP, device: torch.device, dtype: torch.dtype, traits: Traits = PLAIN) -> None:
        self.image_size = int(model.visual.input_resolution)
        self.context_length = int(model.context_length)
        self.tower = image_tower(model.visual, dtype).to(device)
        del model.visual
        self.text = model.to(device).eval().requires_grad_(False)
        self._device = device
        self._mean, self._std = (
            torch.tensor(color, device=device)[:, None, None] for color in (traits.mean, traits.std)
        )

    def encode_image(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] in [0, 1] -> [B, D]."""
        features: Tensor = self.tower((images.to(self._device) - self._mean) / self._std)
        return features.float()

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts -> [N, D]. Words behind the context length are dropped, with a warning that names them."""
        tokens = torch.cat([self._tokens(text) for text in texts]).to(self._device)
        model = self.text
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


def rebuild(state: Mapping[str, Any], source: str, traits: Traits = PLAIN) -> CLIP:
    """The model whose weights these are, with copies of them; what `traits` do not say is read off their shapes.

    Raises:
        InputError: they are not the weights of a CLIP model; the text names `source`.
    """
    try:
        weights = {
            name: tensor for name, tensor in state.items() if isinstance(name, str) and isinstance(tensor, Tensor)
        }
        # Its parameters are replaced, so they get no memory, no random numbers, and no rounding to half precision.
        with torch.device("meta"), warnings.catch_warnings(action="ignore"):
            model = build_model(dict(weights)).float()
        own = model.state_dict()
        copies = {name: _copy(name, tensor, own[name].dtype) for name, tensor in weights.items() if name in own}
        model.load_state_dict(copies, assign=True)
        mask = model.build_attention_mask()  # no parameter, so it is not among the weights
        for block in model.transformer.resblocks:
            block.attn_mask = mask
        _adjust(model, traits)
        _check(model)
    except (KeyError, RuntimeError, AssertionError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        reason = re.sub(r"\s+", " ", str(error))[:200]
        raise InputError(f"'{source}' does not hold a CLIP model in OpenAI's format: {reason}") from error
    return cast(CLIP, model)


def _adjust(model: CLIP, traits: Traits) -> None:
    """Make of OpenAI's architecture the one that the weights were trained in."""
    visual: Any = model.visual
    towers = [
        (model.transformer, traits.text_heads),
        *([(visual.transformer, traits.heads)] if _is_vit(visual) else []),
    ]
    for tower, heads in towers:
        for block in tower.resblocks:
            if not traits.quick:
                block.mlp.gelu = torch.nn.GELU()
            if heads:
                width = block.attn.embed_dim
                if width % heads:
                    raise ValueError(f"{width} channels cannot be shared by {heads} heads")
                block.attn.num_heads, block.attn.head_dim = heads, width // heads


def _is_vit(visual: Any) -> bool:
    return hasattr(visual, "transformer")


def _copy(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """A copy, as the tensor may be a map of a file, or belong to somebody else."""
    if tensor.layout != torch.strided or tensor.is_meta or (dtype.is_floating_point and not tensor.is_floating_point()):
        raise ValueError(f"'{name}' has no dense floating-point numbers")
    copied = tensor.to(dtype, copy=True)
    if not copied.sum().isfinite():
        raise ValueError(f"'{name}' has numbers that are not finite")
    return copied


def _check(model: CLIP) -> None:
    visual: Any = model.visual
    layers = visual.transformer.resblocks if _is_vit(visual) else visual.layer1
    least = {
        "context length": (model.context_length, 3),  # marks of beginning and end, and something between them
        "vocabulary": (model.vocab_size, VOCABULARY),
        "length of features": (model.text_projection.shape[1], 1),
        "image size": (visual.input_resolution, 1),
        "number of image layers": (len(layers), 1),
    }
    for what, (found, needed) in least.items():
        if found < needed:
            raise ValueError(f"its {what} is {found}, and has to be at least {needed}")


def load_checkpoint(path: str, activation: Activation = "auto", heads: int = 0) -> tuple[CLIP, Traits]:
    """The model of a `.safetensors` file, or of a `.pt` file that holds a state dict and nothing that could run code.

    `activation` and `heads`, of the image tower, are for files that do not say theirs.

    Raises:
        InputError: the file cannot be read, holds something else, or does not say how its model computes.
    """
    metadata: Mapping[str, str] = {}
    try:
        if Path(path).suffix.lower() == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                state: Any = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        else:
            with warnings.catch_warnings(action="ignore"):  # about TorchScript, which is refused below
                state = torch.load(path, map_location="cpu", weights_only=True)
            state = state.get("state_dict", state) if isinstance(state, dict) else None
    except Exception as error:  # every reader has its own exceptions for a file that is broken
        raise InputError(f"cannot read the model '{path}': {_reason(path, error)}") from error
    if not isinstance(state, dict):
        raise InputError(f"cannot read the model '{path}': it holds no state dict")
    traits = find_traits(Path(path), state, metadata, activation, heads)
    return rebuild(state, path, traits), traits


def _reason(path: str, error: Exception) -> str:
    """Why a file cannot be read, for people."""
    text = (str(error).splitlines() or [""])[0]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if not Path(path).stat().st_size:
        return "the file is empty"
    if isinstance(error, pickle.UnpicklingError) or "TorchScript" in text:  # torch advises to run the code
        return "it is no state dict, or holds objects or TorchScript, which are code and are not run"
    return f"the file is damaged, or something else than its name says ({type(error).__name__}: {text})"
