"""What the present epoch offers to components, and calls into them that say whose fault it is if they fail."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor

from clipig_core.config.plan import Section, Use
from clipig_core.engine.device import numbers
from clipig_core.engine.randomness import Key
from clipig_core.engine.suspects import given, taken
from clipig_core.errors import PluginError
from clipig_core.extension.registry import Component
from clipig_core.imaging.views import Axis, Images, Pixels, Views, is_lazy, pixels
from clipig_core.language.expressions import SIMILARITY
from clipig_core.language.params import Value, Values
from clipig_core.language.schedule import FrameTime, Now

S = TypeVar("S")


class Window(Protocol):
    """A section that says when its part takes part."""

    start: FrameTime
    end: FrameTime


_UNUSED = random.Random(0)
"""For constants, which draw nothing."""


@dataclass(frozen=True)
class Placed:
    """A component with its place in the config, such as `targets/0/transforms/noise/0`, which names its randomness.

    The last number counts components of the same name before it, so that another one beside it changes nothing.
    """

    use: Use
    place: str

    @classmethod
    def all(cls, uses: Iterable[Use], place: str) -> list[Placed]:
        """The components of a list."""
        seen: dict[str, int] = {}
        placed = []
        for use in uses:
            number = seen[use.name] = seen.get(use.name, -1) + 1
            placed.append(cls(use, f"{place}/{use.name}/{number}"))
        return placed


@dataclass
class EpochContext:
    """Variables for expressions, and random numbers that depend on the epoch and on who draws them."""

    now: Now
    variables: dict[str, Any]
    key: Key
    generator: torch.Generator
    dry: bool = False
    _known: dict[object, Any] = field(default_factory=dict, repr=False)

    def constant(self, value: Value, place: str) -> Any:
        """The value of a parameter at this place of the config in this epoch, resolved once."""
        if id(value) not in self._known:
            draws = _UNUSED if value.constant else self._draws(f"{place}/{value.declaration.name}")
            self._known[id(value)] = value.resolve(self.variables, draws)
        return self._known[id(value)]

    def arguments(self, part: Placed) -> dict[str, object]:
        """The plain values of a component's parameters."""
        constant = all_constant(part.use.values.values())
        return part.use.arguments(self.variables, _UNUSED if constant else self._draws(part.place))

    def rng(self, part: Placed) -> torch.Generator:
        """The generator, at the beginning of the numbers that are this component's in this epoch."""
        return self.key.fold(part.place).torch(self.generator)

    def _draws(self, place: str) -> random.Random:
        return self.key.fold("expressions", place).python()

    def at(self, section: Section[S], place: str) -> S:
        """The values of a section in this epoch, as typed attributes, each resolved when it is asked for."""
        return cast("S", _Present(self, section.values, place))

    def active(self, section: Section[Any], place: str) -> bool:
        """Whether a part with this section is not switched off."""
        return "active" not in section.values or bool(self.at(section, place).active)

    def open(self, section: Section[Window], place: str) -> bool:
        """Whether a part with this section takes part in this epoch."""
        present = self.at(section, place)
        return self.active(section, place) and self.now.within(present.start, present.end)

    def ever_open(self, section: Section[Window], place: str) -> bool:
        """Whether a part with this section may take part now or later, as far as constants can tell."""
        if not self.active(section, place) or not all_constant([section["start"], section["end"]]):
            return self.active(section, place)
        present = self.at(section, place)
        return self.now.still_opens(present.start, present.end)

    def of_view(self, index: int, similarity: float) -> EpochContext:
        """The same for one view, with its similarity and its own random numbers."""
        variables = self._with_similarity(similarity)
        return replace(self, variables=variables, key=self.key.fold("view", index), _known={})

    def _with_similarity(self, similarity: float) -> dict[str, object]:
        return self.variables | dict.fromkeys(SIMILARITY, similarity)

    def per_view(self, values: Sequence[Value], similarity: Tensor, place: str) -> Tensor:
        """[1, F] numbers; or [B, F], one for each view, if any of the expressions uses `similarity` [B, F]."""
        if not any(value.names & SIMILARITY for value in values):
            constants = [float(self.constant(value, f"{place}/{i}")) for i, value in enumerate(values)]
            return numbers(constants, similarity)[None]
        columns = [
            [float(value.resolve(self._with_similarity(number), draws)) for number in column]
            if value.names & SIMILARITY
            else [float(self.constant(value, f"{place}/{i}"))] * len(column)
            for i, (value, draws, column) in enumerate(
                zip(values, self._streams(len(values), place), similarity.T.tolist(), strict=True)
            )
        ]
        return torch.tensor(columns).T.to(similarity)

    def _streams(self, count: int, place: str) -> Iterator[random.Random]:
        """Random numbers for values that have one for each view, which go on from chunk to chunk."""
        for number in range(count):
            key = ("stream", place, number)
            if key not in self._known:
                self._known[key] = self._draws(f"{place}/{number}")
            yield self._known[key]


class _Present:
    """The values of a section in an epoch."""

    def __init__(self, context: EpochContext, values: Values, place: str) -> None:
        self._context, self._values, self._place = context, values, place

    def __getattr__(self, name: str) -> object:
        return self._context.constant(self._values[name], self._place)


def all_constant(values: Iterable[Value]) -> bool:
    """Whether none of them depends on the epoch."""
    return all(value.constant for value in values)


def call_transform(part: Placed, images: Images, context: EpochContext) -> Images:
    """Run a transform on [B, 3, H, W]. One that is lazy gets and gives `Views`, so that crops are known in time.

    Raises:
        InputError: it refuses its parameters with a ValueError.
        PluginError: it fails in any other way, or returns a wrong shape.
    """
    component = part.use.component
    if is_lazy(component.function):
        images = Pixels(images) if isinstance(images, Tensor) else images
    else:
        images = pixels(images)
    result = _call(part, images, context)
    if isinstance(result, Views):
        return _GuardedViews(result, part.use, images)
    if not _like(images, result) or result.dim() != 4 or result.shape[:2] != images.shape[:2] or not result.numel():
        raise broken(component, result, f"floats [B, 3, h, w] for images {list(images.shape)}, {images.dtype}")
    moved: Tensor = result
    given(moved, component, part.use.node.place)
    return moved


def call_constraint(part: Placed, images: Tensor, context: EpochContext) -> Tensor:
    """Run a constraint on [B, 3, H, W] -> [B].

    Raises:
        InputError: it refuses its parameters with a ValueError.
        PluginError: it fails in any other way, or returns a wrong shape.
    """
    losses = _losses(part.use, _call(part, images, context), images)
    given(losses, part.use.component, part.use.node.place, ends=True)
    return losses


def call_loss(use: Use, features: Tensor, wanted: Tensor) -> Tensor:
    """Run a loss on [B, D] and [B, D] -> [B].

    Raises:
        PluginError: it fails, or returns a wrong shape.
    """
    with use.component.calling(use.node.place):
        result = use.component.function(taken(features, use.component, use.node.place), wanted)
    losses = _losses(use, result, features)
    given(losses, use.component, use.node.place)
    return losses


def _call(part: Placed, images: Images, context: EpochContext) -> Any:
    component = part.use.component
    arguments: Mapping[str, Any] = context.arguments(part)
    extra = {"rng": context.rng(part)} if component.random else {}
    with component.calling(part.use.node.place, "" if context.dry else f"in epoch {context.now.epoch}"):
        return component.function(taken(images, component, part.use.node.place), **arguments, **extra)


def _losses(use: Use, result: Any, given: Tensor) -> Tensor:
    if not _like(given, result) or result.shape != given.shape[:1]:
        raise broken(use.component, result, f"floats [B] for {list(given.shape)}, {given.dtype}")
    losses: Tensor = result
    return losses


def _like(given: Images, result: Any) -> bool:
    """Whether a result is a dense tensor of the same type, on the same device."""
    return (
        isinstance(result, Tensor)
        and result.dtype == given.dtype
        and result.device == given.device
        and result.layout == torch.strided
    )


def broken(component: Component, result: object, wanted: str) -> PluginError:
    """What to say of a component that returned something else than its contract wants."""
    given = type(result).__name__
    if isinstance(result, Tensor):
        layout = "" if result.layout == torch.strided else f"{result.layout}, "
        given = f"{layout}{list(result.shape)}, {result.dtype} on {result.device}"
    elif isinstance(result, int | float | str | list | tuple | dict | None):
        given = repr(result)[:200]
    return PluginError(f"{component.describe()} returned {given}, not {wanted}")


class _GuardedViews(Views):
    """What a lazy transform returned; if reading goes wrong, it is this transform that is to blame."""

    def __init__(self, views: Views, use: Use, images: Images) -> None:
        self.views, self.use = views, use
        with use.component.calling(use.node.place):
            self.shape, self.dtype, self.device = torch.Size(views.shape), views.dtype, views.device
        if len(self.shape) != 4 or self.shape[:2] != images.shape[:2] or self.device != images.device:
            found = f"images {list(self.shape)} on {self.device}"
            raise PluginError(f"{use.component.describe()} returned {found} for images {list(images.shape)}")

    def read(self, columns: Axis, rows: Axis) -> Tensor:
        with self.use.component.calling(self.use.node.place):
            result = self.views.read(columns, rows)
        wanted = (*self.shape[:2], rows.index.shape[1], columns.index.shape[1])
        if not _like(self, result) or result.shape != wanted:
            raise broken(self.use.component, result, f"the floats {list(wanted)} that were read")
        given(result, self.use.component, self.use.node.place)
        return result
