"""Parameters: declared once, in a signature; read here; converted, checked and resolved by what was read.

A parameter is an annotation with a `Param` and a plain default:

    sigma: Annotated[Floats2 | None, Param("Standard deviation in pixels, x and y.", min=0)] = None

Its type is one of `float`, `int`, `int | float`, `bool`, `str`, `File`, `FrameTime`, `list`, a `Literal` of strings, a
fixed tuple of numbers, and such tuples or None joined by `|`; a `Literal` beside a number, `int | Literal["auto"]`, is
a word that may stand in its place. Numbers may be written as expressions; one value fills a tuple.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import math
import random
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from clipig_core.errors import InputError, Place, PluginError, Problem, nearest
from clipig_core.language.expressions import VARIABLES, Expression, ExpressionError, split_list
from clipig_core.language.nodes import Node
from clipig_core.language.schedule import FrameTime

Floats2 = tuple[float, float]
Floats3 = tuple[float, float, float]
Floats4 = tuple[float, float, float, float]
Ints2 = tuple[int, int]


class File(str):
    """The absolute path of a file that exists, or an http(s) URL.

    Relative paths are searched beside the config first, then in the current directory.
    """

    @classmethod
    def locate(cls, written: str, source: str) -> File:
        """Raises ValueError if there is no such file beside `source` or in the current directory."""
        if written.lower().startswith(("http://", "https://")):
            return cls(written)
        for folder in (Path(source).parent, Path()):
            with contextlib.suppress(OSError, RuntimeError):  # names that are too long, homes that are not there
                path = (folder / Path(written).expanduser()).absolute()
                if path.is_file():
                    return cls(path)
        raise ValueError(f"there is no file '{written}'")


log = logging.getLogger("clipig")

REQUIRED: Any = inspect.Parameter.empty
DEFAULT = Place("default")
"""Of what nobody wrote."""
Number = int | float

_YAML_1_1 = {"yes": True, "no": False, "on": True, "off": False}


LARGEST = 3e38
"""Pixels and losses are float32."""


def _short(number: Number) -> str:
    """A number for messages."""
    if isinstance(number, int):
        return str(number) if abs(number) < 10**20 else "the number"
    return f"{number:g}"


@dataclass(frozen=True)
class Param:
    """What the signature of a component cannot say about a parameter.

    `doc` is shown to users. `min` and `max` bound every number of the value; with `above`, `min` itself is excluded.
    """

    doc: str
    min: float | None = None
    max: float | None = None
    above: float | None = None

    def held(self, number: Number) -> Number:
        """The nearest number within the bounds."""
        if self.above is not None and number <= self.above:
            return self.above + 1e-6 * max(1.0, abs(self.above))
        if self.min is not None and number < self.min:
            return self.min
        return self.max if self.max is not None and number > self.max else number

    def check(self, number: Number) -> None:
        """Raises ValueError if `number` is out of bounds."""
        if self.min is not None and number < self.min:
            raise ValueError(f"{_short(number)} is below the minimum of {_short(self.min)}")
        if self.above is not None and number <= self.above:
            raise ValueError(f"{_short(number)} is not above {_short(self.above)}")
        if self.max is not None and number > self.max:
            raise ValueError(f"{_short(number)} is above the maximum of {_short(self.max)}")


class Resized:
    """Marks the return annotation of a transform that changes the resolution: `-> Annotated[Tensor, Resized]`."""


@dataclass(frozen=True)
class Declaration:
    """One parameter as declared: `scalar` is the Python type of its elements, or a tuple of choices.

    `lengths` are the allowed list lengths, empty for a single value; `words` may stand in place of a number.
    """

    name: str
    scalar: Any
    lengths: tuple[int, ...]
    optional: bool
    default: Any
    param: Param
    variables: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict, compare=False, repr=False)
    """Of plugins, which expressions may call besides those of the language."""

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def numeric(self) -> bool:
        """Whether values can be expressions."""
        return self.scalar in (float, int, Number, bool, FrameTime)

    @property
    def type_name(self) -> str:
        """The type in words: `list of 2 floats`."""
        if isinstance(self.scalar, tuple):
            return "one of " + ", ".join(self.scalar)
        words = {
            float: "float",
            int: "int",
            Number: "int or float",
            bool: "bool",
            str: "string",
            File: "path or URL of a file",
            list: "nested list",
        }
        word = " or ".join([*self.words, words.get(self.scalar, "epoch, ratio or percentage")])
        if not self.lengths:
            return word
        return f"list of {' or '.join(map(str, self.lengths))} {word}s"

    def convert(self, node: Node) -> Value:
        """The value that `node` gives this parameter, checked as far as it is known before the run.

        Raises:
            InputError: the value has the wrong type, length or range, or is no valid expression.
        """
        if node.value is None and self.optional:
            return Value(self, node, (None,))
        with self._at(node):
            value = Value(self, node, tuple(self._items(node)))
        if value.constant:
            _ = value.fixed
        return value

    def default_value(self) -> Value:
        node = Node.of(self.default, DEFAULT)
        if self.default is None:
            return Value(self, node, (None,))
        return self.convert(node)

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

    def _items(self, node: Node) -> list[Any]:
        """The elements of the value, each a constant or an Expression."""
        if isinstance(node.value, dict):
            raise ValueError("a mapping is not a value here")
        if self.scalar is list:
            return [node.plain_value()]
        if isinstance(node.value, list):
            if not self.lengths:
                raise ValueError("a list is not a value here")
            items = []
            for element in node.value:
                with self._at(element):
                    item = self._item(element)
                    if not isinstance(item, Expression):  # wrong whatever the expressions beside it will be
                        self.finish(item)
                    items.append(item)
        elif isinstance(node.value, str) and self.lengths and self.numeric:
            items = list(split_list(node.value, self._allowed(), self.functions))
        else:
            items = [self._item(node)]
        if self.lengths and len(items) not in (1, *self.lengths):
            raise ValueError(f"{len(items)} values given, {' or '.join(map(str, self.lengths))} needed, or one for all")
        return items

    def _allowed(self) -> frozenset[str]:
        return frozenset(name for group in self.variables for name in VARIABLES[group])

    def _item(self, node: Node) -> Any:
        value = node.value
        if isinstance(value, FrameTime):
            return value
        if isinstance(value, dict | list) or value is None:
            raise ValueError(f"{node.describe()} is not a value here")
        if self.scalar is bool and isinstance(value, str) and value.lower() in _YAML_1_1:
            return _YAML_1_1[value.lower()]
        if isinstance(value, str) and value.lower() in self.words:
            return value.lower()
        if isinstance(value, str) and self.numeric:
            frame = FrameTime.parse_percent(value) if self.scalar is FrameTime else None
            return frame or Expression(value, self._allowed(), self.functions)
        if self.scalar is bool:
            if not isinstance(value, bool):
                raise ValueError(f"{value!r} is neither true nor false")
        elif self.scalar in (str, File) or isinstance(self.scalar, tuple):
            if self.scalar is str and isinstance(value, int | float) and not isinstance(value, bool):
                return str(value)
            if not isinstance(value, str):
                raise ValueError(f"{value!r} is not a string")
            if self.scalar is File:
                return File.locate(value, node.place.source)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{value!r} is not a number")
        return value

    def finish(self, item: Any) -> Any:
        """One plain value of the declared type, from a constant or from the result of an expression.

        Raises:
            ValueError: it is out of range or of the wrong type.
        """
        if isinstance(item, FrameTime):
            item = item.value
        if isinstance(self.scalar, tuple):
            choice = str(item).lower()
            if choice not in self.scalar:
                raise ValueError(f"'{item}' is unknown; {nearest(choice, self.scalar)}")
            return choice
        if self.scalar in (str, File, list) or item in self.words:
            return item
        if self.scalar is bool:
            return bool(item)
        if isinstance(item, list | dict):
            raise ValueError("the expression gives several values where one is needed")
        if not abs(item) <= LARGEST:  # nan fails, too
            large = isinstance(item, int) or math.isfinite(item)
            raise ValueError(f"{_short(item)} is {'too large' if large else 'not a finite number'}")
        if self.scalar is int and item != int(item):
            raise ValueError(f"{_short(item)} is not a whole number")
        number: Number = int(item) if self.scalar is int else float(item) if self.scalar is float else item
        self.param.check(number)
        if self.scalar is not FrameTime:
            return number
        if isinstance(number, float) and number > 1:
            raise ValueError(f"{_short(number)} is beyond the end of the run; a whole number is an epoch, 1.0 the end")
        return FrameTime(number)


@dataclass(frozen=True)
class Value:
    """What a parameter was given: constants and expressions, and the place they came from."""

    declaration: Declaration
    node: Node
    items: tuple[Any, ...]
    _constants: list[Any] = field(default_factory=list, compare=False, repr=False)
    _warned: list[bool] = field(default_factory=list, compare=False, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The variables that its expressions read."""
        return frozenset().union(*(item.names for item in self.items if isinstance(item, Expression)))

    @property
    def constant(self) -> bool:
        return all(item.constant for item in self.items if isinstance(item, Expression))

    @property
    def source(self) -> Any:
        """As written, for the configuration beside the image; files by their full path."""
        item = self.items[0]
        if isinstance(item, File):
            return str(item)
        return item.value if isinstance(self.node.value, FrameTime) else self.node.plain_value()

    def resolve(self, variables: Mapping[str, Any], rng: random.Random) -> Any:
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

    def _compute(self, variables: Mapping[str, Any], rng: random.Random) -> Any:
        if self.items == (None,):
            return None
        lengths = self.declaration.lengths
        results: list[Any] = []
        for item in self.items:
            if not isinstance(item, Expression):
                results.append(item)
                continue
            value = item(variables, rng)
            several = value if isinstance(value, list) and lengths and len(self.items) == 1 else [value]
            truncate = self.declaration.scalar is int and not item.literal
            results += [math.trunc(v) if truncate and isinstance(v, float) else v for v in several]
        if not self.constant:
            results = [self._held(result, variables) for result in results]
        finished = [self.declaration.finish(result) for result in results]
        if not lengths:
            return finished[0]
        if len(finished) == 1:
            finished *= lengths[0]
        if len(finished) not in lengths:
            raise ValueError(f"{len(finished)} values given, {' or '.join(map(str, lengths))} needed, or one for all")
        return tuple(finished)

    def _held(self, result: Any, variables: Mapping[str, Any]) -> Any:
        """The result of an expression, held at the bounds of the parameter, with one warning."""
        if isinstance(result, bool) or not isinstance(result, int | float):
            return result
        held = self.declaration.param.held(result)
        if self.declaration.scalar is FrameTime and isinstance(held, float):
            held = min(held, 1.0)
        if held != result and not self._warned:
            self._warned.append(True)
            when = f" in epoch {variables['epoch']:g}" if "epoch" in variables else ""
            name, place = self.declaration.name, self.node.place
            log.warning(
                "%s: %s: %s is out of range%s, and is held at %s", place, name, _short(result), when, _short(held)
            )
        return held


Values = dict[str, Value]


def resolve(values: Values, variables: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    """Plain values by name."""
    return {name: value.resolve(variables, rng) for name, value in values.items()}


def declarations(owner: Callable[..., Any] | type, variables: Sequence[str] = ()) -> dict[str, Declaration]:
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
        hint = hints.get(name)
        param = next((extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Param)), None)
        if param is not None:
            groups = getattr(owner, "VARIABLES", {}).get(name, variables)
            found[name] = _declare(name, typing.get_args(hint)[0], default, param, tuple(groups))
    return found


def _declare(name: str, annotation: Any, default: Any, param: Param, variables: tuple[str, ...]) -> Declaration:
    parts = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    choices = [part for part in parts if part is not types.NoneType]
    literals = [part for part in choices if typing.get_origin(part) is Literal]
    words: tuple[str, ...] = ()
    if 0 < len(literals) < len(choices):
        words = tuple(word for literal in literals for word in typing.get_args(literal))
        choices = [part for part in choices if part not in literals]
    scalar: Any = None
    lengths: tuple[int, ...] = ()
    if all(typing.get_origin(part) is tuple for part in choices):
        elements = {element for part in choices for element in typing.get_args(part)}
        scalar = elements.pop() if len(elements) == 1 else None
        lengths = tuple(len(typing.get_args(part)) for part in choices)
    elif set(choices) == {int, float}:
        scalar = Number
    elif len(choices) == 1 and literals and not words:
        scalar = typing.get_args(choices[0])
    elif len(choices) == 1:
        scalar = choices[0]
    known = scalar in (float, int, Number) or (not words and scalar in (bool, str, File, FrameTime, list))
    if not known and not isinstance(scalar, tuple):
        raise PluginError(f"parameter '{name}': {annotation} is not a parameter type")
    return Declaration(name, scalar, lengths, types.NoneType in parts, default, param, variables, words)


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)
