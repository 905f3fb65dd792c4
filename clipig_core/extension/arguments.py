"""What commands have in common: arguments of the form NAME=VALUE."""

from __future__ import annotations


def pair(text: str, option: str = "") -> tuple[str, str]:
    """`NAME=VALUE`, split; `option` is where it was written, for the message.

    Raises:
        click.UsageError: it has no name, or no `=`.
    """
    import click

    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        written = f"{option} " if option else ""
        raise click.UsageError(f"'{written}{text}' has no '='; write {written}NAME=VALUE.")
    return name.strip(), value
