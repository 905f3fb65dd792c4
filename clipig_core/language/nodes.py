"""Values of a config as a tree that knows where they were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from clipig_core.errors import Place


@dataclass(frozen=True)
class Node:
    """A scalar, a list of nodes or a dict of nodes; `keys` holds where each key of a dict is written.

    `plain` says that a string is written without quotes, so that columns inside it can be counted.
    """

    value: Any
    place: Place
    keys: dict[str, Place] = field(default_factory=dict)
    plain: bool = False

    @classmethod
    def of(cls, value: object, place: Place, paths: bool = False) -> Node:
        """A node for a plain Python value; with `paths`, places inside say how to get there, `config.targets[0]`."""

        def inside(name: str) -> Place:
            return Place(f"{place.source}{name}") if paths else place

        if isinstance(value, Mapping):
            names = {str(key): inside(f".{key}") for key in value}
            return cls({str(key): cls.of(v, names[str(key)], paths) for key, v in value.items()}, place, names)
        if isinstance(value, list | tuple):
            return cls([cls.of(v, inside(f"[{i}]"), paths) for i, v in enumerate(value)], place)
        return cls(value, place)

    def plain_value(self) -> Any:
        if isinstance(self.value, dict):
            return {key: node.plain_value() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain_value() for node in self.value]
        return self.value

    def describe(self) -> str:
        """What it is, in words for messages."""
        kinds = {dict: "a mapping", list: "a list", type(None): "nothing", bool: "a bool", str: "a text"}
        return kinds.get(type(self.value), "a number")

    def items(self) -> Iterator[tuple[str, Place, Node]]:
        """The entries of a mapping: name, place of the name, value."""
        for key, node in self.value.items():
            yield key, self.keys[key], node
