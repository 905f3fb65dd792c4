"""Which plugins there are, what they provide, and what is wrong with them."""

from __future__ import annotations

import contextlib
import importlib.metadata
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import pluggy

from clipig_core.errors import ClipigError, InputError, Place, PluginError, Problem, nearest
from clipig_core.extension import hooks
from clipig_core.extension.guard import surroundings_kept
from clipig_core.extension.kinds import (
    COMMAND,
    KINDS,
    Entry,
    FunctionKind,
    Kind,
    Stands,
    attribute,
    config_names,
    kinds_of,
)
from clipig_core.language import assets
from clipig_core.language.params import Declaration, File, Param, declarations
from clipig_core.language.types import TYPES

GROUP = "clipig"
BUILT_IN = "clipig"
DISABLE = "CLIPIG_DISABLE"
"""The environment variable with names of plugins that are not loaded, as patterns: `acme,distribution/*`."""

ALLOW = "CLIPIG_PLUGINS"
"""The same for the plugins of others that are; if it is set, no other is loaded. `none` is none of them."""


@dataclass
class Component:
    """What a plugin provides under a name. Reading anything but names and error imports it."""

    contract: Kind
    name: str
    entry: Entry
    plugin: Plugin
    alias_of: str = ""
    """The name of which this is another."""
    functions: Mapping[str, Callable[..., object]] = field(default_factory=dict, repr=False)
    """The functions of plugins that expressions in its parameters may call."""

    @property
    def kind(self) -> str:
        return self.contract.name

    @property
    def target(self) -> str:
        return self.entry.target

    @cached_property
    def error(self) -> str:
        """What is wrong with its target or its name, as far as can be seen without importing it."""
        missing = self.contract.missing(self.target)
        return missing or (self.contract.missing(self.entry.section) if self.entry.section else "")

    @cached_property
    def summary(self) -> str:
        """One sentence for listings, which imports nothing."""
        return self.entry.summary or self.contract.about(self.target)

    @cached_property
    def loaded(self) -> Any:
        """What the target stands for; of most kinds a function.

        Raises:
            PluginError: it cannot be imported.
        """
        try:
            if self.error:
                raise ImportError(self.error)
            # What is printed must not get between the results of a command.
            with contextlib.redirect_stdout(sys.stderr), surroundings_kept(self.describe):
                return self.contract.load(self.target)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # as sys.exit() is one
            raise PluginError(f"{self.describe()} cannot be loaded: {_reason(error)}") from error

    @cached_property
    def function(self) -> Callable[..., Any]:
        """The function itself.

        Raises:
            PluginError: it cannot be imported.
        """
        function: Callable[..., object] = self.loaded
        return function

    @cached_property
    def section(self) -> type:
        """The class that declares the part of a config that a command reads.

        Raises:
            PluginError: it cannot be imported, or its declarations cannot be read.
        """
        try:
            with surroundings_kept(self.describe):
                found: type = attribute(self.entry.section)
                declarations(found)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PluginError(f"{self.describe()}: its section cannot be read: {_reason(error)}") from error
        return found

    @cached_property
    def params(self) -> dict[str, Declaration]:
        """The declared parameters, in order.

        Raises:
            PluginError: the component cannot be imported or its declarations cannot be read.
        """
        loaded = self.loaded
        try:
            params = {
                name: replace(declaration, functions=self.functions)
                for name, declaration in self.contract.params(loaded).items()
            }
            for declaration in params.values():
                if not declaration.required:
                    declaration.default_value()
        except (PluginError, InputError) as error:
            raise PluginError(f"{self.describe()}: {error}") from error.__cause__
        except Exception as error:
            raise PluginError(f"{self.describe()}: its declarations cannot be read: {_reason(error)}") from error
        return params

    @contextmanager
    def calling(self, place: Place | None = None, when: str = "") -> Iterator[None]:
        """Runs the component's code: what goes wrong is the user's parameters or the plugin, and says so.

        Raises:
            InputError: it refuses its parameters with a ValueError; the problem gets `place`.
            PluginError: it fails in any other way.
        """
        try:
            with surroundings_kept(self.describe):
                yield
        except InputError as error:
            raise error.at(place) from error
        except ClipigError:
            raise
        except ValueError as error:
            raise InputError(Problem(f"{self.name}: {_first_line(error)}", place, when)) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PluginError(f"{self.describe()} failed: {_reason(error)}{_where(error)}") from error

    @cached_property
    def random(self) -> bool:
        """Whether it draws random numbers."""
        return self.contract.is_random(self.loaded)

    @cached_property
    def resizes(self) -> bool:
        """Whether it changes the resolution."""
        return self.contract.resizes(self.loaded)

    @property
    def doc(self) -> str:
        return self.contract.describe(self.loaded)

    @property
    def notice(self) -> str:
        """What users of a deprecated name are to be told; mostly empty."""
        if not self.entry.deprecated:
            return ""
        return f"{self.kind} '{self.name}' is deprecated: {self.entry.deprecated}"

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
    def key(self) -> str:
        return f"{self.distribution}/{self.name}"

    @property
    def errors(self) -> list[str]:
        broken = [f"{c.kind} '{c.name}': {c.error}" for c in self.components if c.error]
        return [self.error, *broken] if self.error else broken

    @property
    def status(self) -> str:
        return "disabled" if self.disabled else "broken" if self.errors else "ok"

    def describe(self) -> str:
        return f"plugin '{self.name}' ({self.distribution} {self.version})" if self.distribution else self.name


HERE = Plugin("this program", "", "")
"""What functions belong to that a program adds itself."""


class Registry:
    """All plugins of this environment, or those given as entry points."""

    def __init__(self, entry_points: Iterable[importlib.metadata.EntryPoint] | None = None) -> None:
        if entry_points is None:
            entry_points = importlib.metadata.entry_points(group=GROUP)
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hooks)
        self.kinds: dict[str, Kind] = dict(KINDS)
        entries = [*entry_points]
        distributions = {id(entry.dist): entry.dist for entry in entries}  # many share one
        known = {number: _distribution(distribution) for number, distribution in distributions.items()}
        found = [(Plugin(entry.name, *known[id(entry.dist)]), entry) for entry in entries]
        found.sort(key=lambda pair: (not pair[0].built_in, pair[0].name, pair[0].distribution))
        self.plugins = [plugin for plugin, _ in found]
        loaded = {}
        for plugin in self.plugins:
            plugin.disabled = not _wanted(plugin)
        for plugin, entry in found:
            if not plugin.disabled:
                with self._guard(plugin):
                    if not plugin.built_in:
                        _check_requirements(entry)
                    loaded[plugin.key] = entry.load()
                    self._bring(loaded[plugin.key])
        for plugin in self.plugins:
            if not plugin.disabled and not plugin.error:
                with self._guard(plugin):
                    self._manager.register(loaded[plugin.key], name=plugin.key)
                    self._manager.check_pending()
                    self._provide(plugin)
        self._components: dict[tuple[str, str], list[Component]] = {}
        for plugin in self.plugins:
            for component in plugin.components:
                self._components.setdefault((component.kind, component.name), []).append(component)
        self.functions: dict[str, Callable[..., object]] = {}
        self._share_functions()

    @contextmanager
    def _guard(self, plugin: Plugin) -> Iterator[None]:
        """What fails inside is written down as what is wrong with a plugin, of which nothing is left."""
        try:
            with surroundings_kept(plugin.describe):
                yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin that calls sys.exit() on import must not end the listing
            plugin.error = _reason(error)
            plugin.components.clear()
            if self._manager.has_plugin(plugin.key):
                self._manager.unregister(name=plugin.key)

    def _bring(self, hooks_of_plugin: Any) -> None:
        """Take over the kinds of a plugin, before the components of any."""
        if not hasattr(getattr(hooks_of_plugin, "clipig_kinds", None), "clipig_impl"):
            return
        kinds = kinds_of(hooks_of_plugin.clipig_kinds(), self.kinds)
        specifications = {kind.hook: hooks.specification(kind) for kind in kinds.values()}
        self._manager.add_hookspecs(type("Hooks", (), specifications))
        self.kinds |= kinds

    def _provide(self, plugin: Plugin) -> None:
        """Fill in the components of a plugin."""
        for kind in self.kinds.values():
            for implementation in getattr(self._manager.hook, kind.hook).get_hookimpls():
                if implementation.plugin_name == plugin.key:
                    for name, given in dict(implementation.function()).items():
                        plugin.components += _components(kind, name, given, plugin)

    def _share_functions(self) -> None:
        """Let expressions in the parameters of all components call the functions of plugins."""
        for kind in self.kinds.values():
            if isinstance(kind, FunctionKind):
                for name in self.names(kind.name):
                    self.functions.setdefault(name, LazyFunction(self, kind.name, name))
        for plugin in self.plugins:
            for component in plugin.components:
                component.functions = self.functions

    def add(self, kind: str, function: Callable[..., object]) -> str:
        """Take in a function of this program as a component; returns its name, which configs then know.

        Raises:
            InputError: it has no name, or one that is known already.
        """
        name = getattr(function, "__name__", "")
        if not name.isidentifier():
            raise InputError(f"{function!r:.80} has no name that a config could use; define it with 'def'")
        known = self._components.get((kind, name), [])
        if known and known[0].loaded is not function:
            raise InputError(f"there is a {kind} '{name}' already; give the function another name")
        if not known:
            component = Component(self.kinds[kind], name, Entry(f"{function.__module__}:{name}"), HERE)
            component.loaded, component.error, component.functions = function, "", self.functions
            self._components[kind, name] = [component]
        return name

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
            hint = nearest(name, self.names(kind))
            if not hint.startswith("did you mean"):
                hint = _not_installed(name) or hint
            raise LookupError(str(Problem(f"unknown {kind} '{name}'", hint=hint)) + self.suspects())
        if len(found) > 1:
            picks = ", ".join(f"'{c.plugin.distribution}/{c.name}'" for c in found)
            raise LookupError(f"{kind} '{name}' is provided more than once; write one of {picks}")
        if found[0].error:
            raise LookupError(f"{found[0].describe()} is broken: {found[0].error}")
        return found[0]

    def ambiguous(self) -> list[str]:
        """The names that several plugins of others provide, so that none is meant: a sentence for each."""
        found = []
        for (kind, name), components in sorted(self._components.items()):
            if len(components) > 1 and not any(component.plugin.built_in for component in components):
                try:
                    self.find(kind, name)
                except LookupError as error:
                    found.append(str(error.args[0]))
        return found

    def resolve(self, kind: str, name: str, source: str = "") -> tuple[Component, str]:
        """The component of a name, and the name that it should get; for a file its full path.

        A kind whose components read files has some that stand for all files with an ending.

        Raises:
            LookupError: as `find`, or there is no such file, neither beside `source` nor in the current directory.
        """
        try:
            return self.find(kind, name), name
        except LookupError:
            suffix = Path(assets.bare(name)).suffix.lower()
            if not self.kinds[kind].files or (kind, suffix) not in self._components:
                raise
        try:
            return self.find(kind, suffix), str(File.locate(name, source))
        except ValueError as error:
            raise LookupError(str(error)) from None

    def find_model(self, name: str, source: str = "") -> tuple[Component, str]:
        """The model of a name, and the name that it should get; for a checkpoint its full path.

        Raises:
            LookupError: as `resolve`.
        """
        return self.resolve("model", name, source)

    def keys(self, stands: Stands) -> dict[str, Kind]:
        """The kinds that stand in one way in a config, by their keys."""
        return {kind.key: kind for kind in self.kinds.values() if kind.stands is stands}

    @cached_property
    def sections(self) -> dict[str, Component]:
        """The commands that read a part of the config that is none of a run, by the name of both."""
        found = {}
        for name in self.names(COMMAND.name):
            with contextlib.suppress(LookupError):
                component = self.find(COMMAND.name, name)
                if component.entry.section and not component.alias_of:
                    found[name] = component
        return found

    def named_values(self) -> dict[str, Declaration]:
        """The parameters of a feature whose values are names of components."""
        found = {}
        for kind in self.keys(Stands.FEATURE_VALUE).values():
            default = None
            with contextlib.suppress(LookupError):
                default = self.default(kind.name)
            found[kind.key] = Declaration(kind.key, TYPES[str], (), False, default, Param(kind.meaning))
        return found

    def spellings(self, component: Component) -> list[str]:
        """The names by which a config reaches a component, the plain one first; none if it is broken."""
        found = []
        for name in (component.name, f"{component.plugin.distribution}/{component.name}"):
            with contextlib.suppress(LookupError):
                if self.find(component.kind, name) is component:
                    found.append(name)
        return found

    def words(self, model: str) -> list[str]:
        """The words that a model knows, sorted.

        Raises:
            InputError: there is no such model, or it has no list of words.
            PluginError: the list cannot be had.
        """
        try:
            component = self.find("model", model)
        except LookupError as error:
            raise InputError(error.args[0]) from None
        if not component.entry.words:
            raise InputError(f"the model '{model}' has no list of words; it may understand whole sentences")
        with component.calling():
            return sorted(attribute(component.entry.words)(), key=str.lower)

    def default(self, kind: str) -> str:
        """The name of what a config gets that picks nothing of a kind: that of a built-in plugin, if one has it.

        Raises:
            LookupError: no plugin declares it, or several do.
        """
        found = [c for p in self.plugins for c in p.components if c.kind == kind and c.entry.default and not c.alias_of]
        found = [component for component in found if component.plugin.built_in] or found
        names = {component.name for component in found}
        if not names:
            raise LookupError(f"no plugin declares a default {kind}, so name one" + self.suspects())
        if len(names) > 1:
            raise LookupError(f"several plugins declare a default {kind}; name one of {', '.join(sorted(names))}")
        return names.pop()

    def suspects(self) -> str:
        """The plugins that are broken or disabled, in brackets, for messages on names that nobody knows."""
        lost = [f"{plugin.describe()} is {plugin.status}" for plugin in self.plugins if plugin.status != "ok"]
        return f" ({'; '.join(lost)}; see 'clipig plugins')" if lost else ""


def _wanted(plugin: Plugin) -> bool:
    """Whether the environment lets a plugin be loaded."""

    def named(variable: str) -> bool:
        patterns = [pattern.strip() for pattern in os.environ.get(variable, "").split(",")]
        return any(fnmatchcase(name, pattern) for pattern in patterns for name in (plugin.name, plugin.key))

    allowed = plugin.built_in or not os.environ.get(ALLOW) or named(ALLOW)
    return allowed and not named(DISABLE)


def _distribution(dist: importlib.metadata.Distribution | None) -> tuple[str, str]:
    """Its name and version; half removed, a distribution may have neither."""
    known = (dist.name, dist.version) if dist else (None, None)
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


class LazyFunction:
    """A function of a plugin, as expressions call it. It is imported by its first call."""

    def __init__(self, registry: Registry, kind: str, name: str) -> None:
        self._registry, self._kind, self._name = registry, kind, name

    def __call__(self, *numbers: float) -> float:
        """Its value.

        Raises:
            ValueError: it has none for these numbers, or is not the only function of this name.
            PluginError: it cannot be imported, fails, or returns something else than a number.
        """
        try:
            component = self._registry.find(self._kind, self._name)
        except LookupError as error:
            raise ValueError(error.args[0]) from None
        inspect.signature(component.function).bind(*numbers)  # TypeError: wrong number of arguments
        try:
            with component.calling():
                result = component.function(*numbers)
        except InputError as error:
            raise ValueError(str(error)) from None
        except PluginError as error:
            if isinstance(error.__cause__, ArithmeticError):
                raise error.__cause__ from None
            raise
        if not isinstance(result, int | float):
            raise PluginError(f"{component.describe()} returned {type(result).__name__}, not a number")
        return result


def _components(kind: Kind, name: object, given: object, plugin: Plugin) -> list[Component]:
    """The component that a hook gives a name, under that and its aliases."""
    entry = Entry(given) if isinstance(given, str) else given
    if not isinstance(name, str) or not isinstance(entry, Entry) or not isinstance(entry.target, str):
        raise TypeError(f"the {kind} {name!r}: {given!r} is neither a target, such as 'module:function', nor an Entry")
    if entry.section and name in {*config_names(), *(known.key for known in KINDS.values())}:
        raise TypeError(f"the {kind} '{name}' cannot have a section, as '{name}' means something else in a config")
    aliases = [Component(kind, alias, entry, plugin, alias_of=name) for alias in entry.aliases]
    return [Component(kind, name, entry, plugin), *aliases]


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


def _not_installed(name: str) -> str:
    """What to do for the name of a component that is written as `distribution/name`, if that is what is missing."""
    distribution, slash, _ = name.partition("/")
    if not slash or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", distribution, re.ASCII):
        return ""
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return f"the distribution '{distribution}' is not installed: pip install {distribution}"
    return ""
