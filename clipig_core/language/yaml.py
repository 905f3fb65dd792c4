"""YAML, read into nodes; what is too large or not meant for a config is refused while it is read."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, DocumentStartEvent, NodeEvent
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.parser import Parser
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner

from clipig_core.embedded import embedded, is_picture
from clipig_core.errors import InputError, Place, Problem
from clipig_core.language.nodes import Node

MAX_BYTES = 256 * 1024
MAX_NODES = 20_000  # after aliases are followed, so that nested aliases cannot grow without bound
MAX_DEPTH = 100

_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "seq", "map")
}


def read_yaml(text: str | bytes, source: str) -> Node:
    """The document of a YAML text; an empty one is a node of None.

    Its size is checked while it is read, before anything is made of it.

    Raises:
        InputError: not YAML, several documents, unknown tags, or too large.
    """
    if len(text) > MAX_BYTES:
        raise _larger(source)
    if isinstance(text, bytes):
        text = _decoded(text, source)
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner, yaml.Parser = _Scanner, _Parser
    try:
        root = yaml.compose(text)
        return _Reader(yaml, source).read(root) if root else Node(None, Place(source, 1, 1))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source, mark.line + 1, mark.column + 1) if mark else Place(source, 1, 1)
        invalid = "" if isinstance(error, _RefusedError) else "not valid YAML: "
        raise InputError(Problem(f"{invalid}{error.problem or error.context}", place)) from None
    except ReaderError as error:
        message = f"not valid YAML: the character {chr(error.character)!r} is not allowed"
        raise InputError(Problem(message, _place(text, error.position, source))) from None
    except (YAMLError, ValueError, AssertionError) as error:
        reason = (str(error).splitlines() or ["it cannot be read"])[0]
        raise InputError(Problem(f"not valid YAML: {reason}", Place(source, 1, 1))) from None
    except RecursionError:
        raise InputError(Problem("the file is nested too deeply", Place(source, 1, 1))) from None


def read_file(path: str) -> Node:
    """The document of a file, `-` for standard input; of a picture that clipig made, that inside of it.

    Raises:
        InputError: the file cannot be read, or is not YAML.
    """
    return read_yaml(read_text(path), "<stdin>" if path == "-" else path)


def read_text(path: str) -> bytes | str:
    """The text of a config, or that inside of a picture that clipig made.

    Raises:
        InputError: the file cannot be read, or is a picture without a config.
    """
    import sys

    if path == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b""
    try:
        if Path(path).is_fifo() and not path.startswith("/dev/"):  # where the shell has those of `<(...)`
            raise InputError(Problem("it is a pipe, in which there may be nothing", Place(path), "pipe it into '-'"))
        with Path(path).open("rb") as file:
            text = file.read(MAX_BYTES + 1)
            return _config_of_picture(path) if is_picture(text[:12]) else text
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(Problem(f"cannot read the config: {reason}", Place(path))) from None


def _decoded(text: bytes, source: str) -> str:
    if len(text) > MAX_BYTES:  # and perhaps cut inside of a character
        raise _larger(source)
    encoding = "utf-16" if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return text.decode(encoding)
    except UnicodeDecodeError as error:
        before = text[: error.start].decode(encoding, "ignore")
        raise InputError(Problem("the file is not a text in UTF-8", _place(before, len(before), source))) from None


def _place(text: str, position: int, source: str) -> Place:
    """Where a character is."""
    before = text[:position]
    return Place(source, before.count("\n") + 1, position - before.rfind("\n"))


def _config_of_picture(path: str) -> str:
    from PIL import Image, UnidentifiedImageError

    try:
        text = embedded(path)
    except UnidentifiedImageError:
        raise InputError(
            Problem("this picture is damaged: a part of it is missing or has changed", Place(path))
        ) from None
    except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(Problem(f"cannot read the config of this picture: {error}", Place(path))) from None
    if text is None:
        raise InputError(Problem("this picture holds no config; it was not made by clipig", Place(path)))
    return text


class _Scanner(Scanner):
    """Counts brackets, because their number squared is what ruamel's own needs before the first event."""

    def fetch_flow_collection_start(self, *args: Any, **kwargs: Any) -> None:
        super().fetch_flow_collection_start(*args, **kwargs)
        if self.flow_level > MAX_DEPTH:
            raise _too_large(self.reader.get_mark())


class _Parser(Parser):
    """Counts what the events will become when aliases are followed, and ends where it is too much."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._count = 0
        self._open: list[tuple[str | None, int]] = []
        self._sizes: dict[str, int] = {}

    def get_event(self) -> object:
        event = super().get_event()
        if isinstance(event, DocumentStartEvent) and (event.version not in (None, (1, 2)) or event.tags):
            raise _RefusedError(problem="only the directive '%YAML 1.2' is allowed", problem_mark=event.start_mark)
        if isinstance(event, AliasEvent):
            self._count += self._sizes.get(event.anchor, 1)
        elif isinstance(event, NodeEvent):
            self._count += 1
            if isinstance(event, CollectionStartEvent):
                self._open.append((event.anchor, self._count - 1))
            elif event.anchor:
                self._sizes[event.anchor] = 1
        elif isinstance(event, CollectionEndEvent):
            anchor, before = self._open.pop()
            if anchor:
                self._sizes[anchor] = self._count - before
        if self._count > MAX_NODES or len(self._open) > MAX_DEPTH:
            raise _too_large(event.start_mark)
        return event


class _RefusedError(MarkedYAMLError):
    """It may be YAML, and is more than a config needs."""


def _larger(source: str) -> InputError:
    hint = "large tensors of pixels belong into a file of their own"
    return InputError(Problem(f"the config is larger than {MAX_BYTES // 1024} KiB", Place(source, 1, 1), hint))


def _too_large(mark: object) -> _RefusedError:
    return _RefusedError(problem="the file is nested too deeply or too large", problem_mark=mark)


class _Reader:
    def __init__(self, yaml: YAML, source: str) -> None:
        self.yaml = yaml
        self.source = source
        self.count = 0

    def read(self, node: Any, depth: int = 0) -> Node:
        place = Place(self.source, node.start_mark.line + 1, node.start_mark.column + 1)
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            raise InputError(Problem("the file is nested too deeply or too large", place))
        if str(node.tag) not in _TAGS:
            raise InputError(Problem(f"the tag '{node.tag}' is not allowed", place))
        if isinstance(node, SequenceNode):
            return Node([self.read(child, depth + 1) for child in node.value], place)
        if isinstance(node, MappingNode):
            return self._mapping(node, place, depth)
        return self._scalar(node, place)

    def _mapping(self, node: MappingNode, place: Place, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged += [self.read(value_node, depth + 1)]
                continue
            at = Place(self.source, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, ScalarNode):
                raise InputError(Problem("a name is expected here", at))
            if key_node.value in values:
                raise InputError(Problem(f"'{key_node.value}' is given twice", at, f"first at {keys[key_node.value]}"))
            value = self.read(value_node, depth + 1)
            if value.value is None and not value_node.value:  # nothing is written; its mark is that of what follows
                value = Node(None, at)
            keys[key_node.value], values[key_node.value] = at, value
        for other in merged:
            for source in other.value if isinstance(other.value, list) else [other]:
                if not isinstance(source.value, dict):
                    raise InputError(Problem("'<<' needs a mapping", source.place))
                for key, at, value in source.items():
                    keys.setdefault(key, at)
                    values.setdefault(key, value)
        return Node(values, place, keys)

    def _scalar(self, node: ScalarNode, place: Place) -> Node:
        if str(node.tag).endswith((":timestamp", ":value")):
            return Node(node.value, place, plain=True)
        try:
            value = self.yaml.constructor.construct_object(node)
        except (ValueError, LookupError):  # `!!int x`, `!!bool maybe`
            raise InputError(Problem(f"'{node.value}' is not what its tag '{node.tag}' says", place)) from None
        if isinstance(value, str) and not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise InputError(Problem("half of a surrogate pair is no character", place))
        return Node(value, place, plain=node.style is None)
