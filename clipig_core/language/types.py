"""The types of parameters, an object each: how a value is read, checked, described to people and offered to editors.

Annotations are their names: `float`, `int`, `int | float`, `bool`, `str`, `list`, `FrameTime` and a `Literal` of
strings have a type here. Any other is an annotation that brings its own, and plugins may bring theirs:

    class _Hex(Type):
        name = "hexadecimal number"

        def read(self, node): ...

    Hex = Annotated[int, _Hex()]
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from clipig_core.errors import nearest
from clipig_core.language import assets
from clipig_core.language.expressions import NAMES
from clipig_core.language.nodes import Node
from clipig_core.language.schedule import FrameTime

Number = int | float
Floats3 = tuple[float, float, float]

LARGEST = 3e38
"""Pixels and losses are float32."""


def short(number: Number) -> str:
    """A number for messages."""
    if isinstance(number, int):
        return str(number) if abs(number) < 10**20 else "the number"
    return f"{number:g}"


@dataclass(frozen=True)
class Param:
    """What the signature of a component cannot say about a parameter.

    `doc` is shown to users. `min` and `max` bound every number of the value; with `above`, `min` itself is excluded. A
    `length` counts pixels, and may also be given as a share of the picture's shorter side, `5%`.
    """

    doc: str
    min: float | None = None
    max: float | None = None
    above: float | None = None
    length: bool = False

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
            raise ValueError(f"{short(number)} is below the minimum of {short(self.min)}")
        if self.above is not None and number <= self.above:
            raise ValueError(f"{short(number)} is not above {short(self.above)}")
        if self.max is not None and number > self.max:
            raise ValueError(f"{short(number)} is above the maximum of {short(self.max)}")


class Type:
    """What one value of a parameter is. Base of all types; by itself, any text.

    `read` turns what is written into an item, which is kept; `finish` turns an item, or the number that an expression
    gave, into the value that a component gets.
    """

    name: str = "string"
    """For people: `expected string`."""
    numeric: bool = False
    """Whether a text is an expression, unless `read` takes it."""
    words: Sequence[str] = ()
    """Texts that stand for themselves, in any case."""
    pattern: str = ""
    """Of further texts that are read, as a regular expression, for editors."""
    lengths: tuple[int, ...] = ()
    """Of lists that one value is; one number fills them."""
    lists: bool = False
    """Whether a list is one value, as it is."""
    mappings: bool = False
    """Whether a mapping is one."""

    json: Sequence[str] = ("string", "number")
    """What may be written, as JSON Schema names types."""
    whole: bool = False
    """Whether results of expressions lose what stands behind the point."""

    def read(self, node: Node) -> object:
        """The item for what is written: a scalar, or a list if `lists`; None to leave a text to the expressions.

        Raises:
            ValueError: it is no value of this type.
        """
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return str(node.value)
        return self.text(node)

    def text(self, node: Node) -> str:
        """What is written, which has to be a text.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(node.value, str):
            raise ValueError(f"{node.value!r} is not a string")
        return node.value

    def within(self, components: Callable[[Nested, Node], object]) -> Type:
        """The same where components can be found by their names; only `Nested` needs that."""
        del components
        return self

    def several(self, text: str) -> Sequence[object] | None:
        """The items for a text that stands for a whole list; None if it is not such a text.

        Raises:
            ValueError: it is one, and wrong.
        """
        del text
        return None

    def finish(self, item: object, param: Param) -> object:
        """The value for an item.

        Raises:
            ValueError: it is none that `param` allows.
        """
        del param
        return item

    def held(self, item: Any, param: Param) -> Any:
        """What the result of an expression is held at, if it is out of bounds."""
        return param.held(item)

    def source(self, item: object, node: Node) -> object:
        """How it is written down beside the picture."""
        del item
        return node.plain_value()

    def example(self) -> object:
        """A value that is allowed, if no bounds say otherwise."""
        return 1 if self.numeric else "some text"


class Choice(Type):
    """One of some words, in any case."""

    def __init__(self, options: Sequence[str]) -> None:
        self.words = tuple(options)
        self.name = f"one of {', '.join(options)}"

    def read(self, node: Node) -> str:
        return self.text(node)

    def finish(self, item: object, param: Param) -> str:
        del param
        choice = str(item).lower()
        if choice not in self.words:
            raise ValueError(f"'{item}' is unknown; {nearest(choice, self.words)}")
        return choice

    def example(self) -> str:
        return self.words[0]


class Numbers(Type):
    """Numbers that are finite and within bounds, or expressions that give one."""

    numeric = True
    json: Sequence[str] = ("number", "string")

    def __init__(self, name: str, convert: Callable[[Number], Number], words: Sequence[str] = ()) -> None:
        self.convert, self.words = convert, words
        if convert is int:
            self.whole, self.json = True, ("integer", "string")
        self.name = " or ".join([*words, name])

    def with_words(self, words: Sequence[str]) -> Numbers:
        """The same, with words that may stand in place of a number."""
        return Numbers(self.name, self.convert, words)

    def read(self, node: Node) -> object:
        value = node.value
        if isinstance(value, str):
            return value.lower() if value.lower() in self.words else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{value!r} is not a number")
        return value

    def finish(self, item: object, param: Param) -> Any:
        if isinstance(item, str) and item in self.words:
            return item
        number = self.number(item)
        param.check(number)
        return number

    def number(self, item: Any) -> Number:
        """Raises ValueError if it is several, too large, or of the wrong kind."""
        if isinstance(item, list | dict):
            raise ValueError("the expression gives several values where one is needed")
        if not abs(item) <= LARGEST:  # nan fails, too
            large = isinstance(item, int) or math.isfinite(item)
            raise ValueError(f"{short(item)} is {'too large' if large else 'not a finite number'}")
        if self.whole and item != int(item):
            raise ValueError(f"{short(item)} is not a whole number")
        return self.convert(item)


class Flag(Type):
    """true or false, also as YAML 1.1 wrote it; an expression is true if it is not 0."""

    name = "bool"
    numeric = True
    words = ("yes", "no", "on", "off")
    json: Sequence[str] = ("boolean", "string")

    def read(self, node: Node) -> bool | None:
        value = node.value
        if isinstance(value, str):
            return {"yes": True, "no": False, "on": True, "off": False}.get(value.lower())
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is neither true nor false")
        return value

    def finish(self, item: object, param: Param) -> bool:
        del param
        return bool(item)

    def example(self) -> bool:
        return True


class Moment(Numbers):
    """A point of the run."""

    def __init__(self) -> None:
        super().__init__("epoch, ratio or percentage", lambda number: number)

    def read(self, node: Node) -> object:
        if isinstance(node.value, FrameTime):
            return node.value
        return FrameTime.parse_percent(node.value) if isinstance(node.value, str) else super().read(node)

    def finish(self, item: object, param: Param) -> FrameTime:
        number = super().finish(item.value if isinstance(item, FrameTime) else item, param)
        if isinstance(number, float) and number > 1:
            raise ValueError(f"{short(number)} is beyond the end of the run; a whole number is an epoch, 1.0 the end")
        return FrameTime(number)

    def held(self, item: object, param: Param) -> object:
        held = super().held(item, param)
        return min(held, 1.0) if isinstance(held, float) else held

    def source(self, item: Any, node: Node) -> object:
        return item.value if isinstance(node.value, FrameTime) else node.plain_value()


class Lists(Type):
    """Lists of lists, as they are."""

    name = "nested list"
    lists = True
    json: Sequence[str] = ("array", "boolean", "number", "string")

    def read(self, node: Node) -> object:
        return node.plain_value()

    def example(self) -> object:
        return []


class Nested(Type):
    """Components of a kind: a name, or one name with parameters; if there are `many`, a list of them.

    What takes it as a parameter gets a function for each, which is called with what core gives that kind.
    """

    lists = mappings = True

    def __init__(self, kind: str, many: bool = False, components: Callable[..., object] | None = None) -> None:
        self.kind, self.many, self._components = kind, many, components
        self.name = f"list of {kind}s" if many else f"{kind}, by name, or one name with parameters"

    def within(self, components: Callable[[Nested, Node], object]) -> Nested:
        return Nested(self.kind, self.many, components)

    def read(self, node: Node) -> object:
        return self._components(self, node) if self._components else node.plain_value()

    def source(self, item: object, node: Node) -> object:
        return getattr(item, "source", None) or node.plain_value()

    def example(self) -> object:
        return [self.kind] if self.many else self.kind


class File(str):
    """The absolute path of a file that exists, or an http(s) URL.

    Relative paths are searched beside the config first, then in the current directory. `boat.png#sha256:9f86...` is the
    file with this content, and is also found where this machine has seen it last.
    """

    @classmethod
    def locate(cls, written: str, source: str) -> File:
        """Raises ValueError if there is no such file beside `source` or in the current directory."""
        if written.lower().startswith(("http://", "https://")):
            return cls(written)
        return cls(assets.find(written, (Path(source).parent, Path())))


class Files(Type):
    """Files that are there."""

    name = "path or URL of a file"
    json: Sequence[str] = ("string",)

    def read(self, node: Node) -> File:
        return File.locate(self.text(node), node.place.source)

    def source(self, item: object, node: Node) -> str:
        del node
        return str(item)

    def example(self) -> str:
        return "my-file.png"


class Pattern(Type):
    """Texts of one pattern, which `name` describes."""

    json: Sequence[str] = ("string",)

    def __init__(self, name: str, pattern: str) -> None:
        self.name, self.pattern = name, pattern

    def read(self, node: Node) -> str:
        text = str(super().read(node))
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"'{text}' is unknown")
        return text

    def example(self) -> str:
        return self.name


class Colors(Numbers):
    """Red, green and blue in [0, 1], as three numbers, `#ff8800`, or a name that CSS knows."""

    lengths = (3,)
    pattern = "#(?:[0-9a-fA-F]{3}){1,2}|[A-Za-z]+"

    def __init__(self) -> None:
        super().__init__("3 floats, '#ff8800', or the name of a color", float)

    def several(self, text: str) -> Sequence[float] | None:
        from PIL import ImageColor

        name = text.strip().lower()
        if name in ImageColor.colormap or re.fullmatch(r"#(?:[0-9a-f]{3}){1,2}", name):
            return [part / 255 for part in ImageColor.getrgb(name)]
        if name.startswith("#") or (name.isalpha() and name not in NAMES):
            near = nearest(name, ImageColor.colormap)
            raise ValueError(f"'{text.strip()}' is no color" + (f"; {near}" if near else ""))
        return None


Color = Annotated[Floats3, Colors()]
"""For annotations: `Annotated[Color, Param("What is added.")]`; the component gets three floats."""

REAL, WHOLE, EITHER = Numbers("float", float), Numbers("int", int), Numbers("int or float", lambda number: number)

TYPES: Mapping[object, Type] = {
    float: REAL,
    int: WHOLE,
    Number: EITHER,
    bool: Flag(),
    str: Type(),
    list: Lists(),
    File: Files(),
    FrameTime: Moment(),
}
"""By the annotation that stands for each."""
