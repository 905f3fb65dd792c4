"""Which plugins there are, what they provide, and what is wrong with them."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pluggy

from clipig_core import hooks
from clipig_core.errors import ClipigError, InputError, Place, PluginError, Problem, unknown
from clipig_core.hooks import KINDS
from clipig_core.params import Declaration, File, Resized, declarations

GROUP = "clipig"
BUILT_IN = "clipig"
DISABLE = "CLIPIG_DISABLE"

VARIABLES = {
    "transform": ("time", "resolution", "learnrate"),
    "constraint": ("time", "resolution", "learnrate", "target constraint"),
}
"""The variable groups that expressions in parameters of a component may use, by kind."""


@dataclass
class Component:
    """A function that a plugin provides under a name. Reading anything but its names imports it."""

    kind: str
    name: str
    target: str
    plugin: Plugin
    error: str = ""

    @cached_property
    def function(self) -> Callable[..., Any]:
        """The function itself.

        Raises:
            PluginError: it cannot be imported.
        """
        module, _, attribute = self.target.partition(":")
        try:
            if self.error:
                raise ImportError(self.error)
            function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
            if not inspect.isroutine(function):
                raise TypeError(f"'{self.target}' is not a function")
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self.describe()} cannot be loaded: {_reason(error)}") from error
        return function

    @cached_property
    def params(self) -> dict[str, Declaration]:
        """The declared parameters, in order.

        Raises:
            PluginError: the function cannot be imported or its declarations cannot be read.
        """
        function = self.function
        try:
            params = declarations(function, VARIABLES.get(self.kind, ()))
            if self.kind == "feature" and "value" not in params:
                raise PluginError("a feature source needs a parameter 'value'")
            for declaration in params.values():
                if not declaration.required:
                    declaration.default_value()
        except (PluginError, InputError) as error:
            raise PluginError(f"{self.describe()}: {error}") from error.__cause__
        return params

    @contextmanager
    def calling(self, place: Place | None = None, when: str = "") -> Iterator[None]:
        """Runs the component's code: what goes wrong is the user's parameters or the plugin, and says so.

        Raises:
            InputError: it refuses its parameters with a ValueError; the problem gets `place`.
            PluginError: it fails in any other way.
        """
        try:
            yield
        except InputError as error:
            raise error.at(place) from error
        except ClipigError:
            raise
        except ValueError as error:
            raise InputError(Problem(f"{self.name}: {_first_line(error)}", place, when)) from error
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self.describe()} failed: {_reason(error)}{_where(error)}") from error

    @property
    def random(self) -> bool:
        """Whether it draws random numbers."""
        return "rng" in inspect.signature(self.function).parameters

    @property
    def resizes(self) -> bool:
        """Whether it is a transform that changes the resolution."""
        returned = inspect.get_annotations(self.function, eval_str=True).get("return")
        return Resized in getattr(returned, "__metadata__", ())

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.function) or ""

    def describe(self) -> str:
        return f"{self.kind} '{self.name}' of {self.plugin.describe()}"


@dataclass
class Plugin:
    """One entry point: a module with hook implementations, and how it fares."""

    name: str
    distribution: str
    version: str
    error: str = ""
    disabled: bool = False
    components: list[Component] = field(default_factory=list)

    @property
    def built_in(self) -> bool:
        return self.distribution == BUILT_IN

    @property
    def errors(self) -> list[str]:
        broken = [f"{c.kind} '{c.name}': {c.error}" for c in self.components if c.error]
        return [self.error, *broken] if self.error else broken

    @property
    def status(self) -> str:
        return "disabled" if self.disabled else "broken" if self.errors else "ok"

    def describe(self) -> str:
        return f"plugin '{self.name}' ({self.distribution} {self.version})"


class Registry:
    """All plugins of this environment, or those given as entry points."""

    def __init__(self, entry_points: Iterable[importlib.metadata.EntryPoint] | None = None) -> None:
        if entry_points is None:
            entry_points = importlib.metadata.entry_points(group=GROUP)
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hooks)
        disabled = {name.strip() for name in os.environ.get(DISABLE, "").split(",")}
        found = [(Plugin(e.name, *_distribution(e), disabled=e.name in disabled), e) for e in entry_points]
        found.sort(key=lambda pair: (not pair[0].built_in, pair[0].name, pair[0].distribution))
        self.plugins = [plugin for plugin, _ in found]
        for plugin, entry in found:
            if not plugin.disabled:
                self._load(plugin, entry)
        self._components: dict[tuple[str, str], list[Component]] = {}
        for plugin in self.plugins:
            for component in plugin.components:
                self._components.setdefault((component.kind, component.name), []).append(component)

    def _load(self, plugin: Plugin, entry: importlib.metadata.EntryPoint) -> None:
        """Fill in the components of a plugin, or what is wrong with it."""
        key = f"{plugin.distribution}/{plugin.name}"
        try:
            _check_requirements(entry)
            self._manager.register(entry.load(), name=key)
            self._manager.check_pending()
            for kind, hook in KINDS.items():
                for implementation in getattr(self._manager.hook, hook).get_hookimpls():
                    if implementation.plugin_name == key:
                        provided = dict(implementation.function())
                        plugin.components += [
                            _component(kind, name, target, plugin) for name, target in provided.items()
                        ]
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # a plugin that calls sys.exit() on import must not end the listing
            plugin.error = _reason(error)
            plugin.components.clear()
            if self._manager.has_plugin(key):
                self._manager.unregister(name=key)

    def names(self, kind: str) -> list[str]:
        """The names that can be used for a kind, sorted."""
        return sorted(name for known, name in self._components if known == kind)

    def find(self, kind: str, name: str) -> Component:
        """The component that a name in a config means: the built-in, else the only one; `distribution/name` picks.

        Raises:
            LookupError: there is none, it is broken, or several distributions provide it; the text says so.
        """
        found = self._components.get((kind, name), [])
        if not found and "/" in name:
            distribution, _, bare = name.partition("/")
            found = [c for c in self._components.get((kind, bare), []) if c.plugin.distribution == distribution]
        built_in = [component for component in found if component.plugin.built_in]
        found = built_in or found
        if not found:
            raise LookupError(unknown(kind, name, self.names(kind)) + self._suspects())
        if len(found) > 1:
            picks = ", ".join(f"'{c.plugin.distribution}/{c.name}'" for c in found)
            raise LookupError(f"{kind} '{name}' is provided more than once; write one of {picks}")
        if found[0].error:
            raise LookupError(f"{found[0].describe()} is broken: {found[0].error}")
        return found[0]

    def find_model(self, name: str, source: str = "") -> tuple[Component, str]:
        """The model of a name; for a checkpoint the one that reads files with its ending, and its full path.

        Raises:
            LookupError: as `find`, or there is no such file, neither beside `source` nor in the current directory.
        """
        try:
            return self.find("model", name), name
        except LookupError:
            suffix = Path(name).suffix.lower()
            if ("model", suffix) not in self._components:
                raise
        try:
            return self.find("model", suffix), str(File.locate(name, source))
        except ValueError as error:
            raise LookupError(str(error)) from None

    def _suspects(self) -> str:
        lost = [f"{plugin.describe()} is {plugin.status}" for plugin in self.plugins if plugin.status != "ok"]
        return f" ({'; '.join(lost)}; see 'clipig plugins')" if lost else ""


def _distribution(entry: importlib.metadata.EntryPoint) -> tuple[str, str]:
    """Its name and version; half removed, a distribution may have neither."""
    known = (entry.dist.name, entry.dist.version) if entry.dist else (None, None)
    return known[0] or "unknown", known[1] or "0"


def _check_requirements(entry: importlib.metadata.EntryPoint) -> None:
    """Raises PluginError if its distribution needs another version of clipig, which not every installer prevents."""
    for text in (entry.dist.requires or []) if entry.dist else []:
        if re.match(rf"{BUILT_IN}(?![\w.-])", text, re.IGNORECASE):
            from packaging.requirements import Requirement  # a fifth of the start of clipig, spared if nobody asks

            requirement, present = Requirement(text), importlib.metadata.version(BUILT_IN)
            applies = requirement.marker is None or requirement.marker.evaluate()
            if applies and not requirement.specifier.contains(present, prereleases=True):
                raise PluginError(f"it needs {BUILT_IN}{requirement.specifier}, but this is {BUILT_IN} {present}")


def _component(kind: str, name: str, target: str, plugin: Plugin) -> Component:
    if not isinstance(name, str) or not isinstance(target, str):
        raise TypeError(f"the {kind} {name!r}: {target!r} is not a name and a 'module:function'")
    return Component(kind, name, target, plugin, error=_missing(target))


def _missing(target: str) -> str:
    """What is wrong with `module:function` as far as can be seen without importing the module."""
    module, _, attribute = target.partition(":")
    if not attribute:
        return f"'{target}' is not of the form 'module:function'"
    if module in sys.modules:
        return "" if hasattr(sys.modules[module], attribute) else f"module '{module}' has no '{attribute}'"
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError) as error:
        return str(error)
    if spec is None:
        return f"there is no module '{module}'"
    if not spec.origin or not spec.origin.endswith(".py"):
        return ""
    try:
        names = _defined(ast.parse(Path(spec.origin).read_bytes(), spec.origin))
    except (OSError, SyntaxError, ValueError) as error:
        return f"module '{module}' cannot be read: {error}"
    return "" if attribute in names or "*" in names else f"module '{module}' has no '{attribute}'"


def _defined(tree: ast.Module) -> set[str]:
    """Every name that a module binds anywhere; `*` when it can bind more than its text shows."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add("*" if node.name == "__getattr__" else node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.split(".")[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("globals", "setattr"):
            names.add("*")
    return names


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _where(error: BaseException) -> str:
    """The file and line in which an error was raised, for authors."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})" if trace else ""


def _reason(error: BaseException) -> str:
    """What an error says, on one line; pluggy's take several."""
    text = "; ".join(str(error).splitlines())[:300]
    if isinstance(error, ClipigError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
