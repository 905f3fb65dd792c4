"""CLIP's image towers, rebuilt for weights that never change.

What is linear and constant is multiplied into the weights once, in float32: normalisations into the layers next to
them, and the factors of attention and of the activation. Beyond rounding, they compute what `clip.model` computes
(Radford et al. 2021), with fewer passes over the memory.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

SHORT = 128
"""Attention over so few tokens in bfloat16 is faster on a CPU as plain matrix products than as flash attention."""

QUICK_GELU = 1.702
"""OpenAI's activation is `x * sigmoid(QUICK_GELU * x)`."""


def image_tower(visual: Any, dtype: torch.dtype) -> nn.Module:
    """A module from normalised images [B, 3, S, S] to features [B, D] in `dtype`; it takes `visual` apart.

    Linear layers and the results of all layers are in `dtype`, what layer norms compute inside is in float32.
    """
    visual = visual.eval().requires_grad_(False)
    return (ResNet if hasattr(visual, "attnpool") else VisionTransformer)(visual, dtype)


class VisionTransformer(nn.Module):
    """A `clip.model.VisionTransformer`, of whose last block only the token that is read at the end is computed."""

    first: Tensor
    positions: Tensor

    def __init__(self, visual: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.patch, self.dtype = visual.conv1.kernel_size[0], dtype
        self.embedding = _Linear(visual.conv1.weight.flatten(1), None, dtype)
        positions = visual.positional_embedding
        self.register_buffer("first", (visual.class_embedding + positions[0]).to(dtype))
        self.register_buffer("positions", positions[1:].to(dtype))
        self.before, self.after = visual.ln_pre, visual.ln_post
        self.blocks = nn.ModuleList(_Block(block, dtype) for block in visual.transformer.resblocks)
        self.projection = _Linear(visual.proj.T, None, dtype)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] -> [B, D]"""
        rows, columns = (side // self.patch for side in images.shape[-2:])
        patches = images.to(self.dtype).unflatten(3, (columns, self.patch)).unflatten(2, (rows, self.patch))
        patches = patches.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        tokens = torch.cat([self.first.expand(len(images), 1, -1), self.embedding(patches) + self.positions], 1)
        tokens = self.before(tokens)
        *blocks, last = self.blocks
        for block in blocks:
            tokens = block(tokens, tokens.shape[1])
        features: Tensor = self.projection(self.after(last(tokens, 1)[:, 0]))
        return features


class _Linear(nn.Module):
    """A linear layer, rounded to `dtype`."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().to(dtype).contiguous())
        self.register_buffer("bias", None if bias is None else bias.detach().to(dtype))

    def forward(self, values: Tensor) -> Tensor:
        return F.linear(values, self.weight, self.bias)


class _Block(nn.Module):
    """Attention and a perceptron, each behind a layer norm and beside a residual connection."""

    def __init__(self, block: Any, dtype: torch.dtype) -> None:
        super().__init__()
        attention, (hidden, activation, output) = block.attn, block.mlp
        width, self.heads = attention.embed_dim, attention.num_heads
        weight, bias = _behind(block.ln_1, attention.in_proj_weight, attention.in_proj_bias)
        scale = torch.ones_like(bias)
        scale[:width] = (width // self.heads) ** -0.5
        self.queries_keys_values = _Linear(weight * scale[:, None], bias * scale, dtype)
        self.attended = _Linear(attention.out_proj.weight, attention.out_proj.bias, dtype)
        weight, bias = _behind(block.ln_2, hidden.weight, hidden.bias)
        self.quick = not isinstance(activation, nn.GELU)
        factor = QUICK_GELU if self.quick else 1.0
        self.hidden = _Linear(factor * weight, factor * bias, dtype)
        self.output = _Linear(output.weight / factor, output.bias, dtype)

    def forward(self, tokens: Tensor, count: int) -> Tensor:
        """[B, L, D] -> [B, count, D], the first of them."""
        tokens = tokens[:, :count] + self._attention(F.layer_norm(tokens, tokens.shape[-1:]), count)
        hidden = self.hidden(F.layer_norm(tokens, tokens.shape[-1:]))
        result: Tensor = tokens + self.output(F.silu(hidden) if self.quick else F.gelu(hidden))
        return result

    def _attention(self, tokens: Tensor, count: int) -> Tensor:
        heads = self.queries_keys_values(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = heads[0, :, :, :count], heads[1], heads[2]
        if tokens.device.type == "cpu" and tokens.dtype == torch.bfloat16 and tokens.shape[1] <= SHORT:
            seen = (queries @ keys.transpose(2, 3)).softmax(-1) @ values
        else:
            seen = F.scaled_dot_product_attention(queries, keys, values, scale=1.0)
        attended: Tensor = self.attended(seen.transpose(1, 2).flatten(2))
        return attended


def _behind(norm: nn.LayerNorm, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The weights of a linear layer that takes in the factors and offsets of the layer norm before it."""
    return weight * norm.weight, bias + weight @ norm.bias


class ResNet(nn.Module):
    """A `clip.model.ModifiedResNet` whose batch norms are in its convolutions, and whose channels lie together."""

    def __init__(self, visual: Any, dtype: torch.dtype) -> None:
        super().__init__()
        _fuse(visual)
        self.visual, self.dtype = visual.to(dtype, memory_format=torch.channels_last), dtype

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] -> [B, D]"""
        features: Tensor = self.visual(images.to(self.dtype, memory_format=torch.channels_last))
        return features


NORM_OF = {"conv1": "bn1", "conv2": "bn2", "conv3": "bn3", "0": "1"}
"""The names of convolutions and of the batch norms behind them, in `clip.model`; blocks have such names, too."""


def _fuse(module: nn.Module) -> None:
    for name, child in [*module.named_children()]:
        norm = getattr(module, NORM_OF.get(name, ""), None)
        if isinstance(child, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(child, norm))
            setattr(module, NORM_OF[name], nn.Identity())
        else:
            _fuse(child)
