"""From YAML files and options to one document: merged, changed, and with variables filled in."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from clipig_core.config.templates import fill, gaps
from clipig_core.errors import InputError, Place, PluginError, Problem, nearest, raise_all
from clipig_core.extension.kinds import KINDS, Stands
from clipig_core.extension.registry import Registry
from clipig_core.language.nodes import Node
from clipig_core.language.params import DEFAULT
from clipig_core.language.yaml import MAX_BYTES, read_file, read_yaml

SECTIONS = ("init", "vars")
"""Mappings that are merged key by key."""

LISTS = ("targets", "postproc", "finish", *(kind.key for kind in KINDS.values() if kind.stands is Stands.RUN_LIST))
"""The lists of a config, which grow when configs are merged."""


@dataclass(frozen=True)
class Document:
    """A config as it is written: look, files and options in one, with places, variables not yet filled in."""

    node: Node
    sections: Node = field(default_factory=lambda: Node({}, DEFAULT))
    """What is no part of a run: sections that commands read, each under the name of its command."""

    @classmethod
    def read(cls, sources: Sequence[str | Node], options: Mapping[str, object], registry: Registry) -> Document:
        """What some YAML files (`-` is standard input) or documents say together, and options, which win.

        A `look` is the beginning of a config, on which the files are merged.

        Raises:
            InputError: a file cannot be read, or is no YAML.
        """
        problems: list[Problem] = []
        nodes = []
        for source in sources:
            try:
                nodes.append(source if isinstance(source, Node) else read_file(source))
            except InputError as error:
                problems += error.problems
        raise_all(problems)
        for name, value in options.items():
            place = Place(f"--{name.replace('_', '-')}")
            nodes.append(Node({name: Node.of(value, place)}, place, {name: place}))
        lists = [*LISTS, *registry.keys(Stands.RUN_LIST)]
        merged = merge([*_look(merge(nodes, lists), registry), *nodes], lists)
        own = registry.sections.keys() & merged.value.keys()
        return cls(_some(merged, merged.value.keys() - own), _some(merged, own))

    def override(self, path: str, value: Node) -> Document:
        """With another value at a dotted path, such as `targets.0.weight`; missing mappings are made.

        Raises:
            InputError: a part of the path is no number of an element, or leads into something that has no parts.
        """
        return replace(self, node=override(self.node, path, value))

    @property
    def variables(self) -> frozenset[str]:
        """The names that stand as `{{name}}` in its texts."""
        return frozenset(name for name, _ in gaps(self.node))

    def filled(self) -> Node:
        """What is to be checked: each `{{name}}` in a text is replaced by the variable of this name in `vars`.

        Raises:
            InputError: a variable has no value, or one that is no single value; or there are sections, which want to be
                read by their commands.
        """
        raise_all([_elsewhere(name, place) for name, place, _ in self.sections.items()])
        return filled_in(self.node)


def _some(node: Node, names: Collection[str]) -> Node:
    """A mapping with no other names than these."""
    return replace(node, value={name: value for name, value in node.value.items() if name in names})


def _elsewhere(name: str, place: Place) -> Problem:
    """A section that stands in a config that is to be run."""
    file = f" {shlex.quote(place.source)}" if Path(place.source).is_file() else ""
    return Problem(f"'{name}' is read by 'clipig {name}' alone", place, f"write: clipig {name}{file}")


def document(
    sources: Sequence[str | Node],
    options: Mapping[str, object],
    registry: Registry,
    changes: Sequence[tuple[str, str]] = (),
) -> Node:
    """What some files and options say together, see `Document`; `changes` set single parameters in the end.

    A change is a path such as `targets.0.weight`, and a YAML text.

    Raises:
        InputError: a file cannot be read, is no YAML, or leaves a variable without a value.
    """
    merged = Document.read(sources, options, registry)
    for path, text in changes:
        merged = merged.override(path, read_yaml(text, f"--set {path}"))
    _check_used(options.get("vars"), merged.variables)
    return merged.filled()


def _check_used(given: object, used: Collection[str]) -> None:
    """Raises InputError if options give values to variables that no text has."""
    unused = [name for name in given if name not in used] if isinstance(given, dict) else []
    hint = "" if used else "it has no variables"
    raise_all(
        Problem(f"no text of the config has '{{{{{name}}}}}'", Place(f"--var {name}"), hint or nearest(name, used))
        for name in unused
    )


def override(node: Node, path: str, value: Node) -> Node:
    """A document with another value at a dotted path, such as `targets.0.weight`; missing mappings are made.

    Raises:
        InputError: a part of the path is no number of an element, or leads into something that has no parts.
    """
    name, _, rest = path.partition(".")

    def inside(child: Node | None) -> Node:
        return override(child or Node({}, value.place), rest, value) if rest else value

    if isinstance(node.value, dict | None):
        before = node.value or {}
        return replace(node, value=before | {name: inside(before.get(name))}, keys={name: value.place} | node.keys)
    if isinstance(node.value, list):
        if not name.isdecimal() or int(name) >= len(node.value):
            known = f"the elements are numbered 0 to {len(node.value) - 1}" if node.value else "the list is empty"
            raise InputError(Problem(f"there is no element '{name}'", value.place, known))
        elements = list(node.value)
        elements[int(name)] = inside(elements[int(name)])
        return replace(node, value=elements)
    raise InputError(Problem(f"'{name}' is looked for in {node.describe()}", value.place, "a path names parameters"))


def _look(node: Node, registry: Registry) -> list[Node]:
    """The document of the look that a config wants, if it wants one."""
    name = node.value.get("look")
    if name is None or name.value is None:
        return []
    try:
        if not isinstance(name.value, str):
            raise LookupError(f"'look' is {name.describe()}; a name is expected")
        component = registry.find("look", name.value)
        return [read_yaml(component.loaded, f"look {component.name}")]
    except (LookupError, PluginError) as error:
        raise InputError(Problem(str(error.args[0]), name.place)) from error


def filled_in(node: Node) -> Node:
    """The document with the values of its `vars` in place of `{{name}}`, in all texts behind keys.

    Raises:
        InputError: a variable has no value, or one that is no single value.
    """
    given = node.value.get("vars", Node({}, DEFAULT))
    if not isinstance(given.value, dict | None):
        raise InputError(Problem(f"'vars' is {given.describe()}", given.place, "expected names and their values"))
    values, problems = {}, []
    for name, _, value in given.items() if given.value else ():
        if isinstance(value.value, dict | list | None):
            problems.append(Problem(f"the variable '{name}' is {value.describe()}", value.place, "expected one value"))
        values[name] = str(value.value)
        if not values[name].isascii() and any("\ud800" <= char <= "\udfff" for char in values[name]):
            problems.append(Problem(f"the variable '{name}' is not a text in UTF-8", value.place))
    document = replace(node, value={name: value for name, value in node.value.items() if name != "vars"})
    for name, place in gaps(document):
        if name not in values:
            hint = f"write 'vars: {{{name}: ...}}', or use the option --var {name}=..."
            problems.append(Problem(f"the variable '{name}' has no value", place, hint))
    if not problems and sum(len(values[name]) for name, _ in gaps(document)) > MAX_BYTES:
        message = f"with its variables filled in, the config is larger than {MAX_BYTES // 1024} KiB"
        problems.append(Problem(message, given.place))
    raise_all(problems)
    filled = fill(document, values)
    return replace(node, value=filled.value | ({"vars": given} if "vars" in node.value else {}))


def merge(nodes: Sequence[Node], lists: Iterable[str] = LISTS) -> Node:
    """One mapping of several: `lists` are appended, sections are merged key by key, all else is replaced.

    Raises:
        InputError: a document is not a mapping.
    """
    values: dict[str, Node] = {}
    keys: dict[str, Place] = {}
    for node in nodes:
        if not isinstance(node.value, dict):
            what = "the config is empty" if node.value is None else f"the config is {node.describe()}"
            raise InputError(Problem(what, node.place, "expected 'targets:' and other parameters"))
        for name, place, value in node.items():
            before = values.get(name)
            if name in lists and before and isinstance(before.value, list) and isinstance(value.value, list):
                value = Node([*before.value, *value.value], before.place)
            elif name in SECTIONS and before and isinstance(before.value, dict) and isinstance(value.value, dict):
                value = Node(before.value | value.value, before.place, before.keys | value.keys)
            values[name], keys[name] = value, place
    return Node(values, nodes[0].place if nodes else DEFAULT, keys)
