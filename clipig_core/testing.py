"""Contract checks that plugin authors run on their own components::

    from clipig_core.testing import check_transform

    def test_sepia():
        check_transform(sepia)
        check_transform(sepia, amount=0.3)

Parameters are given as plain values. Core's rules for configs hold for them, and the function gets what it would get
from core. Those without a default are needed. Give values with which the component does something to an image of 12x9
pixels: shifts by nothing show no difference between views.

Each check raises `ContractError` for the first promise that is broken, the most basic first, and says what to change.
Where there is a CUDA device, everything is checked on it as well.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import random
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from logging.handlers import BufferingHandler
from typing import Any, NoReturn, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from clipig_core import config
from clipig_core.engine.canvas import Canvas, resample, resize
from clipig_core.engine.encoder import Encoder
from clipig_core.errors import InputError, Place, PluginError, nearest
from clipig_core.hooks import KINDS
from clipig_core.imaging.views import Axis, Pixels, is_lazy
from clipig_core.nodes import Node
from clipig_core.params import Declaration, Resized, declarations
from clipig_core.registry import GROUP, Registry

__all__ = [
    "ContractError",
    "check_canvas",
    "check_constraint",
    "check_feature",
    "check_loss",
    "check_model",
    "check_optimizer",
    "check_plugin",
    "check_transform",
]

__tracebackhide__ = True  # pytest then shows the author's line, not those of this file

Function = Callable[..., Any]

_CPU = torch.device("cpu")

WIDTH, HEIGHT = 12, 9
TINY = (6, 5)
ODD = [(1, 1), (1, 7), (7, 1), (16, 16), (640, 3)]
VIEWS = 32
LENGTH = 16


class ContractError(AssertionError):
    """A component breaks its contract; the text says what was found, and what to change."""


class _RefusalError(ContractError):
    """The function refuses its parameters for images of some size, which is its right."""


def check_transform(transform: Function, /, *, differentiable: bool = True, **arguments: Any) -> None:
    """Check `transform(images[B, 3, H, W], **arguments) -> [B, 3, h, w]`.

    `differentiable=False` is for functions whose gradient is not the derivative on purpose: because they have steps, as
    `quantize`, or pass gradients straight through. Then gradients must be finite where there are any, and no more.
    """
    _check_batches("transform", transform, arguments, differentiable)


def check_constraint(constraint: Function, /, *, differentiable: bool = True, **arguments: Any) -> None:
    """Check `constraint(images[B, 3, H, W], **arguments) -> [B]`; `differentiable` as for transforms."""
    _check_batches("constraint", constraint, arguments, differentiable)


def check_loss(loss: Function, /, *, differentiable: bool = True) -> None:
    """Check `loss(features[B, D], target[D]) -> [B]`, also for one target for each feature, [B, D]."""
    _check_batches("loss", loss, {}, differentiable)


def check_feature(source: Function, value: Any, /, *, encoder: Encoder | None = None, **arguments: Any) -> None:
    """Check `source(value, encoder, **arguments) -> [D]`.

    Without an `encoder` it gets a linear one that takes images of 8x8 pixels and any text.
    """
    given = _arguments("feature", source, {"value": value, **arguments})
    value = given.pop("value")
    for device in _devices() if encoder is None else [_CPU]:
        subject = _Subject("feature", source, device)
        own = encoder or _LinearEncoder(subject)
        with subject.running(), torch.no_grad():
            feature, again = (source(value, own, **given) for _ in range(2))
        wanted = own.encode_text(["a"]).shape[1]
        subject.need(
            isinstance(feature, Tensor) and feature.shape == (wanted,),
            f"returns {_describe(feature)}, not a feature [{wanted}], as long as those of the encoder",
            "return one feature without a batch: encoder.encode_text([value])[0]",
        )
        subject.need(
            feature.is_floating_point() and bool(feature.isfinite().all()),
            f"returns {feature.dtype} with values that are no finite floats",
            "return finite floats",
        )
        subject.need(
            torch.equal(feature, again), "returns another feature for the same value", "leave nothing to chance"
        )


def check_optimizer(optimizer: Function, /, **arguments: Any) -> None:
    """Check `optimizer(parameters, **arguments) -> torch.optim.Optimizer`."""
    given = _arguments("optimizer", optimizer, arguments)
    for device in _devices():
        subject = _Subject("optimizer", optimizer, device)
        pixels = torch.nn.Parameter(torch.full((1, 3, 16, 16), 0.5, device=device))
        wanted = (torch.arange(16, device=device) % 2).float()
        with subject.running():
            made = optimizer([pixels], **given)
        subject.need(
            isinstance(made, torch.optim.Optimizer),
            f"returns {_describe(made)}, not a torch.optim.Optimizer",
            "return an optimizer of torch, or a subclass",
        )
        rate = made.defaults.get("lr")
        subject.need(
            isinstance(rate, float | int) and rate > 0,
            f"its defaults have lr {rate!r}, not a number above 0",
            "give it the step size that `learnrate: 1.0` should mean: Adam(parameters, lr=0.01)",
        )
        losses = []
        for factor in [1] * 10 + [0, 0]:
            for group in made.param_groups:
                group["lr"] = rate * factor
            loss = (pixels - wanted).square().mean()
            made.zero_grad(set_to_none=True)
            loss.backward()
            with subject.running():
                made.step()
            losses.append(float(loss.detach()))
        subject.need(
            losses[10] < losses[0],
            f"ten steps on mean((pixels - wanted) ** 2) go from {losses[0]:.3g} to {losses[10]:.3g}",
            "step against the gradient, with a smaller lr if it overshoots",
        )
        subject.need(
            losses[11] == losses[10],
            "moves the pixels though core has set `lr` to 0 in its param_groups",
            'read the step size from `group["lr"]` in each step',
        )


def check_canvas(canvas: Function, /, **arguments: Any) -> None:
    """Check `canvas(width, height, device, **arguments) -> Canvas`."""
    given = _arguments("canvas", canvas, arguments)
    for device in _devices():
        subject = _Subject("canvas", canvas, device)
        for width, height in [(24, 16), (7, 13)]:
            with subject.running(f"for {width}x{height} pixels"):
                made: Canvas = canvas(width, height, device, **given)
                _check_canvas(subject, made, width, height)


def check_model(model: Function, name: str, /, **arguments: Any) -> None:
    """Check `model(name, device, dtype, **arguments) -> Encoder` with a name that users would write."""
    given = _arguments("model", model, arguments)
    for device in _devices():
        subject = _Subject("model", model, device)
        with subject.running("when it is made", seeded=False):  # weights may be drawn before they are loaded
            encoder: Encoder = model(name, device, torch.float32, **given)
        with subject.running():
            length = _check_images(subject, encoder)
            _check_texts(subject, encoder, length)


def check_plugin(module: str, /) -> None:
    """Check the module that an entry point names: its hooks, and all that their functions declare."""
    try:
        hooks = importlib.import_module(module)
    except Exception as error:
        raise ContractError(f"{module}: cannot be imported: {type(error).__name__}: {error}") from error
    known = ", ".join(KINDS.values())
    for hook in KINDS.values():
        if hasattr(hooks, hook) and not hasattr(getattr(hooks, hook), "clipig_impl"):
            raise ContractError(f"{module}: {hook} is not marked as a hook; decorate it with @hookimpl of clipig_core")
    (plugin,) = Registry([EntryPoint(module, module, GROUP)]).plugins
    if plugin.errors:
        raise ContractError(f"{module}: {plugin.errors[0]}; hooks take nothing and return names: {known}")
    if not plugin.components:
        raise ContractError(f"{module}: provides nothing; implement one of {known}, decorated with @hookimpl")
    for component in plugin.components:
        what = f"{module}: {component.kind} '{component.name}'"
        if component.name in declarations(_RESERVED.get(component.kind, object)):
            raise ContractError(f"{what} has a name that means something else in a config; choose another")
        if not re.fullmatch(r"\S+" if component.kind == "model" else r"[a-z][a-z0-9_-]*", component.name):
            raise ContractError(f"{what} is hard to write in a config; use lower-case letters, digits, '_' and '-'")
        try:
            _declared(component.kind, component.function)
        except PluginError as error:
            raise ContractError(f"{what}: {error}") from error
    code = f"import sys; sys.path[:] = {sys.path!r}; import {module}; sys.exit('torch' in sys.modules)"
    if subprocess.run([sys.executable, "-c", code], check=False).returncode:  # noqa: S603
        raise ContractError(f"{module}: importing it loads torch; leave only the hooks there, to keep listings fast")


_RESERVED = {"feature": config.Feature, "transform": config.Stage}
"""Sections of a config in which the names of components stand beside others."""


@dataclass(frozen=True)
class _Subject:
    """What is checked, on one device."""

    kind: str
    function: Function
    device: torch.device = _CPU

    @property
    def name(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return name if self.device.type == "cpu" else f"{name} on {self.device}"

    def fail(self, found: str, change: str) -> NoReturn:
        raise ContractError(f"{self.name}: {found}; {change}")

    def need(self, good: bool, found: str, change: str) -> None:
        if not good:
            self.fail(found, change)

    @contextmanager
    def running(self, what: str = "when it is called", seeded: bool = True) -> Iterator[None]:
        """Runs the component's code, which must not fail and, if it is `seeded`, not draw from the global generator."""
        before = self._states()
        try:
            yield
        except ContractError:
            raise
        except (ValueError, InputError) as error:
            message = f"{self.name}: refuses its parameters {what}: {error}; give the check parameters that fit"
            raise _RefusalError(message) from error
        except Exception as error:
            text = f"{type(error).__name__}: {_first_line(error)}"
            raise ContractError(
                f"{self.name}: fails {what}: {text}; raise ValueError if a parameter cannot be used, and nothing else"
            ) from error
        if seeded and not all(map(torch.equal, before, self._states())):
            self.fail(
                "draws from torch's global generator, so that the seed of a config does not give the same picture",
                "take `*, rng: torch.Generator`, as transforms and constraints may, and pass `generator=rng` to all "
                "that draws; what cannot take it needs a generator of its own with a fixed seed",
            )

    def _states(self) -> list[Tensor]:
        states = [torch.get_rng_state()]
        return states if self.device.type == "cpu" else [*states, torch.cuda.get_rng_state(self.device)]


def _devices() -> list[torch.device]:
    return [torch.device(name) for name in (["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"])]


def _describe(value: object) -> str:
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")


# Declarations

_FIRST = {
    "transform": ("images",),
    "constraint": ("images",),
    "loss": ("features", "target"),
    "feature": ("value", "encoder"),
    "optimizer": ("parameters",),
    "canvas": ("width", "height", "device"),
    "model": ("name", "device", "dtype"),
}
"""What core gives to the function of each kind, in order, before its parameters."""


def _declared(kind: str, function: Function) -> dict[str, Declaration]:
    """The declared parameters, once function and parameters are documented and can be used from a config."""
    subject = _Subject(kind, function)
    subject.need(inspect.isroutine(function), "is not a function", "wrap it in one, with `def`")
    subject.need(bool(inspect.getdoc(function)), "has no docstring", "say what it does, for `clipig plugins`")
    try:
        declared = declarations(function)
    except PluginError as error:
        subject.fail(str(error), "annotate it with one of the types that 'Writing plugins' lists")
    names, first = list(inspect.signature(function).parameters), _FIRST[kind]
    begin = names[: len(first)]
    subject.need(
        len(begin) == len(first) and [name for name in begin if name in declared] == ["value"] * (kind == "feature"),
        f"begins with ({', '.join(begin)})",
        f"a {kind} takes ({', '.join(first)}) first, of which only the 'value' of a feature has a Param",
    )
    for name in names[len(first) :]:
        subject.need(
            name in declared or (name == "rng" and kind in ("transform", "constraint")),
            f"parameter '{name}' is not declared",
            f'write `{name}: Annotated[float, Param("What it does.")]`, with the type that it has',
        )
    for name, declaration in declared.items():
        subject.need(
            bool(declaration.param.doc.strip()),
            f"parameter '{name}' has no description",
            "say what it does as the first argument of Param",
        )
        subject.need(kind != "loss", f"has the parameter '{name}'", "a loss takes none: write one for each case")
        subject.need(
            kind != "constraint" or name not in declarations(config.Constraint),
            f"parameter '{name}' is core's, which adds it to every constraint",
            "give it another name",
        )
        if not declaration.required:
            try:
                declaration.default_value()
            except InputError as error:
                subject.fail(f"a default is refused by its own declaration: {error}", "change the default, or Param")
    return declared


def _arguments(kind: str, function: Function, given: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values that core would pass, defaults included."""
    declared, subject = _declared(kind, function), _Subject(kind, function)
    for name in given:
        subject.need(name in declared, f"there is no parameter '{name}'", nearest(name, declared) or "it takes none")
    values = {}
    for name, declaration in declared.items():
        subject.need(
            name in given or not declaration.required,
            f"parameter '{name}' has no default",
            f"give the check a value, check_{kind}({function.__name__}, ..., {name}=...)",
        )
        try:
            node = Node.of(given[name], Place(f"check_{kind}")) if name in given else None
            value = declaration.convert(node) if node else declaration.default_value()
            values[name] = value.resolve({}, random.Random(0))
        except InputError as error:
            subject.fail(str(error), "give the check a plain value that a config could have")
    return values


# Transforms, constraints and losses: functions of a batch


@dataclass(frozen=True)
class _Batchwise(_Subject):
    """A function that works on each image of a batch, or on each feature, by itself."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
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

    def bare(self, batch: Tensor, seed: int = 0) -> Any:
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
        if self.kind == "transform":
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


def _range(batch: Tensor) -> str:
    return f" with values from {batch.detach().min():g} to {batch.detach().max():g}"


def _random(*shape: int, seed: int) -> Tensor:
    """Uniform in [0, 1), in double precision, always the same."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _weighted(result: Tensor) -> Tensor:
    """A sum that has no reason to be constant, so that each value shows in its gradient."""
    return (result * _random(*result.shape, seed=3).to(result)).sum()


def _same(one: Tensor, other: Tensor) -> bool:
    """Up to the rounding of a function that computes in single precision inside."""
    return torch.allclose(one, other, rtol=1e-5, atol=1e-5)


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
            + {"transform": "mean((1, 2, 3), keepdim=True) instead of mean()", "constraint": "mean((1, 2, 3))"}.get(
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
        if subject.kind == "transform":  # the gradient of a constraint may be zero at times
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


def _check_batches(kind: str, function: Function, given: Mapping[str, Any], differentiable: bool) -> None:
    arguments = _arguments(kind, function, given)
    for device in _devices():
        target = F.normalize(_random(LENGTH, seed=4) - 0.5, dim=0).to(device) if kind == "loss" else None
        subject = _Batchwise(kind, function, device, arguments, differentiable, target)
        for check in _CHECKS:
            check(subject)


class _Operations(TorchDispatchMode):
    """Counts what is asked of the device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


# Features, canvases and models


class _LinearEncoder:
    """An `Encoder` without training: random projections of pixels, and of how often each byte is in a text."""

    image_size = 8

    def __init__(self, subject: _Subject) -> None:
        self._subject = subject
        self._pixels, self._bytes = (
            (_random(size, LENGTH, seed=5).float() - 0.5).to(subject.device) for size in (3 * self.image_size**2, 256)
        )

    def encode_image(self, images: Tensor) -> Tensor:
        size = self.image_size
        self._subject.need(
            images.shape[1:] == (3, size, size) and float(images.min()) >= 0 and float(images.max()) <= 1,
            f"encodes {_describe(images)}{_range(images)}, not [B, 3, {size}, {size}] in [0, 1]",
            "use clipig_core.engine.encoder.fit(images, encoder.image_size)",
        )
        features: Tensor = images.to(self._pixels).flatten(1) @ self._pixels
        return features

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        counts = [torch.bincount(torch.tensor([*text.encode()], dtype=torch.long), minlength=256) for text in texts]
        features: Tensor = F.normalize(torch.stack(counts).to(self._bytes), dim=1) @ self._bytes
        return features


def _picture(width: int, height: int, device: torch.device) -> Tensor:
    """[1, 3, H, W]: smooth, of another slope in each channel."""
    coarse = _random(1, 3, 2, 3, seed=6).float() * 0.8 + 0.1
    return resample(coarse, width, height, "linear").to(device)


def _check_canvas(subject: _Subject, canvas: Canvas, width: int, height: int) -> None:
    parameters, wanted = list(canvas.parameters()), _picture(width, height, subject.device)
    subject.need(
        bool(parameters) and all(p.is_leaf and p.requires_grad and p.is_floating_point() for p in parameters),
        "its parameters() are not trainable leaf tensors",
        "make them once, with torch.nn.Parameter",
    )
    for interpolation in ("cubic", "linear", "nearest"):
        with torch.no_grad():
            canvas.write(given := wanted.clone())
            given.zero_()
        _shows(subject, canvas, parameters, wanted, "write()")
        gradients = torch.autograd.grad(_weighted(canvas.image()), parameters, allow_unused=True)
        reached = [gradient for gradient in gradients if gradient is not None and gradient.isfinite().all()]
        subject.need(
            len(reached) == len(parameters) and any(bool(gradient.any()) for gradient in reached),
            "the gradient of image() does not reach all parameters, is not finite, or is zero",
            "compute the picture from all parameters(), without detach()",
        )
        shapes = [parameter.shape for parameter in parameters]
        with torch.no_grad():
            canvas.resize(2 * width, height + 3, interpolation)
        subject.need(
            all(p.dim() == 4 or p.shape == shape for p, shape in zip(parameters, shapes, strict=True)),
            "resize() changes a parameter that is not [1, C, h, w], so core cannot resize the optimizer's memory of it",
            "give parameters that change with the resolution four dimensions",
        )
        larger = resample(wanted, 2 * width, height + 3, interpolation)
        _shows(subject, canvas, parameters, larger, f"resize() with '{interpolation}'")
        optimizer = torch.optim.Adam(parameters, lr=1e-4)
        for _ in range(2):  # the second step uses what the optimizer remembers of another resolution
            optimizer.zero_grad()
            canvas.image().mean().backward()
            optimizer.step()
            resize(canvas, optimizer, width, height, interpolation)


def _shows(subject: _Subject, canvas: Canvas, parameters: Sequence[Tensor], wanted: Tensor, after: str) -> None:
    """Whether the canvas is `wanted`, nearly, with the parameters that it had."""
    subject.need(
        [*map(id, canvas.parameters())] == [*map(id, parameters)],
        f"parameters() are other objects after {after}, so the optimizer moves what is no longer seen",
        "keep the tensors and change their data: `parameter.data = ...`",
    )
    image = canvas.image()
    subject.need(
        isinstance(image, Tensor) and image.shape == wanted.shape and image.dtype == torch.float32,
        f"image() is {_describe(image)} after {after}, not float32 {list(wanted.shape)}",
        "give images [1, 3, height, width]",
    )
    subject.need(image.device == wanted.device, f"image() is on {image.device}", "make tensors on the given `device`")
    distance = float((image.detach() - wanted).abs().mean())
    subject.need(
        distance < 0.1,  # nan fails, too
        f"image() is not the picture that it should be after {after}: {distance:.2g} away, on average",
        "take over the pixels, as copies, and keep what is seen when the resolution changes",
    )


def _check_images(subject: _Subject, encoder: Encoder) -> int:
    """Checks `encode_image`; returns the length of the features."""
    size = encoder.image_size
    subject.need(isinstance(size, int) and size > 0, f"image_size is {size!r}", "give the pixels of a side, as int")
    images = _random(3, 3, size, size, seed=1).float().to(subject.device)
    features = encoder.encode_image(images)
    _are_features(subject, features, 3, "encode_image()")
    subject.need(
        not features.requires_grad, "its weights require gradients", "freeze them: model.requires_grad_(False)"
    )
    subject.need(
        _alike(encoder.encode_image(images), features),
        "encode_image() gives other features for the same images",
        "switch off dropout and other randomness: model.eval()",
    )
    subject.need(
        _alike(encoder.encode_image(images[:1]), features[:1]),
        "the features of image 0 change when there are others in the batch",
        "let nothing depend on the batch: model.eval()",
    )
    pixels = images.clone().requires_grad_()
    features = encoder.encode_image(pixels)
    subject.need(
        features.requires_grad and bool(torch.autograd.grad(_weighted(features), pixels)[0].any()),
        "no gradient reaches the images",
        "encode them without torch.no_grad(), round() and other steps that cut off gradients",
    )
    return features.shape[1]


def _check_texts(subject: _Subject, encoder: Encoder, length: int) -> None:
    texts = ["strawberry", "a red star on a blue background"]
    features = encoder.encode_text(texts)
    _are_features(subject, features, 2, "encode_text()")
    subject.need(
        features.shape[1] == length,
        f"texts have features of {features.shape[1]} numbers, images of {length}",
        "return features of one space, behind the projections",
    )
    subject.need(
        _alike(torch.cat([encoder.encode_text([text]) for text in texts]), features),
        "a text has other features alone than beside another",
        "let nothing depend on the batch, such as the length of its longest text",
    )
    long = "strawberry " * 300
    log, handler = logging.getLogger("clipig"), BufferingHandler(10_000)
    log.addHandler(handler)
    try:
        first, second = (encoder.encode_text([long + end])[0] for end in ("on ice", "in a bowl of milk"))
    finally:
        log.removeHandler(handler)
    subject.need(
        not torch.equal(first, second) or any(record.levelno >= logging.WARNING for record in handler.buffer),
        "cuts a text that is too long without a word",
        'log what is lost: logging.getLogger("clipig").warning(...)',
    )


def _alike(features: Tensor, wanted: Tensor) -> bool:
    """Up to the rounding of a model in reduced precision."""
    return bool(((features - wanted).norm(dim=1) <= 0.01 * wanted.norm(dim=1)).all())


def _are_features(subject: _Subject, features: Any, count: int, method: str) -> None:
    subject.need(
        isinstance(features, Tensor) and features.dim() == 2 and len(features) == count,
        f"{method} returns {_describe(features)} for {count} of them, not features [{count}, D]",
        "return a feature for each",
    )
    subject.need(
        features.dtype == torch.float32 and bool(features.isfinite().all()),
        f"{method} returns {features.dtype}, or values that are not finite",
        "convert the result with float()",
    )
