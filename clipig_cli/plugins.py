"""`clipig plugins`: what there is, and what each component does and takes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from clipig_cli.text import beside, columns, echo, printable
from clipig_core.errors import InputError, PluginError, unknown
from clipig_core.extension.completion import names_of
from clipig_core.extension.documentation import contract, documentation, page, page_of_kind

if TYPE_CHECKING:
    from clipig_core.extension.registry import Plugin, Registry

BROKEN = "BROKEN"


@click.command()
@click.argument("name", required=False, shell_complete=names_of())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--strict", is_flag=True, help="Exit with 1 if a plugin is broken, or a name ambiguous.")
@click.pass_context
def plugins(ctx: click.Context, name: str | None, as_json: bool, strict: bool) -> None:
    """List all plugins, or show what the component NAME does and takes.

    NAME may also be a kind of component; its contract is shown, and all components of that kind.
    """
    from clipig_core.extension.registry import Registry

    registry = ctx.find_object(Registry) or Registry()
    if name is not None:
        show(registry, name, as_json)
    elif as_json:
        echo(json.dumps([describe(plugin) for plugin in registry.plugins], indent=2))
    else:
        echo("\n".join(listing(registry, columns(otherwise=10_000))))
    ambiguous = registry.ambiguous() if strict or not (name or as_json) else []
    for sentence in ambiguous:
        echo(printable(sentence), err=True)
    if strict and (ambiguous or any(plugin.status == "broken" for plugin in registry.plugins)):
        ctx.exit(1)


def describe(plugin: Plugin) -> dict[str, Any]:
    """One plugin, for JSON."""
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "status": plugin.status,
        "errors": plugin.errors,
        "components": [{"kind": c.kind, "name": c.name, "error": c.error} for c in plugin.components],
    }


def listing(registry: Registry, width: int) -> list[str]:
    """Each distribution with its plugins, a row for each kind of component that a plugin provides; then a count."""
    table: dict[str, list[tuple[str, str, str]]] = {}
    for plugin in registry.plugins:
        group = table.setdefault(printable(f"{plugin.distribution} {plugin.version}"), [])
        for number, (label, text) in enumerate(rows(registry, plugin)):
            group.append(("" if number else printable(plugin.name), label, printable(text)))
    widths = [max((len(row[column]) for group in table.values() for row in group), default=0) for column in (0, 1)]
    lines = []
    for distribution, group in table.items():
        lines.append(click.style(distribution, bold=True))
        for name, label, text in group:
            wrapped = beside(f"  {name:<{widths[0]}}  {label:<{widths[1]}}  ", text, width)
            lines += [click.style(line, fg="red") if label == BROKEN else line for line in wrapped]
        lines.append("")
    counts = Counter(plugin.status for plugin in registry.plugins)
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    return [*lines, f"{len(registry.plugins)} plugins: {summary}".replace("broken", click.style(BROKEN, fg="red"))]


def rows(registry: Registry, plugin: Plugin) -> Iterator[tuple[str, str]]:
    """What is wrong with a plugin, then what it provides, by the names that configs use."""
    if plugin.status != "ok" or not plugin.components:
        yield plugin.status.upper(), "; ".join(plugin.errors)
    for kind in registry.kinds:
        names = [next(iter(registry.spellings(c)), c.name) for c in plugin.components if c.kind == kind and not c.error]
        if names:
            yield kind, ", ".join(names)


def show(registry: Registry, name: str, as_json: bool) -> None:
    """Everything that is declared about the components of this name, as far as they can be loaded.

    Raises:
        InputError: there are none.
        PluginError: all of them are broken.
    """
    every = [component for plugin in registry.plugins for component in plugin.components]
    found = [c for c in every if name in (c.name, f"{c.plugin.distribution}/{c.name}")]
    kind = registry.kinds.get(name)
    if not found and not kind:
        raise InputError(f"{unknown('component', name, {c.name for c in every})}; `clipig plugins` lists all")
    entries, problems = [], []
    for component in found:
        try:
            entries.append(documentation(component, registry, *registry.spellings(component)[:1]))
        except PluginError as error:
            problems.append(printable(str(error)))
    if not entries and not kind:
        raise PluginError("\n".join(problems))
    for problem in problems:
        echo(problem, err=True)
    if as_json:
        echo(json.dumps([*([contract(kind, registry)] if kind else []), *entries], indent=2))
    else:
        width = columns(otherwise=80)
        pages = [*([page_of_kind(kind, registry, width)] if kind else []), *(page(entry, width) for entry in entries)]
        echo("\n\n".join("\n".join(lines) for lines in pages))
