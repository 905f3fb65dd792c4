"""The reference pages, written from the declarations whenever the documentation is built.

A page holds markers, such as a fence of `{clipig-components} transform`; before Sphinx parses the page, each is
replaced by Markdown that is read from the registry, the sections of the config, or the command line. Nothing is
written to disk.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clipig_cli import cli
from clipig_cli.run import run
from clipig_core.config import sections
from clipig_core.extension.documentation import documentation
from clipig_core.extension.kinds import COMMAND, CONSTRAINT, KINDS, TRANSFORM, Kind, Stands
from clipig_core.extension.registry import Component, Registry
from clipig_core.language.params import Declaration, declarations
from clipig_core.language.schedule import FrameTime

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent.parent
REGISTRY = Registry()
MARKER = re.compile(r"^```\{clipig-(?P<what>\w+)\} ?(?P<argument>.*)\n```$", re.MULTILINE)


def _has_example(component: Component) -> bool:
    """Whether it is the one of its function's names under which the reference shows an example."""
    same = [c for c in _shown_of(component.kind) if c.target == component.target and not c.alias_of]
    usual = [c for c in same if c.entry.default or c.name == c.target.rpartition(":")[2]]
    return component is (usual or same)[-1 if usual else 0]


def _shown_of(kind: str) -> list[Component]:
    """The built-in components of a kind; of a kind that another distribution brings, all."""
    found = [c for plugin in REGISTRY.plugins for c in plugin.components if c.kind == kind and not c.error]
    return [c for c in found if c.plugin.built_in or kind not in KINDS]


def expand(text: str) -> str:
    """A page with its markers replaced."""
    return MARKER.sub(lambda marker: GENERATORS[marker["what"]](marker["argument"]).strip(), text)


def components(kind: str) -> str:
    """A section for each built-in component of a kind; those that are one function share it."""
    by_function: dict[str, list[Component]] = {}
    for component in sorted(_shown_of(kind), key=lambda c: (c.name.startswith("."), c.name.lower())):
        by_function.setdefault(component.target, []).append(component)
    if not by_function:
        return "None comes with clipig yet; a [plugin](../plugins.md) of yours can have one."
    groups = REGISTRY.kinds[kind].variables
    intro = [f"Expressions in their parameters may use: {', '.join(groups)}."] if groups else []
    return "\n\n".join([*intro, *(_component(same) for same in by_function.values())])


def _component(same: list[Component]) -> str:
    entry = documentation(same[0], REGISTRY)
    flags = [text for flag, text in FLAGS.items() if entry[flag]]
    parts = [
        f"## {', '.join(component.name for component in same)}",
        _prose(entry["doc"]),
        *([f"*{' '.join(flags)}*"] if flags else []),
        *([_table(same[0].params.values(), variables=False)] if same[0].params else []),
        *(_shown(component) for component in same if _has_example(component)),
        f"From the plugin `{entry['plugin']}`.",
    ]
    return "\n\n".join(parts)


def _shown(component: Component) -> str:
    """The example, and a mark where `clipig_pictures` puts a picture of what it does."""
    text = example(component.kind, component.name)
    pictured = component.contract in PICTURED and "# sketch" not in text
    return f"```{{shown}} {component.kind} {component.name}\n```\n\n{text}" if pictured else text


PICTURED = (TRANSFORM, CONSTRAINT)
FLAGS = {
    "random": "Draws anew for each view.",
    "resizes": "Changes the resolution, so it cannot be used in post-processing.",
}


def example(kind: str, name: str) -> str:
    """A whole config that uses the component, as a fenced block; a sketch if it names a file of the reader's."""
    text = documentation(REGISTRY.find(kind, name), REGISTRY)["example"]
    sketch = "# sketch: with a file of yours\n" if re.search(r"\bmy-", text) else ""
    return f"```yaml\n{sketch}{text}\n```"


def section(name: str) -> str:
    """The parameters of a section of the config, from its class in `clipig_core/config/sections.py`."""
    named = REGISTRY.named_values() if name == sections.Feature.__name__ else {}
    return _table([*declarations(getattr(sections, name)).values(), *named.values()])


def part(command: str) -> str:
    """The parameters of the part of a config that a command reads."""
    return _table(declarations(REGISTRY.sections[command].section).values(), variables=False)


def choices(_: str) -> str:
    """The parameters whose values are components."""
    kinds = REGISTRY.keys(Stands.RUN_CHOICE)
    rows = [[f"`{key}`", f"[{kind}]({kind.plural}.md)", f"`{_default(kind)}`"] for key, kind in kinds.items()]
    return _rows(["Name", "Value", "Default"], rows)


def _default(kind: Kind) -> str:
    with contextlib.suppress(LookupError):
        return REGISTRY.default(kind.name)
    return "none"


def names(kind: str) -> str:
    """The components of a kind in a table, with what they say in one sentence."""
    found = sorted(_shown_of(kind), key=lambda component: component.name)
    return _rows(["Name", "What it is"], [[f"`{component.name}`", _cell(component.summary)] for component in found])


def kinds(_: str) -> str:
    """All kinds, also those of other distributions that are installed."""
    rows = [[f"`{kind}`", f"`{kind.hook}`", kind.stands.value, _cell(kind.summary)] for kind in REGISTRY.kinds.values()]
    return _rows(["Kind", "Hook", "In a config", "What it is"], rows)


def contract(kind: str) -> str:
    """What a kind promises."""
    return inspect.cleandoc(REGISTRY.kinds[kind].doc)


def commands(_: str) -> str:
    """The commands with their arguments and options."""
    context = click.Context(cli, info_name="clipig", **cli.context_settings)
    parts = [_options(cli, context)]
    plugged = {component.name: component.loaded for component in _shown_of(COMMAND.name)}
    for name, command in sorted({"run": run, **plugged}.items()):
        inner = click.Context(command, parent=context, info_name=name)
        usage = " ".join(command.collect_usage_pieces(inner))
        parts += [
            f"## clipig {name}",
            f"```console\n$ clipig {name} {usage}\n```",
            _prose(inspect.cleandoc(command.help or "")),
        ]
        parts.append(_options(command, inner))
    return "\n\n".join(parts)


def _options(command: click.Command, context: click.Context) -> str:
    rows = []
    for option in command.get_params(context):
        record = option.get_help_record(context)
        if record and isinstance(option, click.Option):
            rows.append([", ".join(f"`{name}`" for name in option.opts), _cell(record[1])])
    return _rows(["Option", "Meaning"], rows)


def picture(name: str) -> str:
    """A picture of `docs/pictures`, if it has been made: `name.png Its caption.`"""
    file, _, caption = name.partition(" ")
    if not (DOCS / "pictures" / file).exists():
        return ""
    return f"![{caption}](pictures/{file})\n\n*{caption}*"


GENERATORS: dict[str, Callable[[str], str]] = {
    "components": components,
    "section": section,
    "part": part,
    "choices": choices,
    "names": names,
    "kinds": kinds,
    "contract": contract,
    "commands": commands,
    "picture": picture,
}


def _table(parameters: Iterable[Declaration], *, variables: bool = True) -> str:
    """A row for each parameter."""
    columns: dict[str, Callable[[Declaration], str]] = {
        "Name": lambda p: f"`{p.name}`",
        "Type": lambda p: p.type_name + _bounds(p),
        "Default": lambda p: "required" if p.required else _plain(p.default),
        "Expressions may use": lambda p: ", ".join(p.variables) if p.type.numeric else "",
        "Meaning": lambda p: _cell(p.param.doc),
    }
    if not variables:
        del columns["Expressions may use"]
    return _rows([*columns], ([cell(parameter) for cell in columns.values()] for parameter in parameters))


def _bounds(parameter: Declaration) -> str:
    low, high, above = parameter.param.min, parameter.param.max, parameter.param.above
    words = [f"above {above}"] if above is not None else []
    words += [f"from {low}"] if low is not None else []
    words += [f"to {high}"] if high is not None else []
    return f", {' '.join(words)}" if words else ""


def _plain(default: Any) -> str:
    """A default as it would be written in YAML."""
    if default is None:
        return "none"
    if isinstance(default, FrameTime):
        default = default.value
    if isinstance(default, tuple):
        same = len({*default}) == 1
        return f"`{' '.join(map(str, default[:1] if same else default))}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _rows(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return _prose(text).replace("|", r"\|").replace("\n", " ")


def _prose(text: str) -> str:
    """A docstring as Markdown: without the sections for callers from Python, and safe outside of code."""
    text = re.split(r"^(?:Raises|Args|Returns|Yields):?\s", text, maxsplit=1, flags=re.MULTILINE)[0].strip()
    text = re.sub(r"Raises \w+ if", "It is an error if", text)
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(piece if piece.startswith("`") else re.sub(r"([<*_\[\]])", r"\\\1", piece) for piece in pieces)


def _replace(_app: Sphinx, _page: str, source: list[str]) -> None:
    source[0] = expand(source[0])


def _outdated(app: Sphinx, *_: Any) -> list[str]:
    """The pages with markers, which depend on more than their files."""
    found = [page for page in app.env.found_docs if MARKER.search(Path(app.env.doc2path(page)).read_text("utf-8"))]
    return sorted(found)


def _without_signature(_app: Sphinx, _what: str, _name: str, described: object, *_: Any) -> tuple[str, str] | None:
    """Protocols are not called."""
    return ("", "") if getattr(described, "_is_protocol", False) else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Hook into Sphinx."""
    app.setup_extension("clipig_pictures")
    app.connect("source-read", _replace)
    app.connect("env-get-outdated", _outdated)
    app.connect("autodoc-process-signature", _without_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
