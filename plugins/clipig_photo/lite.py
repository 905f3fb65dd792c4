"""EfficientNet-lite (Tan & Le 2019, without squeeze-and-excitation, with ReLU6), for looking, not for training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import count

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STAGES = ((1, 1), (2, 2), (2, 2), (2, 3), (1, 3), (2, 4), (1, 1))
"""(stride of the first block, number of blocks) in lite0; the others have more blocks in all but the first and last."""

DEPTHS = {"lite0": 1.0, "lite1": 1.1, "lite2": 1.2}
EPSILON = 1e-3
"""What batch norms add to the variance."""

MEAN, SCALE = 127 / 255, 128 / 255


def _folded(state: Mapping[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution followed by its batch norm."""
    factor = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + EPSILON).sqrt()
    weight = state[f"{convolution}.weight"] * factor[:, None, None, None]
    return weight, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * factor


def shares(images: Tensor, blocks: int, drop: float) -> Tensor:
    """[B, 3, H, W] -> [B, blocks]: 0 for a block that an image skips, else 1 / the probability that it does not.

    This is stochastic depth (Huang et al. 2016), with which the nets were trained: the probability of being skipped
    grows from 0 in the first block towards `drop` behind the last. It is drawn from the bits of the image's pixels, so
    an image is always seen the same way, wherever it stands in a batch; grain in views makes it vary. Bits are added as
    integers, since the last digits of a sum of floats depend on the order.
    """
    bits = images.detach().float().contiguous().view(torch.int32).long().sum((1, 2, 3))
    places = torch.arange(blocks, device=images.device)
    mixed = (bits[:, None] + places * 0x632BE59BD9B4E019) * 0x2545F4914F6CDD1D  # overflows, as it should
    mixed = (mixed ^ (mixed >> 29)) * 0x369DEA0F31A53F85
    drawn = (mixed >> 33 & 0x7FFFFFF) / 0x8000000
    odds = drop * places / blocks
    return (drawn >= odds) / (1 - odds)


class Convolution(nn.Module):
    """A convolution with its batch norm folded in, and TensorFlow's 'same' padding: more at the right and bottom."""

    weight: Tensor
    bias: Tensor

    def __init__(self, state: Mapping[str, Tensor], convolution: str, norm: str, stride: int = 1) -> None:
        super().__init__()
        weight, bias = _folded(state, convolution, norm)
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias)
        self.stride = stride
        self.groups = len(weight) if weight.shape[1] == 1 else 1  # one input channel for each filter: depthwise

    def forward(self, images: Tensor) -> Tensor:
        images = images.to(self.weight.dtype)
        kernel = self.weight.shape[-1]
        down, across = ((math.ceil(n / self.stride) - 1) * self.stride + kernel - n for n in images.shape[-2:])
        down, across = max(down, 0), max(across, 0)
        if down % 2 or across % 2:
            images = F.pad(images, (across // 2, across - across // 2, down // 2, down - down // 2))
            down = across = 0
        return F.conv2d(images, self.weight, self.bias, self.stride, (down // 2, across // 2), 1, self.groups)


class Product(nn.Module):
    """A convolution of single pixels with its batch norm folded in: a product of matrices, in the format of its weight.

    In bfloat16, where a CPU multiplies that natively, the nets take two thirds of the time. Convolutions of
    neighbourhoods would be slower in it.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, state: Mapping[str, Tensor], convolution: str, norm: str) -> None:
        super().__init__()
        weight, bias = _folded(state, convolution, norm)
        self.register_buffer("weight", weight[:, :, 0, 0].contiguous())
        self.register_buffer("bias", bias)

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.permute(0, 2, 3, 1).to(self.weight.dtype)
        return F.linear(pixels, self.weight, self.bias).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Expands the channels, looks at the neighbourhood within each, and shrinks them again."""

    def __init__(self, state: Mapping[str, Tensor], name: str, stride: int) -> None:
        super().__init__()
        expands = f"{name}._expand_conv.weight" in state
        self.expand = Product(state, f"{name}._expand_conv", f"{name}._bn0") if expands else None
        self.look = Convolution(state, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        self.shrink = Product(state, f"{name}._project_conv", f"{name}._bn2")
        first = self.expand or self.look
        channels = first.weight.shape[1] if expands else len(first.weight)
        self.adds = stride == 1 and channels == len(self.shrink.weight)

    def forward(self, images: Tensor, share: Tensor | None = None) -> Tensor:
        """`share`, [B]: how often what is found in each image is added to it, if it is; once by default."""
        wide = F.relu6(self.expand(images)) if self.expand else images
        found: Tensor = self.shrink(F.relu6(self.look(wide))).to(images.dtype)
        if not self.adds:
            return found
        return images + (found if share is None else found * share[:, None, None, None].to(found.dtype))


class Lite(nn.Module):
    """A frozen EfficientNet-lite with its 1000 classes, for images of any size."""

    classes: Tensor
    """[1000, 1280]: for each class, what its features look like."""
    bias: Tensor
    drawn: Tensor
    """[N, 1280], of any length: the same for N things that are no classes."""

    def __init__(self, state: Mapping[str, Tensor], depth: float, drawn: Tensor | None = None) -> None:
        """From the state dict of efficientnet_lite_pytorch, and how many times the blocks of lite0 it has."""
        super().__init__()
        self.stem = Convolution(state, "_conv_stem", "_bn0", 2)
        self.blocks = nn.ModuleList()
        numbers = count()
        for stage, (stride, blocks) in enumerate(STAGES):
            grows = 0 < stage < len(STAGES) - 1
            for position in range(math.ceil(blocks * depth) if grows else blocks):
                name = f"_blocks.{next(numbers)}"
                self.blocks.append(Block(state, name, stride if position == 0 else 1))
        self.head = Product(state, "_conv_head", "_bn1")
        self.register_buffer("classes", state["_fc.weight"])
        self.register_buffer("bias", state["_fc.bias"])
        self.register_buffer("drawn", self.classes[:0] if drawn is None else drawn.to(self.classes.dtype))

    def looks(self) -> Tensor:
        """[1000 + N, 1280]: of each class what sets it apart from the others, and of each further thing, as long."""
        apart = self.classes - self.classes.mean(0)
        return torch.cat([apart, F.normalize(self.drawn, dim=1) * apart.norm(dim=1).mean()])

    def multiply_in(self, dtype: torch.dtype) -> None:
        """Choose the number format of the products of matrices, of which most of a net consists."""
        for part in self.modules():
            if isinstance(part, Product):
                part.to(dtype)

    def forward(self, images: Tensor, drop: float = 0.0) -> Tensor:
        """[B, 3, H, W] in [0, 1] -> features [B, 1280] from 0 to 6, float32. `drop` is that of `shares`."""
        pixels = (images - MEAN) / SCALE
        maps = F.relu6(self.stem(pixels.contiguous(memory_format=torch.channels_last)))
        each: Sequence[Tensor | None]
        each = shares(images, len(self.blocks), drop).unbind(1) if drop else [None] * len(self.blocks)
        for block, share in zip(self.blocks, each, strict=True):
            maps = block(maps, share)
        return F.relu6(self.head(maps)).float().mean((2, 3))

    def logits(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] -> how much each image is of each class [B, 1000], before a softmax."""
        return F.linear(self(images), self.classes.float(), self.bias.float())
