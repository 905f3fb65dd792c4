"""What differs between two configs, by dotted path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

NAMES = ("name", "text", "image")
"""What tells the elements of a list apart."""


class Absent:
    """Stands for what only the other config has."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT = Absent()


@dataclass(frozen=True)
class Difference:
    """Two values of one path, such as `targets.0.weight`; `ABSENT` where there is none.

    Numbers of elements are those of the first config; what only the second has bears its number there.
    """

    path: str
    before: object
    after: object


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """The differences of two plain values, such as the dumps of two plans.

    Elements of lists are compared with those of the same name, so that one that is added or taken away does not make
    others differ; those that were replaced, with what stands in their place.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            yield from differences(before.get(key, ABSENT), after.get(key, ABSENT), _joined(path, key))
    elif _is_list(before) and _is_list(after):
        for i, j in _pairs(before, after):
            number = j if i is None else i
            one = ABSENT if i is None else before[i]
            other = ABSENT if j is None else after[j]
            yield from differences(one, other, _joined(path, number))
    elif before != after:
        yield Difference(path, before, after)


def _joined(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _pairs(before: Sequence[object], after: Sequence[object]) -> Iterator[tuple[int | None, int | None]]:
    """The numbers of elements that belong together; None where there is no other."""
    matcher = SequenceMatcher(None, [*map(_label, before)], [*map(_label, after)], autojunk=False)
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        both = min(i2 - i1, j2 - j1)
        yield from zip(range(i1, i1 + both), range(j1, j1 + both), strict=True)
        yield from ((i, None) for i in range(i1 + both, i2))
        yield from ((None, j) for j in range(j1 + both, j2))


def _label(element: object) -> str:
    """What an element of a list is called: by its name, or by that of its component."""
    if not isinstance(element, Mapping):
        return str(element)
    named = next((element[name] for name in NAMES if name in element), None)
    return str(named) if named is not None else str(next(iter(element), ""))
