"""How a run looks through the encoder: as many views at once as fit into memory, and no more of it than needed."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core.config import Config
from clipig_core.encoder import Encoder, fit
from clipig_core.errors import RunError
from clipig_core.target import Look

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


class Sight:
    """The encoder of a run; the config says in which chunks it is used, and whether it is compiled."""

    def __init__(self, encoder: Encoder, config: Config, device: torch.device, dtype: torch.dtype) -> None:
        self.encoder, self.device, self.model = encoder, device, config.choices["model"].component
        self.dtype = dtype
        self.chunk: int | None = None if config.constant("chunk") == "auto" else config.constant("chunk")
        self._warned = False
        self._encode = _compiled(encoder) if config.constant("compile") else encoder.encode_image

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> unit-length features [B, D], without a graph."""
        return self._features([images])

    def learn(self, looks: Sequence[Look]) -> list[Tensor]:
        """Show the views of all looks; for each look the gradient of its losses with respect to its views."""
        lengths = [len(look.views) for look in looks]
        gradients: list[list[Tensor]] = [[] for _ in looks]
        done = 0
        while done < sum(lengths):
            size = self._size(sum(lengths))
            part = _part(lengths, done, size)
            try:
                found = self._learn(looks, part)
            except torch.OutOfMemoryError as error:
                self._shrink(size, error)
                continue
            for (index, _), gradient in zip(part, found, strict=True):
                gradients[index].append(gradient)
            done += size
        return [pieces[0] if len(pieces) == 1 else torch.cat(pieces) for pieces in gradients]

    def _learn(self, looks: Sequence[Look], part: Part) -> list[Tensor]:
        """The gradients for some of the views."""
        views = [looks[index].views[span].detach().requires_grad_() for index, span in part]
        features = self._features(views)
        judged = features.detach().requires_grad_()
        pieces = judged.split([len(view) for view in views])
        judgements = [looks[index].judge(piece) for (index, _), piece in zip(part, pieces, strict=True)]
        loss = torch.cat([judgement.loss for judgement in judgements]).sum()
        gradients = [torch.zeros_like(view) for view in views]
        if loss.requires_grad:
            gradients = self._back(features, torch.autograd.grad(loss, judged)[0], views)
        for (index, _), judgement in zip(part, judgements, strict=True):
            looks[index].add(judgement)
        return gradients

    def _back(self, features: Tensor, gradient: Tensor, views: list[Tensor]) -> list[Tensor]:
        """From the gradient of features [B, D] to those of their views."""
        if self.dtype != torch.float16:
            return [*torch.autograd.grad(features, views, gradient)]
        scale = HALF_RANGE / gradient.abs().max().clamp(min=1e-30)
        return [found / scale for found in torch.autograd.grad(features, views, gradient * scale)]

    def _features(self, views: Sequence[Tensor]) -> Tensor:
        size = self.encoder.image_size
        images = torch.cat([fit(view, size) for view in views])
        try:
            return F.normalize(self._encode(images).float(), dim=-1)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                reason = str(error).strip().splitlines()[0]
                raise RunError(f"the model cannot be compiled here: {reason}\n  Leave out 'compile: true'.") from error
            with self.model.calling():
                raise

    def _size(self, views: int) -> int:
        """How many views may go through the encoder at once."""
        if self.chunk is None and views > FEW:
            budget = CPU_BYTES
            if self.device.type == "cuda":
                budget = int(GPU_SHARE * torch.cuda.get_device_properties(self.device).total_memory)
            self.chunk = max(FEW, budget // max(1, self._saved_bytes(2) - self._saved_bytes(1)))
        return min(views, self.chunk or views)

    def _saved_bytes(self, views: int) -> int:
        """What autograd keeps for the backward pass of so many views."""
        size, total = self.encoder.image_size, 0

        def count(tensor: Tensor) -> Tensor:
            nonlocal total
            total += tensor.numel() * tensor.element_size()
            return tensor

        images = torch.zeros(views, 3, size, size, device=self.device, requires_grad=True)
        with self.model.calling(), torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            self.encoder.encode_image(images)
        return total

    def _shrink(self, size: int, error: torch.OutOfMemoryError) -> None:
        """Half the chunk. Raises RunError if there is nothing left to halve."""
        if size == 1:
            raise RunError("the device has too little memory for one view") from error
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
