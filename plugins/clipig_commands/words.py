"""`clipig words`: what a model knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from clipig_commands.common import as_json, registry_of
from clipig_core import InputError
from clipig_core.kit import names_of


@click.command()
@click.argument("model", required=False, shell_complete=names_of("model"))
@click.argument("pattern", required=False)
@click.option("--json", "structured", is_flag=True, help="Print JSON.")
@click.pass_context
def words(ctx: click.Context, model: str | None, pattern: str | None, structured: bool) -> None:
    """List the words that MODEL knows, of those models that have a list.

    With a PATTERN only words that contain it, or match it if it has a '*' or a '?'. A single argument that names no
    model is a pattern for all of them.

    \b
    clipig words
    clipig words emoji 'straw*'
    clipig words berry
    """  # noqa: D301 - click wants the backspace
    registry = registry_of(ctx)
    listed = {name: registry.find("model", name) for name in registry.names("model")}
    if model and pattern is None and model not in listed:
        model, pattern = None, model
    first = {component.entry.words: name for name, component in reversed(listed.items()) if component.entry.words}
    chosen = [model] if model else sorted(first.values())  # of models with the same list, one
    known = {name: matching(registry.words(name), pattern) for name in chosen}
    if pattern and not any(known.values()):
        raise InputError(nothing(pattern, [word for name in chosen for word in registry.words(name)]))
    if structured:
        as_json(known)
    elif model is None and pattern is None:
        for line in overview(known):
            click.echo(line)
    else:
        for line in lines(known):
            click.echo(line)


def matching(known: Sequence[str], pattern: str | None) -> list[str]:
    """The words that contain a pattern, or match it if it has wildcards; upper and lower case are the same."""
    from fnmatch import fnmatchcase

    if not pattern:
        return [*known]
    wanted = pattern.lower()
    wild = wanted if set("*?[") & {*wanted} else f"*{wanted}*"
    return [word for word in known if fnmatchcase(word.lower(), wild)]


def overview(known: Mapping[str, Sequence[str]]) -> list[str]:
    """How many words each model has."""
    some = {name: ", ".join(found[:: max(1, len(found) // 5)][:5]) for name, found in known.items()}
    return [f"{name}: {len(found)} words, such as {some[name]}" for name, found in known.items()]


def lines(known: Mapping[str, Sequence[str]]) -> list[str]:
    """One word a line, behind it the models that know it if there are several."""
    if len(known) == 1:
        return [*next(iter(known.values()))]
    every = dict.fromkeys(sorted(word for found in known.values() for word in found))
    return [f"{word}  ({', '.join(name for name, found in known.items() if word in found)})" for word in every]


def nothing(pattern: str, known: Sequence[str]) -> str:
    """That no word matches, and what is near."""
    from clipig_core.kit import nearest

    near = nearest(pattern, known)
    return f"no word is like '{pattern}'" + (f" ({near})" if near.startswith("did you") else "")
