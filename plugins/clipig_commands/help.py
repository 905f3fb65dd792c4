"""`clipig help`: what a key of a config, a variable, a component or a command means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from clipig_commands.common import as_json, call, columns, registry_of
from clipig_core import InputError, Problem

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from clipig_core.kit import Key, Registry


def complete(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """What may be asked for."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in known(registry_of(ctx)) if name.startswith(begun)]


@click.command()
@click.argument("key", required=False, shell_complete=complete)
@click.option("--json", "structured", is_flag=True, help="Print JSON.")
@click.pass_context
def help(ctx: click.Context, key: str | None, structured: bool) -> None:  # noqa: A001 - what users write
    """Explain KEY: what stands in a config under this name.

    KEY is a name such as `select`, a path such as `init.resolution`, a variable of expressions such as `t`, a
    component such as `blur`, a parameter of one such as `blur.sigma`, or just `sigma` if that is no key, or a command.
    Without it, all keys are listed.

    \b
    clipig help resolution
    clipig help targets.features.weight
    """  # noqa: D301 - click wants the backspace
    from clipig_core.kit import keys

    registry = registry_of(ctx)
    found = [one for one in keys(registry) if key in (None, one.path, one.name)]
    if key is not None and not found:
        of_others(ctx, registry, key, structured)
    elif structured:
        as_json([described(one, registry) for one in found])
    elif key is None:
        click.echo("\n".join(listing(found)))
    else:
        click.echo("\n\n".join("\n".join(page(one, registry)) for one in found))
        if is_command(ctx, key):
            click.echo()
            call(ctx, key, ["--help"])


def of_others(ctx: click.Context, registry: Registry, name: str, structured: bool) -> None:
    """The help of a command, a component, or the parameters of components.

    Raises:
        InputError: nothing has this name; what is near is named.
        UsageError: it is a command, and was to be JSON.
    """
    from clipig_core.kit import nearest, page_of_parameter, parameters

    whole = {f"{one.plugin.distribution}/{one.name}" for plugin in registry.plugins for one in plugin.components}
    if is_command(ctx, name):
        if structured:
            raise click.UsageError(f"'{name}' is a command, of which there is no JSON.")
        call(ctx, name, ["--help"])
    elif name in whole.union(known(registry), registry.kinds):
        call(ctx, "plugins", [name, *(["--json"] if structured else [])])
    else:
        every = parameters(registry)
        found = [entry for entry in every if name in spellings(entry)]
        if not found:
            near = nearest(name, [*known(registry), *(spelling for entry in every for spelling in spellings(entry))])
            message = f"nothing is called '{name}'{registry.suspects()}"
            raise InputError(Problem(message, hint=near or "'clipig help' lists all keys"))
        if structured:
            as_json(found)
        else:
            click.echo("\n\n".join("\n".join(page_of_parameter(entry, columns())) for entry in found))


def spellings(parameter: Mapping[str, Any]) -> list[str]:
    """How one may ask for a parameter: by its name, alone or behind that of a component that has it."""
    name = parameter["name"]
    return [name, *(f"{owner['name']}.{name}" for owner in parameter["of"])]


def is_command(ctx: click.Context, name: str) -> bool:
    """Whether `clipig` has a command of this name."""
    root = ctx.find_root()
    return isinstance(root.command, click.Group) and name in root.command.list_commands(root)


def known(registry: Registry) -> list[str]:
    """Every name that there is help for, but for those of commands."""
    from clipig_core.kit import keys

    paths = [name for key in keys(registry) for name in (key.name, key.path)]
    return sorted({*paths, *(name for kind in registry.kinds for name in registry.names(kind))})


def listing(found: Sequence[Key]) -> list[str]:
    """All keys with what they mean, on a line each."""
    from clipig_core.kit import beside

    room = max(len(key.path) for key in found)
    return [line for key in found for line in beside(f"{key.path:<{room}}  ", key.doc, columns())]


def page(key: Key, registry: Registry) -> list[str]:
    """What there is to say of a key, for people."""
    from clipig_core.kit import beside

    width, entry = columns(), described(key, registry)
    head = f"{key.path}, a variable of expressions" if key.groups else key.path
    lines = [head, *beside("  ", key.doc, width)]
    for label, value in entry.items():
        if label not in ("path", "doc") and value not in (None, "", []):
            text = ", ".join(value) if isinstance(value, list) else str(value)
            lines += beside(f"  {label}: ", text, width)
    return lines


def described(key: Key, registry: Registry) -> dict[str, object]:
    """What there is to say of a key, for JSON."""
    entry: dict[str, object] = {"path": key.path, "doc": key.doc}
    if key.declaration:
        entry |= {"type": key.type, "expressions may use": key.variables}
    if key.kind:
        kind = registry.kinds[key.kind]
        entry |= {"value": f"{kind} by name, or by name with parameters", "names": registry.names(key.kind)}
    if key.groups:
        entry["groups"] = [*key.groups]
    return entry
