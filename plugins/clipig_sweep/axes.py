"""The language of sweeps: from a `sweep:` section, and from `--set`, to the points that are to be visited."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from clipig_core import File, InputError, Problem
from clipig_core.kit import Node, Place, declarations, nearest, read_yaml
from clipig_sweep.conditions import Condition
from clipig_sweep.section import Sweep

Point = dict[str, Node]
"""The value of each key, at one point."""

RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
CALL = re.compile(r"(\w+)\(([^()]*)\)")
MAX_BYTES = 16_000_000
MAX_VALUES = 1_000_000


@dataclass(frozen=True)
class Axis:
    """Keys that change together: each of `points` has a value for each of `keys`."""

    keys: tuple[str, ...]
    points: Sequence[Sequence[Node]]
    place: Place


@dataclass(frozen=True)
class Draw:
    """A key whose value is drawn for each job."""

    key: str
    law: Callable[[random.Random], float]
    place: Place

    def value(self, stream: str) -> Node:
        """Four digits are enough, and can be read in names and tables. The same stream gives the same value."""
        digest = hashlib.sha256(f"{stream}/{self.key}".encode()).digest()
        drawn = self.law(random.Random(int.from_bytes(digest[:8], "big")))
        return Node(drawn if isinstance(drawn, int) else float(f"{drawn:.4g}"), self.place)


@dataclass(frozen=True)
class Grid:
    """The combinations of all axes, `samples` times each with other draws, as far as they meet the condition."""

    axes: Sequence[Axis] = ()
    draws: Sequence[Draw] = ()
    samples: int = 1
    where: Condition | None = None
    seed: int = 0

    def __len__(self) -> int:
        """How many points there are, without the condition."""
        return math.prod((len(axis.points) for axis in self.axes), start=self.samples)

    @property
    def places(self) -> dict[str, Place]:
        """Where each key is written, in the order in which they were."""
        axes = {key: axis.place for axis in self.axes for key in axis.keys}
        return axes | {draw.key: draw.place for draw in self.draws}

    def points(self) -> Iterator[Point]:
        """Each of them; the last axis changes first.

        What is drawn depends on the other values of the point alone, so a grid that has grown draws the same again.
        """
        for chosen in product(*(axis.points for axis in self.axes)):
            point: Point = {}
            for axis, values in zip(self.axes, chosen, strict=True):
                point.update(zip(axis.keys, values, strict=True))
            stream = json.dumps([self.seed, _plain(point)], default=str)
            for sample in range(self.samples):
                full = point | {draw.key: draw.value(f"{stream}/{sample}") for draw in self.draws}
                if self.where is None or self.where.holds(_plain(full)):
                    yield full


def _plain(point: Point) -> dict[str, Any]:
    return {key: node.plain_value() for key, node in point.items()}


def grids(section: Node | None, given: Sequence[tuple[str, Node]]) -> list[Grid]:
    """What is to be visited: a section is one grid, or a list of them; what is `given` wins over the axes of each.

    Raises:
        InputError: with every problem that was found.
    """
    whole = Node({}, Place("--set")) if section is None or section.value is None else section
    sections = whole.value if isinstance(whole.value, list) else [whole]
    if not sections:
        raise InputError(
            Problem("the list of sweeps is empty", whole.place, "expected mappings such as grid: {seed: 1..3}")
        )
    found, problems = [], []
    for one in sections:
        reader = _Reader()
        found.append(reader.grid(one, given))
        problems += reader.problems
    if problems:
        raise InputError(problems)
    return found


def option(key: str, text: str) -> tuple[str, Node]:
    """What `--set KEY=TEXT` gives: YAML, or `@` and the name of a file."""
    place = Place(f"--set {key}")
    return key, Node(text, place) if text.startswith("@") else read_yaml(text, place.source)


def variable(name: str, text: str) -> tuple[str, Node]:
    """What `--var NAME=TEXT` gives: the text as it is, or `@` and the name of a file."""
    node = Node(text, Place(f"--var {name}"))
    return f"vars.{name}", node if text.startswith("@") else Node([node], node.place)


class _Reader:
    """Reads one section, and collects what is wrong."""

    def __init__(self) -> None:
        self.declared = declarations(Sweep)
        self.problems: list[Problem] = []

    def grid(self, node: Node, given: Sequence[tuple[str, Node]]) -> Grid:
        """The grid of a section; if there are problems, it is not complete."""
        section = self.mapping(node, "a sweep")
        for name, place, _ in section.items():
            if name not in self.declared:
                hint = "keys of the config stand under 'grid'" if "." in name else nearest(name, self.declared)
                self.problem(f"unknown parameter '{name}'", place, hint)
        grid = self.mapping(section.value.get("grid"), "'grid'")
        on_top = dict(given)
        parts = [({key: value}, place) for key, place, value in grid.items() if key not in on_top]
        parts += [({key: value}, value.place) for key, value in given]
        parts += self.zipped(section.value.get("zip"))
        self.clashes([(key, place) for values, place in parts for key in values])
        axes: list[Axis] = []
        draws: list[Draw] = []
        for values, place in parts:
            try:
                found = _part(values, place)
            except InputError as error:
                self.problems += error.problems
                continue
            if isinstance(found, Draw):
                draws.append(found)
            else:
                axes.append(found)
        samples, seed = self.number(section, "samples"), self.number(section, "seed")
        if samples > 1 and not draws:
            self.problem("nothing is drawn", section.keys["samples"], "give a key a draw, such as uniform(0, 1)")
        where = None
        if "where" in section.value:
            try:
                where = Condition(section.value["where"], [key for values, _ in parts for key in values])
            except InputError as error:
                self.problems += error.problems
        return Grid(axes, draws, samples, where, seed)

    def problem(self, message: str, place: Place, hint: str = "") -> None:
        self.problems.append(Problem(message, place, hint))

    def mapping(self, node: Node | None, what: str) -> Node:
        if node is not None and isinstance(node.value, dict):
            return node
        if node is not None and node.value is not None:
            self.problem(f"{what} is {node.describe()}", node.place, "expected names and their values")
        return Node({}, node.place if node else Place(""))

    def zipped(self, node: Node | None) -> list[tuple[dict[str, Node], Place]]:
        """The mappings whose keys go together: one, or a list of them."""
        nodes = node.value if node and isinstance(node.value, list) else [node]
        return [(self.mapping(one, "'zip'").value, one.place) for one in nodes if one]

    def number(self, section: Node, name: str) -> int:
        """What a section says, or the default, also if it says something wrong."""
        declaration = self.declared[name]
        try:
            return int(declaration.convert(section.value[name]).fixed) if name in section.value else declaration.default
        except InputError as error:
            self.problems += error.problems
            return int(declaration.default)

    def clashes(self, keys: Sequence[tuple[str, Place]]) -> None:
        """No key may be given twice, or inside of another one."""
        for number, (key, place) in enumerate(keys):
            for other, first in keys[:number]:
                if key == other:
                    self.problem(f"two axes are called '{key}'", place, f"the other one is at {first}")
                elif f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                    self.problem(f"the axis '{key}' and the axis '{other}' set the same", place, f"it is at {first}")


def _part(values: Mapping[str, Node], place: Place) -> Axis | Draw:
    """The axis of one key or of several that go together, or a draw.

    Raises:
        InputError: a value is not one of the language, or the lists of keys that go together differ in length.
    """
    found = {key: _values(key, node) for key, node in values.items()}
    lists = {key: value for key, value in found.items() if not isinstance(value, Draw)}
    if len(lists) < len(found):
        if len(found) > 1:
            raise InputError(Problem("what is drawn cannot go together with other keys", place, "move it to 'grid'"))
        return next(value for value in found.values() if isinstance(value, Draw))
    lengths = {key: len(points) for key, points in lists.items()}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"'{key}' has {length}" for key, length in lengths.items())
        raise InputError(Problem(f"keys that go together need as many values each: {text}", place))
    return Axis(tuple(lists), list(zip(*lists.values(), strict=True)), place)


def _values(key: str, node: Node) -> Sequence[Node] | Draw:
    """What may stand for a key: a list, `1..10`, `@file`, a draw such as `uniform(0, 1)`, or one value."""
    if isinstance(node.value, list):
        if not node.value:
            raise InputError(Problem(f"the axis '{key}' has no values", node.place, "write a list, such as [1, 2, 3]"))
        return node.value
    if not isinstance(node.value, str):
        return [node]
    text = node.value.strip()
    if text.startswith("@"):
        return _lines(text[1:], node.place)
    if found := RANGE.fullmatch(text):
        return _range(int(found[1]), int(found[2]), node.place)
    if (found := CALL.fullmatch(text)) and found[1] in LAWS:
        return _draw(key, found[1], found[2], node.place)
    return [node]


def _range(first: int, last: int, place: Place) -> list[Node]:
    step = 1 if last >= first else -1
    numbers = range(first, last + step, step)
    if len(numbers) > MAX_VALUES:
        raise InputError(Problem(f"{first}..{last} are too many values", place, f"an axis has at most {MAX_VALUES:,}"))
    return [Node(number, place) for number in numbers]


def _lines(name: str, place: Place) -> list[Node]:
    """A text for each line of a file, with the place of the line.

    Raises:
        InputError: the file cannot be read, is no text, is too large, or has no lines or an empty one.
    """
    try:
        path = Path(File.locate(name, place.source))
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"'{name}' is larger than {MAX_BYTES // 1_000_000} MB")
        lines = [line.strip() for line in content.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError:
        raise InputError(Problem(f"'{name}' is not a text in UTF-8", place)) from None
    except (OSError, ValueError) as error:
        raise InputError(Problem(getattr(error, "strerror", None) or str(error), place)) from None
    if not lines[-1]:
        lines.pop()
    if not lines:
        raise InputError(Problem(f"'{name}' is empty", place, "write a value on each line"))
    empty = [Place(name, number, 1) for number, line in enumerate(lines, 1) if not line]
    if empty:
        raise InputError([Problem("the line is empty", where, "each line is one value") for where in empty])
    return [Node(line, Place(name, number, 1)) for number, line in enumerate(lines, 1)]


LAWS: Mapping[str, Callable[..., float]] = {
    "uniform": lambda rng, low, high: rng.uniform(low, high),
    "loguniform": lambda rng, low, high: math.exp(rng.uniform(math.log(low), math.log(high))),
    "gauss": lambda rng, mean, std: rng.gauss(mean, std),
    "randint": lambda rng, low, high: rng.randint(low, high),
    "choice": lambda rng, *numbers: rng.choice(numbers),
}
"""What can be drawn, from the names of expressions and one more."""


def _draw(key: str, name: str, text: str, place: Place) -> Draw:
    """The draw `name(text)`, which is tried once."""
    try:
        numbers = [_number(part) for part in text.split(",")]
        draw = Draw(key, lambda rng: LAWS[name](rng, *numbers), place)
        if not math.isfinite(draw.value("").value):
            raise ValueError("it has no finite value")
    except TypeError:
        raise InputError(Problem(f"{name}({text}) has another number of arguments", place, f"{name}(1, 3)")) from None
    except (ValueError, IndexError, OverflowError) as error:
        raise InputError(Problem(f"{name}({text}): {error}", place, f"such as {name}(1, 3)")) from None
    return draw


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)
