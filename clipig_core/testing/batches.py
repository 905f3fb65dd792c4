"""Checks of functions of a batch: transforms, constraints and losses."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from clipig_core.extension.kinds import CONSTRAINT, LOSS, TRANSFORM, Kind
from clipig_core.imaging.views import Axis, Pixels, is_lazy
from clipig_core.language.params import Resized
from clipig_core.testing.base import (
    HEIGHT,
    LENGTH,
    ODD,
    TINY,
    VIEWS,
    WIDTH,
    Function,
    _arguments,
    _describe,
    _devices,
    _first_line,
    _random,
    _range,
    _RefusalError,
    _same,
    _Subject,
    _weighted,
)

__tracebackhide__ = True  # pytest then shows the author's line, not those of this file


def check_transform(transform: Function, /, *, differentiable: bool = True, **arguments: object) -> None:
    """Check `transform(images[B, 3, H, W], **arguments) -> [B, 3, h, w]`.

    `differentiable=False` is for functions whose gradient is not the derivative on purpose: because they have steps, as
    `quantize`, or pass gradients straight through. Then gradients must be finite where there are any, and no more.
    """
    _check_batches(TRANSFORM, transform, arguments, differentiable)


def check_constraint(constraint: Function, /, *, differentiable: bool = True, **arguments: object) -> None:
    """Check `constraint(images[B, 3, H, W], **arguments) -> [B]`; `differentiable` as for transforms."""
    _check_batches(CONSTRAINT, constraint, arguments, differentiable)


def check_loss(loss: Function, /, *, differentiable: bool = True) -> None:
    """Check `loss(features[B, D], target[D]) -> [B]`, also for one target for each feature, [B, D]."""
    _check_batches(LOSS, loss, {}, differentiable)


@dataclass(frozen=True)
class _Batchwise(_Subject):
    """A function that works on each image of a batch, or on each feature, by itself."""

    arguments: Mapping[str, object] = field(default_factory=dict)
    differentiable: bool = True
    target: Tensor | None = None
    """Of a loss: [D], or [B, D]."""

    @property
    def item(self) -> str:
        return "image" if self.target is None else "feature"

    @property
    def random(self) -> bool:
        return "rng" in inspect.signature(self.function).parameters

    @property
    def resizes(self) -> bool:
        returned = typing.get_type_hints(self.function, include_extras=True).get("return")
        return Resized in getattr(returned, "__metadata__", ())

    def batch(self, count: int, size: tuple[int, int] = (WIDTH, HEIGHT), seed: int = 1) -> Tensor:
        """Random images [count, 3, H, W], or random features [count, D] of unit length; in double precision."""
        if self.target is None:
            return _random(count, 3, size[1], size[0], seed=seed).to(self.device)
        return F.normalize(_random(count, LENGTH, seed=seed) - 0.5, dim=1).to(self.device)

    def bare(self, batch: Tensor, seed: int = 0) -> object:
        """What the function returns."""
        extra = () if self.target is None else (self.target.to(batch),)
        rng = torch.Generator(self.device).manual_seed(seed)
        return self.function(batch, *extra, **self.arguments, **({"rng": rng} if self.random else {}))

    def __call__(self, batch: Tensor, seed: int = 0) -> Tensor:
        """What the function returns, which has the right shape and type, and is finite."""
        with self.running(f"for {self.item}s {list(batch.shape)} of {batch.dtype}"):
            result = self.bare(batch, seed)
        self._fits(batch, result)
        return cast(Tensor, result)

    def _fits(self, batch: Tensor, result: Any) -> None:
        given = f"{self.item}s {list(batch.shape)}"
        if self.kind is TRANSFORM:
            self.need(
                isinstance(result, Tensor) and result.dim() == 4 and result.shape[:2] == batch.shape[:2],
                f"returns {_describe(result)} for {given}, not images [B, 3, h, w]",
                "return as many images as were given",
            )
            self.need(
                self.resizes or result.shape == batch.shape,
                f"changes the resolution, {list(batch.shape)} to {list(result.shape)}, without saying so",
                "declare it with `-> Annotated[Tensor, Resized]`",
            )
        else:
            self.need(
                isinstance(result, Tensor) and result.shape == batch.shape[:1],
                f"returns {_describe(result)} for {given}, not one loss for each of them, [{len(batch)}]",
                "reduce all dimensions but the first, for example with flatten(1).mean(1)",
            )
        self.need(
            result.dtype == batch.dtype and result.device == batch.device,
            f"returns {result.dtype} on {result.device} for {batch.dtype} on {batch.device}",
            f"make tensors like those given, for example with {self.item}s.new_tensor(...)",
        )
        self.need(
            bool(result.numel() and result.isfinite().all()),
            f"returns values that are not finite, or none at all, for {given}{_range(batch)}",
            "guard divisions, logarithms and roots, for example with clamp(min=1e-6)",
        )

    def pull(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """The result, and the finite gradient of a weighted sum of it: zero where none comes through."""
        batch = batch.detach().requires_grad_()
        result = self(batch)
        found = None
        if result.requires_grad:
            with self.running("in the backward pass"):
                (found,) = torch.autograd.grad(_weighted(result), batch, allow_unused=True)
        gradient = torch.zeros_like(batch) if found is None else found
        self.need(
            bool(gradient.isfinite().all()),
            f"has gradients that are not finite for {self.item}s {list(batch.shape)}{_range(batch)}",
            "clamp the argument of a root, logarithm or division, not its result",
        )
        return result.detach(), gradient


def _types_and_shapes(subject: _Batchwise) -> None:
    for dtype in (torch.float32, torch.float64):
        for count in (4, 1):
            subject(subject.batch(count).to(dtype))


def _input_is_left_alone(subject: _Batchwise) -> None:
    batch = subject.batch(2)
    before, version = batch.clone(), batch._version
    subject(batch)
    subject.need(
        batch._version == version and torch.equal(batch, before),
        f"changes the {subject.item}s that it is given",
        "work on new tensors, without `+=`, `x[...] =`, `add_()` and other in-place operations on what was given",
    )


def _same_seed_same_result(subject: _Batchwise) -> None:
    batch = subject.batch(VIEWS)
    equal = torch.equal if subject.device.type == "cpu" else _same  # sums on a GPU depend on the order of its threads
    first = subject(batch)
    subject.need(
        equal(first, subject(batch)),
        f"gives another result for the same {subject.item}s and the same seed",
        "draw from `rng: torch.Generator` alone, and keep nothing between calls",
    )
    subject.need(
        not subject.random or not equal(first, subject(batch, seed=1)),
        "gives the same result whatever the seed of `rng` is",
        "pass `generator=rng` to what draws; or give the check parameters that leave something to chance",
    )


def _views_differ(subject: _Batchwise) -> None:
    if subject.random:
        first, *others = subject(subject.batch(1).expand(VIEWS, -1, -1, -1))
        subject.need(
            any(not torch.equal(first, other) for other in others),
            "does the same to all views of one image",
            "draw for each view: torch.rand(len(images), generator=rng, device=images.device)",
        )


def _each_by_itself(subject: _Batchwise) -> None:
    batch = subject.batch(4)
    together = subject(batch)
    others = [torch.zeros_like(batch), torch.ones_like(batch)] if subject.item == "image" else [-batch]
    for other in others:
        subject.need(
            _same(subject(torch.cat([batch[:1], other[1:]]))[0], together[0]),
            f"{subject.item} 0 changes when {subject.item}s 1 to 3 of the batch change",
            f"work on each {subject.item} by itself, for example with "
            + {TRANSFORM: "mean((1, 2, 3), keepdim=True) instead of mean()", CONSTRAINT: "mean((1, 2, 3))"}.get(
                subject.kind, "mean(-1)"
            ),
        )
    if not subject.random:
        subject.need(
            _same(torch.cat([subject(one) for one in batch.split(1)]), together),
            f"gives another result for {subject.item}s alone than for all of them in one batch",
            "let nothing depend on the size of the batch",
        )


def _lazy_reads(subject: _Batchwise) -> None:
    """What is read of lazy images is what they are, whichever part is read, and however it is asked for."""
    if not is_lazy(subject.function):
        return
    for size in ((WIDTH, HEIGHT), (40, 30)):
        batch = subject.batch(3, size)
        rng = {"rng": torch.Generator(subject.device).manual_seed(0)} if subject.random else {}
        with subject.running("when it gets Views"):
            views = subject.function(Pixels(batch), **subject.arguments, **rng)
            whole = views.pixels()
        height, width = whole.shape[-2:]
        subject.need(
            tuple(views.shape) == tuple(whole.shape) and views.dtype == whole.dtype and views.device == whole.device,
            f"returns Views whose shape, dtype and device are not those of their pixels {list(whole.shape)}",
            "set the three from what the function is given, as it changes them",
        )
        left, top, w, h = width // 3, height // 4, max(1, width // 2), max(1, height // 2)
        wanted = whole[:, :, top : top + h, left : left + w]
        for start in (int, lambda first: torch.full((3,), first, device=subject.device)):
            columns, rows = Axis.run(start(left), w, subject.device), Axis.run(start(top), h, subject.device)
            with subject.running("when a part of its Views is read"):
                part = views.read(columns, rows)
            subject.need(
                part.shape == wanted.shape and _same(part, wanted),
                f"its Views read {w}x{h} pixels at {left}, {top} that are not those at this place of all its pixels",
                "let `read` depend on `index` alone; an Axis has a `start` only if its positions follow one another, "
                "and `span` is the largest distance between any two",
            )


def _one_target_for_each(subject: _Batchwise) -> None:
    if subject.target is not None:
        batch, targets = subject.batch(3), subject.batch(3, seed=2)
        alone = [replace(subject, target=target)(batch)[index] for index, target in enumerate(targets)]
        subject.need(
            _same(replace(subject, target=targets)(batch), torch.stack(alone)),
            "a target for each feature, [B, D], gives other losses than each of them alone, [D]",
            "work along the last dimension: (features - target).square().mean(-1)",
        )


def _views_may_share_memory(subject: _Batchwise) -> None:
    one = subject.batch(1)
    views = one.expand(4, *one.shape[1:])
    (shared, gradient), (copied, wanted) = subject.pull(views), subject.pull(views.clone())
    subject.need(
        _same(shared, copied) and _same(gradient.sum(0), wanted.sum(0)),
        "gives another result, or another gradient, for views that share memory (expand) than for copies",
        "do not rely on the strides or the storage of what was given",
    )


def _plain_values(subject: _Batchwise) -> None:
    """No spread to divide by, no distance to take the root of."""
    if subject.target is not None:
        subject.pull(subject.target.expand(2, -1))
    else:
        for level in (0.0, 0.3, 1.0, -0.1, 1.1):  # the values of a picture may leave [0, 1]
            subject.pull(torch.full_like(subject.batch(2), level).float())


def _all_sizes(subject: _Batchwise) -> None:
    if subject.item != "image":
        return
    sizes = []
    for size in [(WIDTH, HEIGHT), *ODD]:
        with suppress(_RefusalError):
            batch = subject.batch(2, size).float()
            sizes.append((batch.shape, subject.pull(batch)[0].shape))
    subject.need(
        not subject.resizes or any(before != after for before, after in sizes),
        "says that it changes the resolution (Resized), and does not",
        "return a plain `Tensor`; or give the check parameters that change it",
    )


def _gradients_come_through(subject: _Batchwise) -> None:
    if subject.differentiable:
        batch = subject.batch(2).requires_grad_()
        reached = subject(batch).requires_grad
        if subject.kind is TRANSFORM:  # the gradient of a constraint may be zero at times
            reached = reached and bool(subject.pull(batch)[1].any())
        subject.need(
            reached,
            f"no gradient reaches the {subject.item}s",
            "avoid round(), floor(), detach(), .data, torch.no_grad() and NumPy on the way; or give the check "
            "parameters with which it does something; or, if it is made so, check it with differentiable=False",
        )


def _gradients_are_right(subject: _Batchwise) -> None:
    if not subject.differentiable:
        return
    batch = subject.batch(2, TINY)
    try:
        subject(batch)
    except _RefusalError:
        batch = subject.batch(2)
    subject.need(
        torch.autograd.gradcheck(subject, [batch.requires_grad_()], raise_exception=False, nondet_tol=1e-9),
        "its gradient is not the derivative of what it computes, by comparison with small changes of the input",
        "look for a part that is cut off by detach(), .data or torch.no_grad(), for a wrong backward() of your own, "
        "and for float32 where the input is float64; or, if it is made so, check it with differentiable=False",
    )


def _device_is_not_waited_for(subject: _Batchwise) -> None:
    """Seen on the device `meta`, whose tensors have no values to wait for, and take none of another device."""
    counts = []
    for count in (2, 5):
        batch = subject.batch(count).float().to("meta")
        try:
            with _Operations() as operations:
                subject.bare(batch)
        except Exception as error:
            if "Meta kernel" in str(error) and "aten::" not in str(error):
                return  # an operation that is not torch's own and knows real devices alone
            subject.fail(
                f"reads values back from the device, or mixes devices: {_first_line(error)}",
                "compute with tensors, torch.where() instead of `if` and masks, without item(), float(), tolist() or "
                f"cpu(); and make new ones with device={subject.item}s.device",
            )
        counts.append(operations.count)
    subject.need(
        counts[0] == counts[1],
        f"takes {counts[0]} operations for 2 {subject.item}s and {counts[1]} for 5",
        "work on the whole batch at once, without a loop",
    )


_CHECKS: Sequence[Callable[[_Batchwise], None]] = (
    _types_and_shapes,
    _input_is_left_alone,
    _same_seed_same_result,
    _lazy_reads,
    _plain_values,
    _each_by_itself,
    _one_target_for_each,
    _views_differ,
    _gradients_come_through,
    _all_sizes,
    _views_may_share_memory,
    _gradients_are_right,
    _device_is_not_waited_for,
)


def _check_batches(kind: Kind, function: Function, given: Mapping[str, Any], differentiable: bool) -> None:
    arguments = _arguments(kind, function, given)
    for device in _devices():
        target = F.normalize(_random(LENGTH, seed=4) - 0.5, dim=0).to(device) if kind is LOSS else None
        subject = _Batchwise(kind, function, device, arguments, differentiable, target)
        for check in _CHECKS:
            check(subject)


class _Operations(TorchDispatchMode):
    """Counts what is asked of the device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> object:
        self.count += 1
        return func(*args, **(kwargs or {}))
