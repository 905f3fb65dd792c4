"""Single values of a YAML text, changed or added; all else of it, comments included, stays as it is written."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from clipig_core import ClipigError
from clipig_core.kit import read_yaml

KINDS = ("str", "int", "float", "bool")
BY_HAND = "this cannot be changed by the form; change it in the text"


def replaced(text: str, line: int, column: int, value: str, word: bool) -> str:
    """With another value where one begins, at a line and a column from 1; `word` says that it is a text in any case.

    Raises:
        ValueError: what is there, such as a mapping, cannot be replaced in this way.
    """
    root = composed(text)
    node = next((one for one in values(root) if spot(one) == (line, column)), None)
    if node is None:
        raise ValueError(BY_HAND)
    before = shape(root, node)
    for written in spellings(value):
        found = text[: node.start_mark.index] + written + text[node.end_mark.index :]
        try:
            now = composed(found)
        except ValueError:
            continue
        other = next((one for one in values(now) if spot(one) == (line, column)), None)
        if other is not None and says(other, value, word) and shape(now, other) == before:
            return found
    raise ValueError(BY_HAND)


def added(text: str, path: tuple[str, ...], value: str, word: bool) -> str:
    """With a value for `epochs`, or for `vars` and `text`, which has none yet.

    Raises:
        ValueError: the text is not of a form in which that can be added.
    """
    root = composed(text)
    for written in spellings(value):
        found = inserted(text, root, path, written)
        try:
            same = rest(plain(found), path) == rest(plain(text), path)
        except ValueError:
            continue
        if same and says(at(composed(found), path), value, word):
            return found
    raise ValueError(BY_HAND)


def inserted(text: str, root: Any, path: tuple[str, ...], written: str) -> str:
    """A text with one more entry: in the mapping that is there, or behind the single values at the beginning."""
    first, *rest = path
    parent = at(root, (first,)) if rest else None
    if isinstance(parent, MappingNode) and parent.value:
        mark = parent.start_mark
        if parent.flow_style:
            return f"{text[: mark.index + 1]}{rest[0]}: {written}, {text[mark.index + 1 :]}"
        return f"{text[: mark.index]}{rest[0]}: {written}\n{' ' * mark.column}{text[mark.index :]}"
    if parent is not None or (isinstance(root, MappingNode) and root.flow_style):
        raise ValueError(BY_HAND)
    entry = f"{first}:\n  {rest[0]}: {written}\n" if rest else f"{first}: {written}\n"
    index = behind(text, root)
    return text[:index] + ("\n" if index and text[index - 1] != "\n" else "") + entry + text[index:]


def masked(text: str, number: int, value: str) -> str:
    """With a mask as the first transform of a target, whose number in the text is given.

    Raises:
        ValueError: the text is not of a form in which that can be added.
    """
    wanted = plain(text)
    with contextlib.suppress(LookupError, TypeError, AttributeError):
        target = wanted["targets"][number]
        target["transforms"] = [{"mask": value}, *(target.get("transforms") or [])]
        found = first_transform(text, at(composed(text), ("targets",)).value[number], f"mask: {json.dumps(value)}")
        if plain(found) == wanted:
            return found
    raise ValueError(BY_HAND)


def first_transform(text: str, target: Any, entry: str) -> str:
    """A text with one more element of the transforms of a target, whose node is given."""
    there = at(target, ("transforms",))
    if there is None:
        index, margin = behind(text, target, most=1), " " * target.start_mark.column
        return f"{text[:index]}{margin}transforms:\n{margin}  - {entry}\n{text[index:]}"
    mark = there.start_mark
    if there.flow_style:
        return f"{text[: mark.index + 1]}{{{entry}}}{', ' if there.value else ''}{text[mark.index + 1 :]}"
    return f"{text[: mark.index]}- {entry}\n{' ' * mark.column}{text[mark.index :]}"


def behind(text: str, root: Any, most: int | None = None) -> int:
    """Where the lines of the single values at the beginning of a mapping end, or of some of them."""
    pairs = root.value[:most] if isinstance(root, MappingNode) else []
    index = pairs[0][0].start_mark.index if pairs else len(text)
    for key, value in pairs:
        last = value if value.value else key  # where nothing is written, the mark is that of what follows
        if last.start_mark.line > key.start_mark.line or getattr(value, "style", None) in ("|", ">"):
            break
        index = text.find("\n", last.end_mark.index) + 1 or len(text)
    return index


def composed(text: str) -> Any:
    """The nodes of a text, with their marks; it has been read by `kit.read_yaml`, which limits what it may be.

    Raises:
        ValueError: it is no YAML.
    """
    try:
        return YAML(typ="safe", pure=True).compose(text)
    except YAMLError:
        raise ValueError(BY_HAND) from None


def values(node: Any) -> Iterator[Any]:
    """Single values, and lists in brackets, that stand behind keys or in lists."""
    if isinstance(node, MappingNode):
        for _, value in node.value:
            yield from values(value)
    elif isinstance(node, SequenceNode) and not node.flow_style:
        for value in node.value:
            yield from values(value)
    elif isinstance(node, SequenceNode):
        yield node
        for value in node.value:
            yield from values(value)
    elif node is not None:
        yield node


def spot(node: Any) -> tuple[int, int]:
    """Where a value begins, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1


def shape(node: Any, changing: Any) -> Any:
    """All that a text says but for one value."""
    if node is changing:
        return "changing"
    if isinstance(node, MappingNode):
        return [(shape(key, changing), shape(value, changing)) for key, value in node.value]
    if isinstance(node, SequenceNode):
        return [shape(value, changing) for value in node.value]
    return str(node.tag), node.value


def plain(text: str) -> Any:
    """What a text says.

    Raises:
        ValueError: it is no YAML.
    """
    try:
        return read_yaml(text, "").plain_value()
    except ClipigError:
        raise ValueError(BY_HAND) from None


def rest(content: Any, path: tuple[str, ...]) -> dict[str, Any]:
    """A mapping without what stands at a path, nor the mapping that is empty then."""
    kept = dict(content or {})
    inner = kept.pop(path[0], None)
    inside = rest(inner, path[1:]) if path[1:] else None
    return kept | ({path[0]: inside} if inside else {})


def at(node: Any, path: tuple[str, ...]) -> Any:
    """What stands at a path of keys, or None."""
    for name in path:
        pairs = node.value if isinstance(node, MappingNode) else []
        node = next((value for key, value in pairs if key.value == name), None)
    return node


def says(node: Any, value: str, word: bool) -> bool:
    """Whether a node is a single value as somebody entered it."""
    kind = str(node.tag).rpartition(":")[2] if isinstance(node, ScalarNode) else ""
    return node.value == value and (kind == "str" if word else kind in KINDS)


def spellings(value: str) -> Iterator[str]:
    """A value as YAML: as it is, if that means the same, else in quotes."""
    if value and value.isprintable():
        yield value
    yield json.dumps(value, ensure_ascii=False)
