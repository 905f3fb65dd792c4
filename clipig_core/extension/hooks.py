"""The hooks that a plugin implements, one for each kind of component (`extension/kinds.py`), and one for kinds.

Each returns a mapping from the names that users write to the components behind them: functions as `"module:function"`,
so that listing plugins imports nothing heavy, or an `Entry` that says more. The contracts of the components stand in
the docstrings; their parameters are declared in their signatures (see `clipig_core.language.params`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import pluggy

from clipig_core.extension.kinds import KINDS, Entry, Kind

hookspec = pluggy.HookspecMarker("clipig")
hookimpl = pluggy.HookimplMarker("clipig")


@hookspec
def clipig_kinds() -> Mapping[str, str | Kind]:
    """Kinds of components by their names: `clipig_core.extension.kinds.Kind` objects, or `"module:KIND"`.

    Other plugins, and this one, then provide components with the hook of the kind. Those that can do without mark
    theirs with `@hookimpl(optionalhook=True)`.
    """
    return {}


def specification(kind: Kind) -> Callable[[], Mapping[str, str | Entry]]:
    """The hook of a kind."""

    def hook() -> Mapping[str, str | Entry]:
        return {}

    hook.__name__ = hook.__qualname__ = kind.hook
    hook.__doc__ = inspect.cleandoc(kind.doc)
    return hookspec(hook)


globals().update({kind.hook: specification(kind) for kind in KINDS.values()})
