"""Passes of views through an encoder, in chunks (micro-batches) that fit into memory, and back to their gradients."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core.engine.context import broken
from clipig_core.engine.encoder import Encoder, prepare
from clipig_core.engine.memory import available, out_of_memory, wanted
from clipig_core.engine.suspects import given, taken
from clipig_core.errors import RunError
from clipig_core.extension.registry import Component

if TYPE_CHECKING:
    from clipig_core.engine.targets import TargetPass

log = logging.getLogger("clipig")

CPU_BYTES = 1_000_000_000
"""Memory for the graph of a chunk on a CPU: larger ones are not faster, and too large ones end the process."""

GPU_SHARE = 0.5
"""The share of a GPU's memory for the same."""

HALF_RANGE = 64.0
"""The largest gradient of a feature in float16, which neither vanishes on its way back to the pixels nor overflows."""

FEW = 4
"""So many views are never split, and cost no measurement."""

Part = list[tuple[int, slice]]


class GuardedEncoder:
    """An `Encoder` whose failures name the plugin that it comes from."""

    def __init__(self, encoder: Encoder, component: Component) -> None:
        self.encoder, self.component = encoder, component
        with component.calling():
            self.image_size = int(encoder.image_size)

    def encode_image(self, images: Tensor) -> Tensor:
        with self.component.calling():
            return self.encoder.encode_image(images)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        with self.component.calling():
            return self.encoder.encode_text(texts)

    def prepare(self, images: Tensor) -> Tensor:
        with self.component.calling():
            return prepare(self.encoder, images)


class ChunkedEncoder:
    """An encoder of a run, through which views go `chunk` at once; None finds out how many fit into memory."""

    def __init__(
        self, encoder: GuardedEncoder, device: torch.device, dtype: torch.dtype, chunk: int | None, compiled: bool
    ) -> None:
        self.encoder, self.device, self.dtype, self.chunk = encoder, device, dtype, chunk
        self._warned = False
        self._encode = _compiled(encoder.encoder) if compiled else encoder.encode_image

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> unit-length features [B, D], without a graph."""
        return self._features([images])

    def learn(self, passes: Sequence[TargetPass]) -> None:
        """Show the views of all targets, which get the gradient of their losses with respect to their views."""
        lengths = [len(one.views) for one in passes]
        gradients: list[list[Tensor]] = [[] for _ in passes]
        done = 0
        while done < sum(lengths):
            size = self._size(sum(lengths))
            part = _part(lengths, done, size)
            try:
                found = self._learn(passes, part)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                self._shrink(size, error)
                continue
            for (index, _), gradient in zip(part, found, strict=True):
                gradients[index].append(gradient)
            done += size
        for one, pieces in zip(passes, gradients, strict=True):
            one.gradient = pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def _learn(self, passes: Sequence[TargetPass], part: Part) -> list[Tensor]:
        """The gradients for some of the views."""
        views = [passes[index].views[span].detach().requires_grad_() for index, span in part]
        features = self._features(views)
        judged = features.detach().requires_grad_()
        pieces = judged.split([len(view) for view in views])
        chunks = [passes[index].losses(piece) for (index, _), piece in zip(part, pieces, strict=True)]
        loss = torch.cat([chunk.loss for chunk in chunks]).sum()
        gradients = [torch.zeros_like(view) for view in views]
        if loss.requires_grad:
            gradients = self._back(features, torch.autograd.grad(loss, judged)[0], views)
        for (index, _), chunk in zip(part, chunks, strict=True):
            passes[index].add(chunk)
        return gradients

    def _back(self, features: Tensor, gradient: Tensor, views: list[Tensor]) -> list[Tensor]:
        """From the gradient of features [B, D] to those of their views."""
        if self.dtype != torch.float16:
            return [*torch.autograd.grad(features, views, gradient)]
        scale = HALF_RANGE / gradient.abs().max().clamp(min=1e-30)
        return [found / scale for found in torch.autograd.grad(features, views, gradient * scale)]

    def _features(self, views: Sequence[Tensor]) -> Tensor:
        """Views of one size after `prepare` go through the model together."""
        prepared = [self.encoder.prepare(view) for view in views]
        together: list[list[Tensor]] = []
        for view in prepared:
            if together and together[-1][0].shape[1:] == view.shape[1:]:
                together[-1].append(view)
            else:
                together.append([view])
        features = [self._encoded(torch.cat(group)) for group in together]
        return F.normalize(features[0] if len(features) == 1 else torch.cat(features), dim=-1)

    def _encoded(self, images: Tensor) -> Tensor:
        component = self.encoder.component
        try:
            features = self._encode(taken(images, component))
        except Exception as error:
            if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                reason = str(error).strip().splitlines()[0]
                raise RunError(f"the model cannot be compiled here: {reason}\n  Leave out 'compile: true'.") from error
            with component.calling():
                raise
        good = isinstance(features, Tensor) and features.is_floating_point() and features.device == images.device
        if not good or features.dim() != 2 or len(features) != len(images):
            raise broken(component, features, f"features [B, D] of {len(images)} images on {images.device}")
        given(features, component)
        return features.float()

    def _size(self, views: int) -> int:
        """How many views may go through the encoder at once."""
        if self.chunk is None and views > FEW:
            try:
                self.chunk = max(FEW, self._budget() // max(1, self._saved_bytes(2) - self._saved_bytes(1)))
            except Exception as error:
                if not out_of_memory(error):
                    raise
                self.chunk = FEW
        return min(views, self.chunk or views)

    def _budget(self) -> int:
        """Bytes for the graph of a chunk. On a CPU they are the same wherever there are twice as many."""
        if self.device.type == "cuda":
            return int(GPU_SHARE * torch.cuda.get_device_properties(self.device).total_memory)
        return min(CPU_BYTES, (available(self.device) or 2 * CPU_BYTES) // 2)

    def _saved_bytes(self, views: int) -> int:
        """What autograd keeps for the backward pass of so many views."""
        size, total = self.encoder.image_size, 0

        def count(tensor: Tensor) -> None:  # nothing is kept: a node that keeps its own result is never freed
            nonlocal total
            total += tensor.numel() * tensor.element_size()

        images = torch.zeros(views, 3, size, size, device=self.device, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda kept: kept):
            self.encoder.encode_image(images)
        return total

    def _shrink(self, size: int, error: Exception) -> None:
        """Half the chunk. Raises RunError if there is nothing left to halve."""
        if size == 1:
            raise RunError(f"there is too little memory{wanted(error)} for one view in the model") from error
        if not self._warned:
            log.warning("out of memory: views now go through the model in chunks of at most %d", size // 2)
        self._warned, self.chunk = True, size // 2


def _compiled(encoder: Encoder) -> Callable[[Tensor], Tensor]:
    encode = torch.compile(encoder.encode_image)

    def quiet(images: Tensor) -> Tensor:
        with warnings.catch_warnings(action="ignore"):  # of the compiler's own doings, when it meets new sizes
            return encode(images)

    return quiet


def _part(lengths: Sequence[int], start: int, size: int) -> Part:
    """At most `size` views from number `start` on, as spans of batches of these lengths."""
    part, offset = [], 0
    for index, length in enumerate(lengths):
        first, last = max(start - offset, 0), min(start + size - offset, length)
        if first < last:
            part.append((index, slice(first, last)))
        offset += length
    return part
