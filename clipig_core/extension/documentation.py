"""What a component declares, for programs and for people, and an example of its use."""

from __future__ import annotations

import contextlib
import inspect
import json
import math
import re
import textwrap
from typing import TYPE_CHECKING, Any

from clipig_core.errors import InputError, Place, PluginError, printable
from clipig_core.extension.kinds import Kind, Stands
from clipig_core.language.expressions import VARIABLES
from clipig_core.language.nodes import Node
from clipig_core.language.params import Declaration
from clipig_core.language.schedule import FrameTime

if TYPE_CHECKING:
    from clipig_core.extension.registry import Component, Registry


def documentation(component: Component, registry: Registry, spelling: str = "") -> dict[str, Any]:
    """What a component declares, for JSON; `spelling` is how a config names it. Imports it.

    Raises:
        PluginError: it cannot be loaded, or its declarations cannot be read.
    """
    declared = component.params.values()  # first, as this says what is wrong with a signature
    return {
        "kind": component.kind,
        "name": component.name,
        "alias_of": component.alias_of,
        "deprecated": component.entry.deprecated,
        "plugin": component.plugin.name,
        "distribution": component.plugin.distribution,
        "version": component.plugin.version,
        "doc": prose(component.doc),
        "random": component.random,
        "resizes": component.resizes,
        "parameters": [parameter(declaration) for declaration in declared],
        "also": [*component.contract.own(), *named_with(component, registry)],
        "example": example(component, spelling or component.name),
    }


def named_with(component: Component, registry: Registry) -> dict[str, Declaration]:
    """What is named beside a component, such as the loss beside a feature."""
    if component.contract.stands is not Stands.FEATURE_KEY:
        return {}
    return registry.named_values()


def parameter(declaration: Declaration) -> dict[str, object]:
    """What is declared of one parameter, for JSON."""
    return {
        "name": declaration.name,
        "type": declaration.type_name,
        "optional": declaration.optional,
        "required": declaration.required,
        **({} if declaration.required else {"default": plain(declaration.default)}),
        "min": declaration.param.min,
        "max": declaration.param.max,
        "above": declaration.param.above,
        "lengths": declaration.lengths,
        "choices": declaration.type.words,
        "variables": declaration.variables if declaration.type.numeric else (),
        "doc": declaration.param.doc,
    }


def parameters(registry: Registry) -> list[dict[str, Any]]:
    """What is declared of the parameters of all components that can be loaded, for JSON. Imports them.

    Those of one name that mean the same are one entry; `of` says whose they are. A component with a fault is left out.
    """
    found: dict[str, dict[str, Any]] = {}
    for component in (one for plugin in registry.plugins for one in plugin.components):
        with contextlib.suppress(PluginError):
            for declaration in component.params.values():
                entry = parameter(declaration)
                own = next(iter(registry.spellings(component)), component.name)
                found.setdefault(repr(entry), {**entry, "of": []})["of"].append({"kind": component.kind, "name": own})
    return [*found.values()]


def plain(default: object) -> object:
    """A default as JSON has it."""
    if isinstance(default, tuple):
        return tuple(map(plain, default))
    return default.value if isinstance(default, FrameTime) else default


def prose(doc: str) -> str:
    """A docstring for those who use the component: without its example and the sections for callers from Python."""
    doc = re.split(r"^(?:Raises|Args|Returns|Yields):", EXAMPLE.sub("", doc), maxsplit=1, flags=re.MULTILINE)[0]
    return re.sub(r"Raises \w+ if", "It is an error if", doc).strip()


# For people

NARROW = 24


def beside(label: str, text: str, width: int) -> list[str]:
    """Lines with `label` on the left of the first, and `text` on its right, wrapped, but never to a narrow column."""
    room = max(width - len(label), NARROW)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{'' if number else label:<{len(label)}}{line}".rstrip() for number, line in enumerate(lines)]


def page(entry: dict[str, Any], width: int) -> list[str]:
    """The documentation of a component, for people."""
    other = f", another name of {entry['alias_of']}" if entry["alias_of"] else ""
    lines = [
        f"{entry['kind']} {entry['name']}{other}",
        f"of the plugin {entry['plugin']} ({entry['distribution']} {entry['version']})",
    ]
    if entry["deprecated"]:
        lines += ["", f"Deprecated: {entry['deprecated']}"]
    for paragraph in filter(None, [*entry["doc"].split("\n\n"), *(FLAGS[flag] for flag in FLAGS if entry[flag])]):
        as_it_is = re.search(r"^(\s|[-*] )", paragraph, re.MULTILINE)  # lists and code
        lines += ["", *(paragraph.splitlines() if as_it_is else beside("", paragraph, width))]
    if entry["parameters"]:
        texts = {p["name"]: [type_in_words(p), p["doc"]] for p in entry["parameters"]}
        lines += ["", "Parameters", *_columns(texts, width)]
    if entry["also"]:
        lines += ["", f"Every {entry['kind']} also takes {', '.join(entry['also'])}."]
    groups = dict.fromkeys(group for p in entry["parameters"] for group in p["variables"])
    if groups:
        names = {group: [", ".join(VARIABLES[group])] for group in groups}
        lines += ["", "Variables of expressions", *_columns(names, width)]
    if entry["example"]:
        lines += ["", "Example", *textwrap.indent(entry["example"], "  ").splitlines()]
    return [printable(line) for line in lines]


def page_of_parameter(entry: dict[str, Any], width: int) -> list[str]:
    """What there is to say of one of `parameters`, for people."""
    kinds = dict.fromkeys(one["kind"] for one in entry["of"])
    names = {kind: ", ".join(one["name"] for one in entry["of"] if one["kind"] == kind) for kind in kinds}
    owners = "; ".join(f"{kind} {names[kind]}" for kind in kinds)
    lines = [*beside("", f"{entry['name']}, a parameter of {owners}", width), *beside("  ", entry["doc"], width)]
    return [printable(line) for line in [*lines, *beside("  type: ", type_in_words(entry), width)]]


def page_of_kind(kind: Kind, registry: Registry, width: int) -> list[str]:
    """The contract of a kind, for people, and what there is of it."""
    entry = contract(kind, registry)
    lines = [f"kind {kind}", "", *kind.doc.strip().splitlines()[:1]]
    for paragraph in inspect.cleandoc(kind.doc).split("\n\n")[1:]:
        lines += ["", *beside("", paragraph, width)]
    lines += ["", *beside("In a config: ", f"{kind.stands.value}{f', {kind.key}' if kind.key else ''}", width)]
    lines += beside("Hook: ", f"{kind.hook}", width)
    if entry["components"]:
        lines += ["", "Components", *_columns({one["name"]: [one["summary"]] for one in entry["components"]}, width)]
    return [printable(line) for line in lines]


def contract(kind: Kind, registry: Registry) -> dict[str, Any]:
    """A kind and its components, for JSON. Imports none of them."""
    found = [c for plugin in registry.plugins for c in plugin.components if c.kind == kind.name and not c.error]
    return {
        "kind": kind.name,
        "hook": kind.hook,
        "stands": kind.stands.value,
        "key": kind.key,
        "doc": inspect.cleandoc(kind.doc),
        "components": [{"name": c.name, "alias_of": c.alias_of, "summary": c.summary} for c in found],
    }


FLAGS = {
    "random": "Draws random numbers, anew for each view.",
    "resizes": "Changes the resolution, so it cannot be used in postproc.",
}


def _columns(entries: dict[str, list[str]], width: int) -> list[str]:
    """Names on the left; on the right texts, each of which begins a line."""
    room = max(map(len, entries))
    return [
        line
        for name, texts in entries.items()
        for number, text in enumerate(texts)
        for line in beside(f"  {'' if number else name:<{room}}  ", text, width)
    ]


def type_in_words(parameter: dict[str, Any]) -> str:
    """Type, bounds and default."""
    limits = {"above": parameter["above"], "from": parameter["min"], "to": parameter["max"]}
    bounds = " ".join(
        f"{word} {limit:{'g' if isinstance(limit, float) else ''}}"
        for word, limit in limits.items()
        if limit is not None
    )
    default = "required" if parameter["required"] else f"default {written(parameter['default'])}"
    return ", ".join(filter(None, [parameter["type"], bounds, default]))


def written(value: object) -> str:
    """A value as one would write it in YAML, also inside of brackets."""
    if isinstance(value, tuple):
        return " ".join(map(written, value))
    if isinstance(value, str):
        from clipig_core.language.yaml import read_yaml  # here, as listings do without

        with contextlib.suppress(InputError):
            if read_yaml(f"[{value}]", "text").plain_value() == [value]:
                return value
        return json.dumps(value, ensure_ascii=False)
    return "none" if value is None else json.dumps(plain(value), default=str)


# Examples

EXAMPLE = re.compile(r"^Example: *(\S.*)\n?", re.MULTILINE)


def example(component: Component, name: str) -> str:
    """How the component is used under a name, mostly a config; empty if its kind cannot say.

    Its parameters are those of a line `Example: ...` in the docstring, which holds the YAML behind the name; else they
    are the defaults, and for required ones a value that the declaration allows.
    """
    if name.startswith("."):
        name = f"my-clip{name}"
    elif not re.fullmatch(r"[A-Za-z_][\w./@-]*", name):
        name = json.dumps(name)
    value = example_value(component)
    return component.contract.config(name, value).rstrip()


def example_value(component: Component) -> str:
    """What stands behind the name in the example; empty if there is nothing to say."""
    declared = EXAMPLE.search(component.doc)
    if declared:
        return declared[1].strip()
    params = component.params.values()
    values = {p.name: written(_allowed(p) if p.required else p.default) for p in params if p.default is not None}
    if len(params) == len(values) == 1:
        return "".join(values.values())
    return f"{{{', '.join(f'{name}: {value}' for name, value in values.items())}}}" if values else ""


def _allowed(declaration: Declaration) -> object:
    """A value for a parameter that has no default."""
    bounds, plain_one = declaration.param, declaration.type.example()
    above = None if bounds.above is None else math.floor(bounds.above) + 1
    for number in (plain_one, bounds.min, bounds.max, above):
        if number is not None:
            with contextlib.suppress(InputError):
                declaration.convert(Node.of(number, Place("example")))
                return number
    return plain_one
