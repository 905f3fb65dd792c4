"""`clipig plugins`: what there is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from clipig_core.registry import Component, Plugin, Registry


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--strict", is_flag=True, help="Exit with 1 if a plugin is broken.")
@click.pass_context
def plugins(ctx: click.Context, name: str | None, as_json: bool, strict: bool) -> None:
    """List all plugins, or show what the component NAME does and takes."""
    from clipig_core.registry import Registry

    registry = Registry()
    if name is not None:
        show(registry, name, as_json)
    elif as_json:
        click.echo(json.dumps([describe(plugin) for plugin in registry.plugins], indent=2))
    else:
        click.echo("\n".join(listing(registry.plugins)))
    if strict and any(plugin.status == "broken" for plugin in registry.plugins):
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


def listing(found: list[Plugin]) -> list[str]:
    """A line for each plugin, then a line for each kind of component that it provides."""
    lines = []
    for plugin in found:
        lines.append(f"{plugin.name}  ({plugin.distribution} {plugin.version})  {plugin.status}")
        lines += [f"  error: {error}" for error in plugin.errors]
        kinds: dict[str, list[str]] = {}
        for component in plugin.components:
            kinds.setdefault(component.kind, []).append(component.name)
        lines += [f"  {kind}: {', '.join(names)}" for kind, names in kinds.items()]
    return lines


def show(registry: Registry, name: str, as_json: bool) -> None:
    """Everything that is declared about the components of this name."""
    from clipig_core.errors import InputError, unknown

    components = [c for plugin in registry.plugins for c in plugin.components if c.name == name]
    if not components:
        known = {component.name for plugin in registry.plugins for component in plugin.components}
        raise InputError(f"{unknown('component', name, known)}; `clipig plugins` lists all")
    if as_json:
        click.echo(json.dumps([documentation(component) for component in components], indent=2))
    else:
        click.echo("\n\n".join("\n".join(page(documentation(component))) for component in components))


def documentation(component: Component) -> dict[str, Any]:
    """What a component declares, for JSON. Imports it."""
    return {
        "kind": component.kind,
        "name": component.name,
        "plugin": component.plugin.name,
        "distribution": component.plugin.distribution,
        "doc": component.doc,
        "random": component.random,
        "resizes": component.resizes,
        "parameters": [
            {
                "name": param.name,
                "type": param.type_name,
                "optional": param.optional,
                "required": param.required,
                **({} if param.required else {"default": param.default}),
                "variables": list(param.variables) if param.numeric else [],
                "doc": param.param.doc,
            }
            for param in component.params.values()
        ],
    }


def page(entry: dict[str, Any]) -> list[str]:
    """The documentation of a component, for people."""
    flags = {"random": "Draws random numbers.", "resizes": "Changes the resolution."}
    lines = [f"{entry['kind']} {entry['name']}  ({entry['plugin']}, {entry['distribution']})", "", entry["doc"]]
    said = [text for flag, text in flags.items() if entry[flag]]
    if said:
        lines += ["", " ".join(said)]
    for param in entry["parameters"]:
        default = "required" if param["required"] else f"default {param['default']}"
        lines += ["", f"  {param['name']}: {param['type']}, {default}", f"    {param['doc']}"]
        if param["variables"]:
            lines.append(f"    Expressions may use: {', '.join(param['variables'])}")
    return lines
