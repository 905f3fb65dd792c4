"""The jobs of a sweep: what each is called, and what makes it the same job when the sweep is started again."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any, TypeVar

from clipig_core import InputError, Problem
from clipig_core.kit import Document, Node, Place, Plan, Registry, check, nearest
from clipig_sweep.axes import Grid, Point

OUTSIDE = ("output", "verbose", "snapshot_interval")
"""Settings on which no pixel depends."""

Result = TypeVar("Result")

log = logging.getLogger("clipig")

LONGEST = 100
CHECKED = 256


@dataclass(frozen=True)
class Job:
    """One picture to paint: the changes of the sweep's config, by key.

    `id` is a digest of the whole config that comes of them; `name` is that of the picture, without its ending.
    """

    id: str
    name: str
    changes: Point

    @property
    def values(self) -> dict[str, Any]:
        """The changes as plain values."""
        return {key: node.plain_value() for key, node in self.changes.items()}


def changed(base: Document, changes: Mapping[str, Node]) -> Document:
    """The document of a job.

    Raises:
        InputError: a key leads nowhere.
    """
    return reduce(lambda document, change: document.override(*change), changes.items(), base)


def plan(base: Document, grids: Sequence[Grid], stem: str) -> list[Job]:
    """The jobs of all grids, in their order, each once.

    Raises:
        InputError: a key leads nowhere, or a variable has no value.
    """
    found: dict[str, Point] = {}
    same = 0
    for grid in grids:
        for point in grid.points():
            key = digest(changed(base, point).filled())
            same += key in found
            found.setdefault(key, point)
    if same:
        log.warning("%d jobs are the same as others of this sweep, and are done once", same)
    varying = _varying(found.values())
    names = {key: _name(point, varying, stem) for key, point in found.items()}
    often = Counter(name.lower() for name in names.values())
    return [
        Job(key, f"{name}-{key[:6]}" if often[name.lower()] > 1 else name, found[key]) for key, name in names.items()
    ]


def check_values(base: Document, grids: Sequence[Grid], registry: Registry) -> list[Plan]:
    """Plans in which each of the values takes part, the first 256 of each axis, made before anything is painted.

    Raises:
        InputError: with every problem that was found, where the value is written.
    """
    problems: dict[str, Problem] = {}
    plans: list[Plan] = []

    def tried(action: Callable[[], Result], otherwise: Result) -> Result:
        try:
            return action()
        except InputError as error:
            for problem in error.problems:  # the same one with each value of an axis
                problems.setdefault(problem.message, problem)
            return otherwise

    for grid in grids:
        for point in _diagonal(grid):
            document = base
            for key, node in point.items():
                document = tried(partial(document.override, key, node), document)
            tried(partial(_unused, document, point), None)
            plans += tried(lambda document=document: [check(document.filled(), registry)], [])  # type: ignore[misc]
    if problems:
        raise InputError([*problems.values()])
    return plans


def _diagonal(grid: Grid) -> Iterator[Point]:
    """Points that have, together, every value of every axis, without all their combinations."""
    longest = max((len(axis.points) for axis in grid.axes), default=1)
    for number in range(min(longest, CHECKED)):
        axes = [replace(axis, points=[axis.points[number % len(axis.points)]]) for axis in grid.axes]
        yield next(replace(grid, axes=axes, where=None).points())


def _unused(document: Document, point: Point) -> None:
    """Raises InputError if an axis is a variable that stands nowhere, so that all pictures would be the same."""
    names = document.variables
    for key, node in point.items():
        first, _, name = key.partition(".")
        if first == "vars" and name not in names:
            hint = nearest(name, names) or f"write {{{{{name}}}}} in a text"
            raise InputError(Problem(f"no text has a gap {{{{{name}}}}}", node.place, hint))


def digest(document: Node) -> str:
    """What tells jobs apart: twelve digits of a hash of all that the pixels depend on."""
    value = {key: node.plain_value() for key, node in document.value.items() if key not in OUTSIDE}
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _varying(points: Iterable[Point]) -> dict[str, str]:
    """The keys that have several values, with a short name for each: the last part that no other key has."""
    values: dict[str, set[str]] = {}
    for point in points:
        for key, node in point.items():
            values.setdefault(key, set()).add(repr(node.plain_value()))
    keys = [key for key, several in values.items() if len(several) > 1]
    return {key: _short(key, keys) for key in keys}


def _short(key: str, keys: Sequence[str]) -> str:
    parts = key.split(".")
    for start in range(len(parts) - 1, -1, -1):
        tail = ".".join(parts[start:])
        if not parts[start].isdecimal() and sum(f".{other}".endswith(f".{tail}") for other in keys) == 1:
            return tail
    return key


def _name(point: Point, varying: Mapping[str, str], stem: str) -> str:
    """`fox-seed-3-weight-0.5`: texts as they are, numbers behind their names."""
    words = []
    for key, short in varying.items():
        if key in point:
            value = point[key].plain_value()
            words.append(
                slug(value) if isinstance(value, str) else f"{slug(short)}-{slug(json.dumps(value, default=str))}"
            )
    name = "-".join(word for word in words if word).encode()[:LONGEST].decode(errors="ignore")
    return name.strip("-.") or slug(stem) or "picture"


def slug(text: str) -> str:
    """A part of the name of a file: `red-fox` for `Red fox!`."""
    return re.sub(r"-*[^\w.-]+", "-", text.lower()).strip("-. ")[:60]


def seeded(base: Document) -> Document:
    """With a seed: pictures of a sweep differ in what the sweep changes, and in nothing else."""
    given = base.node.value.get("seed")
    return base if given and given.value is not None else base.override("seed", Node(0, Place("clipig sweep")))
