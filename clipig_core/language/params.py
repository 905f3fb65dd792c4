"""Parameters: declared once, in a signature; read here; converted, checked and resolved by what was read.

A parameter is an annotation with a `Param` and a plain default:

    sigma: Annotated[Floats2 | None, Param("Standard deviation in pixels, x and y.", min=0)] = None

Its type is one of `float`, `int`, `int | float`, `bool`, `str`, `File`, `Color`, `FrameTime`, `list`, a `Literal` of
strings, a fixed tuple of numbers, and such tuples or None joined by `|`; a `Literal` beside a number, `int |
Literal["auto"]`, is a word that may stand in its place. Numbers may be written as expressions; one value fills a tuple.
`clipig_core/language/types.py` has an object for each, and plugins may bring others.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import math
import random
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from clipig_core.errors import InputError, Place, PluginError, Problem
from clipig_core.language.expressions import VARIABLES, Deferred, Expression, ExpressionError, split_list
from clipig_core.language.nodes import Node
from clipig_core.language.types import LARGEST as LARGEST
from clipig_core.language.types import TYPES, Choice, Numbers, Param, Type, short
from clipig_core.language.types import Color as Color
from clipig_core.language.types import File as File
from clipig_core.language.types import Floats3 as Floats3

Floats2 = tuple[float, float]
Floats4 = tuple[float, float, float, float]
Ints2 = tuple[int, int]


log = logging.getLogger("clipig")

REQUIRED: object = inspect.Parameter.empty
DEFAULT = Place("default")
"""Of what nobody wrote."""
SIDES = (100.0, 1.0, 1e5)
"""Of pictures, for which shares of them are tried before there is one."""


class Resized:
    """Marks the return annotation of a transform that changes the resolution: `-> Annotated[Tensor, Resized]`."""


@dataclass(frozen=True)
class Declaration:
    """One parameter as declared: of one `type`, or a list of some of the `lengths`; empty for a single value."""

    name: str
    type: Type
    lengths: tuple[int, ...]
    optional: bool
    default: Any
    param: Param
    variables: tuple[str, ...] = ()
    functions: Mapping[str, Callable[..., object]] = field(default_factory=dict, compare=False, repr=False)
    """Of plugins, which expressions may call besides those of the language."""

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def type_name(self) -> str:
        """The type in words: `list of 2 floats`."""
        share = ", or a share of the picture such as 5%" if self.param.length else ""
        if not self.lengths or self.type.lengths:
            return self.type.name + share
        return f"list of {' or '.join(map(str, self.lengths))} {self.type.name}s{share}"

    def convert(self, node: Node) -> Value:
        """The value that `node` gives this parameter, checked as far as it is known before the run.

        Raises:
            InputError: the value has the wrong type, length or range, or is no valid expression.
        """
        if node.value is None and self.optional:
            return Value(self, node, (None,))
        with self._at(node):
            value = Value(self, node, tuple(self._items(_in_pixels(node) if self.param.length else node)))
        if value.constant:
            _ = value.fixed
        elif self.param.length:
            with self._at(node):
                self._check_lengths(value)
        return value

    def default_value(self) -> Value:
        node = Node.of(self.default, DEFAULT)
        if self.default is None:
            return Value(self, node, (None,))
        return self.convert(node)

    def _check_lengths(self, value: Value) -> None:
        """Raises ValueError if one is out of bounds whatever the size of the picture."""
        for item in value.items:
            if not isinstance(item, Expression) or not item.names <= {"width", "height"} or item.random:
                continue
            try:
                lengths = [item({"width": side, "height": side}, random.Random(0)) for side in SIDES]
            except ExpressionError:  # which a picture of that size would have
                continue
            if all(isinstance(one, int | float) and self.param.held(one) != one for one in lengths):
                try:
                    self.param.check(lengths[0])
                except ValueError as error:
                    raise ValueError(f"{error} in a picture of {SIDES[0]:g} pixels, and of any other size") from None

    @contextlib.contextmanager
    def _at(self, node: Node) -> Iterator[None]:
        """Errors get the place of `node`, or of the character in it."""
        try:
            yield
        except ExpressionError as error:
            raise self._error(str(error), node, error.offset if node.plain else 0) from None
        except ValueError as error:
            raise self._error(str(error), node) from None

    def _error(self, message: str, node: Node, offset: int = 0) -> InputError:
        place = node.place
        if offset and place.line:
            place = Place(place.source, place.line, place.column + offset)
        return InputError(Problem(f"{self.name}: {message}", place, f"expected {self.type_name}"))

    def _items(self, node: Node) -> list[object]:
        """The elements of the value, each a constant or an Expression."""
        if isinstance(node.value, dict) and not self.type.mappings:
            raise ValueError("a mapping is not a value here")
        if self.type.lists:
            return [self._readable(self.type.read(node))]
        if isinstance(node.value, list):
            if not self.lengths:
                raise ValueError("a list is not a value here")
            items = []
            for element in node.value:
                with self._at(element):
                    item = self._item(element)
                    if not isinstance(item, Deferred):  # wrong whatever the expressions beside it will be
                        self.type.finish(item, self.param)
                    items.append(item)
        elif isinstance(node.value, str) and self.lengths and self.type.numeric:
            items = [*(self.type.several(node.value) or split_list(node.value, self._allowed(), self.functions))]
        else:
            items = [self._item(node)]
        if self.lengths and len(items) not in (1, *self.lengths):
            raise ValueError(f"{len(items)} values given, {' or '.join(map(str, self.lengths))} needed, or one for all")
        return items

    def _readable(self, item: object) -> object:
        """Raises ValueError if an item reads variables that this parameter has not."""
        unknown = sorted(item.names - self._allowed()) if isinstance(item, Deferred) else []
        if unknown:
            raise ValueError(f"'{unknown[0]}' is not known here")
        return item

    def _allowed(self) -> frozenset[str]:
        return frozenset(name for group in self.variables for name in VARIABLES[group])

    def _item(self, node: Node) -> object:
        if isinstance(node.value, dict | list) or node.value is None:
            raise ValueError(f"{node.describe()} is not a value here")
        item = self.type.read(node)
        return Expression(node.value, self._allowed(), self.functions) if item is None else item


_SHARE = re.compile(r"(?<![\w.)])(\d+\.?\d*|\.\d+)%(?=\s*(?:,|$)|\s+[\d.])")


def _in_pixels(node: Node) -> Node:
    """What is written as a length, with expressions in place of shares such as `5%`."""
    if isinstance(node.value, list):
        return replace(node, value=[_in_pixels(element) for element in node.value])
    if isinstance(node.value, str):
        return replace(node, value=_SHARE.sub(r"(\1/100*min(width,height))", node.value))
    return node


@dataclass(frozen=True)
class Value:
    """What a parameter was given: constants, expressions and other deferred values, and the place they came from."""

    declaration: Declaration
    node: Node
    items: tuple[object, ...]
    _constants: list[object] = field(default_factory=list, compare=False, repr=False)
    _warned: list[bool] = field(default_factory=list, compare=False, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The variables that its expressions read."""
        return frozenset().union(*(item.names for item in self.items if isinstance(item, Deferred)))

    @property
    def constant(self) -> bool:
        return all(item.constant for item in self.items if isinstance(item, Deferred))

    @property
    def source(self) -> object:
        """As written, for the configuration beside the image; files by their full path."""
        return None if self.items == (None,) else self.declaration.type.source(self.items[0], self.node)

    def resolve(self, variables: Mapping[str, object], rng: random.Random) -> Any:
        """The plain value for these variables; constants are computed once.

        Raises:
            InputError: an expression has no value, or one that is out of range.
        """
        if self._constants:
            return self._constants[0]
        try:
            result = self._compute(variables, rng)
        except (ExpressionError, ValueError) as error:
            at = f" in epoch {variables['epoch']:g}" if "epoch" in variables else ""
            raise self.declaration._error(f"{error}{at}", self.node) from None
        if self.constant:
            self._constants.append(result)
        return result

    @property
    def fixed(self) -> Any:
        """The plain value of one that is the same in every epoch."""
        return self.resolve({}, random.Random(0))

    def _compute(self, variables: Mapping[str, object], rng: random.Random) -> object:
        if self.items == (None,):
            return None
        lengths = self.declaration.lengths
        results: list[object] = []
        for item in self.items:
            if not isinstance(item, Deferred):
                results.append(item)
                continue
            value = item(variables, rng)
            several = value if isinstance(value, list) and lengths and len(self.items) == 1 else [value]
            truncate = self.declaration.type.whole and not item.literal
            results += [math.trunc(v) if truncate and isinstance(v, float) else v for v in several]
        if not self.constant:
            results = [self._held(result, variables) for result in results]
        finished = [self.declaration.type.finish(result, self.declaration.param) for result in results]
        if not lengths:
            return finished[0]
        if len(finished) == 1:
            finished *= lengths[0]
        if len(finished) not in lengths:
            raise ValueError(f"{len(finished)} values given, {' or '.join(map(str, lengths))} needed, or one for all")
        return tuple(finished)

    def _held(self, result: object, variables: Mapping[str, object]) -> object:
        """The result of an expression, held at the bounds of the parameter, with one warning."""
        if isinstance(result, bool) or not isinstance(result, int | float):
            return result
        held = self.declaration.type.held(result, self.declaration.param)
        if held != result and not self._warned:
            self._warned.append(True)
            when = f" in epoch {variables['epoch']:g}" if "epoch" in variables else ""
            name, place = self.declaration.name, self.node.place
            log.warning(
                "%s: %s: %s is out of range%s, and is held at %s", place, name, short(result), when, short(held)
            )
        return held


Values = dict[str, Value]


def resolve(values: Values, variables: Mapping[str, object], rng: random.Random) -> dict[str, object]:
    """Plain values by name."""
    return {name: value.resolve(variables, rng) for name, value in values.items()}


def declarations(owner: Callable[..., object] | type, variables: Sequence[str] = ()) -> dict[str, Declaration]:
    """The parameters that a function or a class declares, in order; expressions may use the groups `variables`.

    Raises:
        PluginError: an annotation cannot be read or has no meaning as a parameter.
    """
    try:
        hints = typing.get_type_hints(owner, include_extras=True)
    except Exception as error:
        advice = "; import their types for real, not under `if TYPE_CHECKING:`" if isinstance(error, NameError) else ""
        raise PluginError(f"{owner.__name__}: its annotations cannot be read: {error}{advice}") from error
    if isinstance(owner, type):
        defaults = {name: getattr(owner, name, REQUIRED) for name in hints}
    else:
        defaults = {name: parameter.default for name, parameter in inspect.signature(owner).parameters.items()}
    found = {}
    for name, default in defaults.items():
        hint: Any = hints.get(name)
        extras = getattr(hint, "__metadata__", ())
        param = next((extra for extra in extras if isinstance(extra, Param)), None)
        if param is not None:
            groups = getattr(owner, "VARIABLES", {}).get(name, variables)
            own = any(isinstance(extra, Type) for extra in extras)
            found[name] = _declare(name, hint if own else hint.__origin__, default, param, tuple(groups))
    return found


def _declare(name: str, annotation: Any, default: object, param: Param, variables: tuple[str, ...]) -> Declaration:
    """The declaration of `T`, a tuple of `T`, several lengths of such tuples, any of them with None or with words."""
    parts = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    optional, parts = types.NoneType in parts, tuple(part for part in parts if part is not types.NoneType)
    literals = [part for part in parts if typing.get_origin(part) is Literal]
    others = [part for part in parts if part not in literals]
    words = tuple(word for literal in literals for word in typing.get_args(literal))
    lengths: tuple[int, ...] = ()
    if others and all(typing.get_origin(part) is tuple for part in others):
        lengths = tuple(len(typing.get_args(part)) for part in others)
        others = list(dict.fromkeys(element for part in others for element in typing.get_args(part)))
    found = _type(others, words) if not lengths or len(others) == 1 else None
    if found is None:
        raise PluginError(f"parameter '{name}': {annotation} is not a parameter type")
    return Declaration(name, found, lengths or found.lengths, optional, default, param, variables)


def _type(parts: Sequence[object], words: tuple[str, ...]) -> Type | None:
    """The type of annotations that are joined by `|`, and of words that may stand in their place."""
    if not parts:
        return Choice(words) if words else None
    own = (extra for part in parts for extra in getattr(part, "__metadata__", ()) if isinstance(extra, Type))
    found = next(own, None) or TYPES.get(typing.Union[tuple(parts)])  # noqa: UP007 - made here, not written
    if words:
        return found.with_words(words) if isinstance(found, Numbers) else None
    return found


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)
