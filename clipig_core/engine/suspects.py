"""Which component is to blame for values that are not finite, or for a gradient that ends: an epoch is repeated, and
what goes into each component, and what comes out of it, is looked at on its way forwards and backwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import overload

import torch
from torch import Tensor

from clipig_core.errors import Place
from clipig_core.extension.registry import Component
from clipig_core.imaging.views import Axis, Images, Views

_watching: ContextVar[Suspects | None] = ContextVar("suspects", default=None)


@contextmanager
def watching() -> Iterator[Suspects]:
    """Look at what components get and give while this is open; the device is waited for at each of them."""
    suspects = Suspects()
    token = _watching.set(suspects)
    try:
        yield suspects
    finally:
        _watching.reset(token)


@overload
def taken(images: Tensor, component: Component, place: Place | None = None) -> Tensor: ...
@overload
def taken(images: Images, component: Component, place: Place | None = None) -> Images: ...
def taken(images: Images, component: Component, place: Place | None = None) -> Images:
    """What a component is about to get; give it what this returns, which is the same to it."""
    suspects = _watching.get()
    return images if suspects is None else suspects.taken(images, _name(component, place))


def given(result: Tensor, component: Component, place: Place | None = None, ends: bool = False) -> None:
    """What a component gave; a gradient may rightly end at those that say so."""
    suspects = _watching.get()
    if suspects is not None:
        suspects.given(result, _name(component, place), ends)


def _name(component: Component, place: Place | None) -> str:
    return f"{place}: {component.describe()}" if place and place.line else component.describe()


@dataclass
class Suspects:
    """What was seen of components, by their names with their places."""

    not_finite: str = ""
    """Who made the first value, or the first gradient, that is not finite."""
    _entered: set[str] = field(default_factory=set)
    """Who got something with a graph."""
    _cut: list[str] = field(default_factory=list)
    """Who gave something without one."""
    _asked: dict[str, bool] = field(default_factory=dict)
    """Who got a gradient from behind, and whether any of it went on; in the order of the way back."""

    @property
    def blocking(self) -> str:
        """Who gets a gradient, and passes nothing of it on."""
        return next((name for name in [*self._cut, *self._asked] if not self._asked.get(name, False)), "")

    def taken(self, images: Images, name: str) -> Images:
        """A second name for images, whose gradient is then what the component made of the one that it got."""
        if isinstance(images, Views):
            return _Watched(images, self, name)
        if images.requires_grad and torch.is_grad_enabled():
            self._entered.add(name)
            images = images.view_as(images)
            images.register_hook(lambda gradient: self._passed(gradient, name))
        return images

    def given(self, result: Tensor, name: str, ends: bool) -> None:
        self._look(result, f"{name} made values that are not finite")
        if result.requires_grad:
            result.register_hook(lambda gradient: self._arrived(gradient, name, ends))
        elif name in self._entered and torch.is_grad_enabled():
            self._cut.append(name)

    def _arrived(self, gradient: Tensor, name: str, ends: bool) -> None:
        self._look(gradient, f"the weighted loss of {name} has a gradient that is not finite")
        if gradient.any() and not ends:
            self._asked.setdefault(name, False)

    def _passed(self, gradient: Tensor, name: str) -> None:
        self._look(gradient, f"{name} has a gradient that is not finite")
        if gradient.any():
            self._asked[name] = True

    def _look(self, values: Tensor, words: str) -> None:
        if not self.not_finite and not values.isfinite().all():
            self.not_finite = words


class _Watched(Views):
    def __init__(self, views: Views, suspects: Suspects, name: str) -> None:
        self.views, self.suspects, self.name = views, suspects, name
        self.shape, self.dtype, self.device = views.shape, views.dtype, views.device

    def read(self, columns: Axis, rows: Axis) -> Tensor:
        read = self.suspects.taken(self.views.read(columns, rows), self.name)
        assert isinstance(read, Tensor)  # noqa: S101 - of a tensor it makes one
        return read
