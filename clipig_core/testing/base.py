"""What all checks share: a component under test, its declarations, and small helpers."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor

from clipig_core.errors import InputError, Place, PluginError, nearest
from clipig_core.extension.kinds import Kind, Takes
from clipig_core.language.nodes import Node
from clipig_core.language.params import Declaration, declarations

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


@dataclass(frozen=True)
class _Subject:
    """What is checked, on one device."""

    kind: Kind
    function: Function
    device: torch.device = _CPU

    @property
    def name(self) -> str:
        name = str(getattr(self.function, "__name__", None) or getattr(self.function, "name", self.function))
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


def _declared(kind: Kind, function: Function) -> dict[str, Declaration]:
    """The declared parameters, once function and parameters are documented and can be used from a config."""
    subject = _Subject(kind, function)
    subject.need(inspect.isroutine(function), "is not a function", "wrap it in one, with `def`")
    subject.need(bool(inspect.getdoc(function)), "has no docstring", "say what it does, for `clipig plugins`")
    try:
        declared = declarations(function)
    except PluginError as error:
        subject.fail(str(error), "annotate it with one of the types that 'Writing plugins' lists")
    names, first = list(inspect.signature(function).parameters), kind.leading
    begin = names[: len(first)]
    subject.need(
        len(begin) == len(first) and [name for name in begin if name in declared] == [*kind.declared],
        f"begins with ({', '.join(begin)})",
        f"a {kind} takes ({', '.join(first)}) first, of which only the 'value' of a feature has a Param",
    )
    for name in names[len(first) :]:
        subject.need(
            name in declared or (name == "rng" and kind.random),
            f"parameter '{name}' is not declared",
            f'write `{name}: Annotated[float, Param("What it does.")]`, with the type that it has',
        )
    for name, declaration in declared.items():
        subject.need(
            bool(declaration.param.doc.strip()),
            f"parameter '{name}' has no description",
            "say what it does as the first argument of Param",
        )
        subject.need(
            kind.takes is Takes.PARAMETERS,
            f"has the parameter '{name}'",
            f"a {kind} takes none: write one for each case",
        )
        subject.need(
            name not in kind.inside(),
            f"parameter '{name}' is core's, which adds it to every {kind}",
            "give it another name",
        )
        if not declaration.required:
            try:
                declaration.default_value()
            except InputError as error:
                subject.fail(f"a default is refused by its own declaration: {error}", "change the default, or Param")
    return declared


def _arguments(kind: Kind, function: Function, given: Mapping[str, object]) -> dict[str, object]:
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
