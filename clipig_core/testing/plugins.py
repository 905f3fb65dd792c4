"""The check of a whole plugin."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points

from clipig_core.errors import PluginError
from clipig_core.extension.kinds import Takes
from clipig_core.extension.registry import GROUP, Component, Registry
from clipig_core.language.params import declarations
from clipig_core.testing.base import (
    ContractError,
    _declared,
)

__tracebackhide__ = True  # pytest then shows the author's line, not those of this file


def check_plugin(module: str, /) -> None:
    """Check the module that an entry point names: its hooks, and all that their functions declare."""
    try:
        hooks = importlib.import_module(module)
    except Exception as error:
        raise ContractError(f"{module}: cannot be imported: {type(error).__name__}: {error}") from error
    registry = Registry()
    for kind in registry.kinds.values():
        if hasattr(hooks, kind.hook) and not hasattr(getattr(hooks, kind.hook), "clipig_impl"):
            raise ContractError(
                f"{module}: {kind.hook} is not marked as a hook; decorate it with @hookimpl of clipig_core"
            )
    others = [entry for entry in entry_points(group=GROUP) if entry.value != module]  # which may bring its kinds
    name = f"{module} under test"
    registry = Registry([*others, EntryPoint(name, module, GROUP)])
    (plugin,) = (plugin for plugin in registry.plugins if plugin.name == name)
    known = ", ".join(kind.hook for kind in registry.kinds.values())
    if plugin.errors:
        raise ContractError(f"{module}: {plugin.errors[0]}; hooks take nothing and return names: {known}")
    if not plugin.components and not hasattr(hooks, "clipig_kinds"):
        raise ContractError(f"{module}: provides nothing; implement one of {known}, decorated with @hookimpl")
    for component in plugin.components:
        what, kind = f"{module}: {component.kind} '{component.name}'", component.contract
        if component.name in kind.taken():
            raise ContractError(f"{what} has a name that means something else in a config; choose another")
        if not re.fullmatch(kind.names, component.name):
            raise ContractError(f"{what} is hard to write in a config; use lower-case letters, digits, '_' and '-'")
        try:
            loaded = component.loaded
        except PluginError as error:
            raise ContractError(f"{what}: {error}") from error
        if component.entry.section:
            _documented(what, component)
        if kind.takes is Takes.ANYTHING:
            if not component.doc:
                raise ContractError(f"{what} has no documentation; say what it does, for `clipig plugins`")
        else:
            _declared(kind, loaded)
    code = f"import sys; sys.path[:] = {sys.path!r}; import {module}; sys.exit('torch' in sys.modules)"
    if subprocess.run([sys.executable, "-c", code], check=False).returncode:  # noqa: S603
        raise ContractError(f"{module}: importing it loads torch; leave only the hooks there, to keep listings fast")


def _documented(what: str, command: Component) -> None:
    """Check the section that a command reads."""
    try:
        section = command.section
    except PluginError as error:
        raise ContractError(f"{what}: {error}") from error
    found = declarations(section)
    if not found:
        raise ContractError(f"{what}: its section declares nothing; annotate its attributes, each with a Param")
    silent = [name for name, declaration in found.items() if not declaration.param.doc.strip()]
    if silent or not section.__doc__:
        raise ContractError(f"{what}: its section says nothing of {', '.join(silent) or 'itself'}, for `clipig help`")
