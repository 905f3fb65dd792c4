"""What a shell may complete: names of components, from the registry, and files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from clipig_core.extension.registry import Registry

if TYPE_CHECKING:
    from click import Context, Parameter
    from click.shell_completion import CompletionItem

Completer = Callable[["Context", "Parameter", str], "list[str] | list[CompletionItem]"]


def names_of(*kinds: str) -> Completer:
    """Completes names of components of some kinds, or of all; imports none of them.

    For arguments and options of click: `shell_complete=names_of("look")`.
    """

    def complete(ctx: Context, _parameter: Parameter, begun: str) -> list[str]:
        registry = ctx.find_object(Registry) or Registry()
        found = {name for kind in kinds or registry.kinds for name in registry.names(kind)}
        return sorted(name for name in found if name.startswith(begun))

    return complete


def files(_ctx: Context, _parameter: Parameter, begun: str) -> list[CompletionItem]:
    """Completes paths, as the shell does."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(begun, type="file")]
