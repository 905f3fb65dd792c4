"""Checks a document: a plan of it, or every problem that it has, with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from clipig_core.config.document import document as merged
from clipig_core.config.plan import ConstraintPlan, FeaturePlan, Inner, Plan, Section, StagePlan, TargetPlan, Use
from clipig_core.config.requires import unmet
from clipig_core.config.sections import PARTS, Feature, Finish, Init, Settings, Stage, Target
from clipig_core.errors import InputError, Place, PluginError, Problem, nearest, raise_all
from clipig_core.extension.kinds import CONSTRAINT, FEATURE, MODEL, TRANSFORM, Kind, Stands
from clipig_core.extension.registry import Component, Registry
from clipig_core.language.nodes import Node
from clipig_core.language.params import DEFAULT, Declaration, Value, Values, declarations
from clipig_core.language.types import Nested

S = TypeVar("S")


def read(
    sources: Sequence[str | Node],
    options: Mapping[str, object],
    registry: Registry,
    changes: Sequence[tuple[str, str]] = (),
) -> Plan:
    """The plan of some YAML files (`-` is standard input) or documents, and of options, which win.

    `changes` set single parameters in the end, `targets.0.weight` to a YAML text.

    Raises:
        InputError: with every problem that was found.
    """
    return check(merged(sources, options, registry, changes), registry)


def check(document: Node, registry: Registry) -> Plan:
    """The plan of a merged document. A seed is drawn if it has none.

    Everything that can be seen without importing a component is checked first: messages of that come at once.

    Raises:
        InputError: with every problem that was found.
    """
    for imports in (False, True):
        planner = _Planner(registry, imports)
        made = planner.plan(document)
        raise_all(planner.problems)
    return made if made.settings.fixed.seed is not None else made.with_seed()


def choice(kind: str, node: Node, registry: Registry) -> Use:
    """A component outside of any config: a name, or one name with parameters, as a choice of the run is written.

    Raises:
        InputError: there is none of this name, or its parameters are wrong.
    """
    planner = _Planner(registry, imports=True)
    found = planner.one(registry.kinds[kind], node)
    raise_all(planner.problems)
    return cast("Use", found)  # as there would be a problem


def _as_mapping(node: Node, names: Sequence[str]) -> Node | None:
    """`blur: 5` means the first parameter, `blur:` none; None if a value is given where there are no parameters."""
    if isinstance(node.value, dict):
        return node
    if node.value is None:
        return Node({}, node.place)
    return Node({names[0]: node}, node.place, {names[0]: node.place}) if names else None


def _own(component: Component) -> list[str]:
    """The names of the parameters that a component declares; none if it is broken. Imports it."""
    try:
        return [*component.params]
    except PluginError:
        return []


def _with(use: Use, name: str, value: Node) -> str:
    """How a component is written with one more parameter: `blur: {kernel_size: 5, weight: 2}`."""
    given = _as_mapping(use.node, _own(use.component))
    params = {**(given.plain_value() if given else {}), name: value.plain_value()}
    text = ", ".join(f"{key}: {_flow(one)}" for key, one in params.items())
    return f"{use.name}: {{{text if len(text) <= 100 else f'..., {name}: ...'}}}"


def _flow(value: object) -> str:
    """A value as YAML inside of brackets."""
    plain = isinstance(value, str) and re.fullmatch(r"[\w.%*/()+-]+(?: [\w.%*/()<>=+-]+)*", value)
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


class _Planner:
    """Walks a whole document, and collects problems instead of stopping at the first.

    Only one that `imports` looks into components and checks their parameters.
    """

    def __init__(self, registry: Registry, imports: bool) -> None:
        self.registry, self.imports = registry, imports
        self.named_kinds = registry.keys(Stands.FEATURE_VALUE)
        self.problems: list[Problem] = []

    def problem(self, message: str, place: Place, hint: str = "") -> None:
        self.problems.append(Problem(message, place, hint))

    def values(self, node: Node, params: Mapping[str, Declaration], also: Iterable[str] = ()) -> Values:
        """The declared parameters of a mapping; other names are problems, except those in `also`."""
        values = {}
        for name in node.value:
            if name not in params and name not in also:
                self.problem(f"unknown parameter '{name}'", node.keys[name], nearest(name, [*params, *also]))
        for name, declaration in params.items():
            given = node.value.get(name)
            try:
                if given is not None:
                    values[name] = declaration.convert(given)
                elif declaration.required:
                    self.problem(f"'{declaration.name}' is missing", node.place, f"expected {declaration.type_name}")
                else:
                    values[name] = declaration.default_value()
            except InputError as error:
                self.problems += error.problems
        return values

    def section(self, node: Node, section: type[S], also: Iterable[str] = ()) -> Section[S]:
        return Section(self.values(node, self.declared(section), also))

    def declared(self, section: type) -> dict[str, Declaration]:
        """The parameters of a section."""
        return self.functional(declarations(section))

    def functional(self, params: Mapping[str, Declaration]) -> dict[str, Declaration]:
        """Parameters whose expressions may call the functions of plugins."""
        return {name: replace(one, functions=self.registry.functions) for name, one in params.items()}

    def mapping(self, node: Node, what: str) -> Node:
        if isinstance(node.value, dict):
            return node
        if node.value is not None:
            self.problem(f"{what} is {node.describe()}", node.place, "expected a mapping of parameters")
        return Node({}, node.place)

    def entries(self, parent: Node, name: str) -> list[Node]:
        """The elements of a list parameter."""
        node = parent.value.get(name)
        if node is None or node.value is None:
            return []
        if isinstance(node.value, list):
            return list(node.value)
        self.problem(f"'{name}' is {node.describe()}", node.place, "expected a list, each element starting with '- '")
        return []

    def component(self, kind: Kind, name: str, node: Node, place: Place, stage: str = "") -> Use | None:
        """A component by its name; `stage` is the list it stands in, if that takes only what keeps the resolution."""
        try:
            found, name = self.registry.resolve(kind.name, name, place.source)
        except LookupError as error:
            self.problem(str(error.args[0]), place)
            return None
        use = Use(found, name, node)
        return replace(use, values=self.parameters(use, stage)) if self.imports else use

    def parameters(self, use: Use, stage: str) -> Values:
        """The parameters of a component, checked against its declarations. Imports it."""
        component, node, extra = use.component, use.node, use.component.contract.inside()
        try:
            params = {name: replace(one, type=one.type.within(self.nested)) for name, one in component.params.items()}
        except PluginError as error:
            self.problem(str(error), node.place)
            return {}
        given = _as_mapping(node, list(params))
        if given is None:
            self.problem(f"{component.kind} '{use.name}' takes no parameters", node.place)
            return {}
        for name in component.contract.declared:  # users know it by the name of the component
            params = {**params, name: replace(params[name], name=use.name)}
        known = Node({key: value for key, value in given.value.items() if key not in extra}, given.place, given.keys)
        values = self.values(known, params, also=extra)
        if stage and component.resizes:
            message = f"'{use.name}' changes the resolution and cannot be used in {stage}"
            self.problem(message, node.place, "set 'resolution' instead")
        return values

    def nested(self, wanted: Nested, node: Node) -> Inner:
        """The components in a parameter of another one.

        Raises:
            InputError: with every problem that they have.
        """
        if wanted.kind not in self.registry.kinds:
            raise InputError(Problem(f"no plugin brings the kind '{wanted.kind}'", node.place))
        nodes = node.value if wanted.many and isinstance(node.value, list) else [node]
        inner = _Planner(self.registry, imports=True)
        uses = [inner.one(self.registry.kinds[wanted.kind], one) for one in nodes]
        if not uses:
            inner.problem("the list is empty", node.place, f"expected a {wanted.kind}")
        raise_all(inner.problems)
        return Inner([use for use in uses if use], wanted.many)

    def plan(self, node: Node) -> Plan:
        choices, lists = self.registry.keys(Stands.RUN_CHOICE), self.registry.keys(Stands.RUN_LIST)
        settings = self.section(node, Settings, also=(*choices, *lists, *PARTS))
        self.problems += unmet(node.value.get("requires", Node(None, node.place)))
        self.epochs(settings.values)
        init = self.section(self.mapping(node.value.get("init", Node({}, DEFAULT)), "'init'"), Init)
        targets = [self.target(entry) for entry in self.entries(node, "targets")]
        shared = any(target.features and not target.model for target in targets)  # else nobody asks the run's model
        chosen = {key: self.choice(kind, node, shared or kind is not MODEL) for key, kind in choices.items()}
        stages = [self.stage(entry, Stage, "postproc") for entry in self.entries(node, "postproc")]
        finish = [self.stage(entry, Finish, "finish") for entry in self.entries(node, "finish")]
        listed = {
            key: [replace(use, section=self.own(use)) for use in self.uses(kind, node)] for key, kind in lists.items()
        }
        chosen_uses = {key: use for key, use in chosen.items() if use}
        return Plan(settings, init, chosen_uses, targets, stages, finish, listed)

    def epochs(self, settings: Values) -> None:
        first, end = (settings.get(name) for name in ("start_epoch", "epochs"))
        if first and end and first.fixed >= end.fixed:
            self.problem("no epoch is left to run", first.node.place, "start_epoch must be below epochs")

    def default(self, kind: Kind, place: Place, used: bool = True) -> Node | None:
        """The name that is taken where none is written; a problem if one is needed and no plugin declares it."""
        try:
            return Node(self.registry.default(kind.name), DEFAULT)
        except LookupError as error:
            if kind.required and used:
                self.problem(str(error.args[0]), place, f"write '{kind.key}: ...'")
            return None

    def choice(self, kind: Kind, parent: Node, used: bool = True) -> Use | None:
        """`optimizer: adam`, or `optimizer: {adam: {...}}` with parameters."""
        node = parent.value.get(kind.key) or self.default(kind, parent.place, used)
        return self.one(kind, node) if node else None

    def one(self, kind: Kind, node: Node) -> Use | None:
        """A name, or one name with parameters."""
        if isinstance(node.value, str):
            return self.component(kind, node.value, Node(None, node.place), node.place)
        if isinstance(node.value, dict) and len(node.value) == 1:
            ((name, place, params),) = node.items()
            return self.component(kind, name, params, place)
        self.problem(f"'{kind}' is {node.describe()}", node.place, "expected a name, or one name with parameters")
        return None

    def target(self, node: Node) -> TargetPlan:
        before = len(self.problems)
        node = self.mapping(node, "a target")
        lists = self.registry.keys(Stands.TARGET_LIST)
        section = self.section(node, Target, also=("features", "model", *lists))
        model = self.choice(MODEL, node) if "model" in node.value else None
        features = [self.feature(entry) for entry in self.entries(node, "features")]
        transforms = self.uses(lists.pop(TRANSFORM.key), node)
        constraints = [self.constraint(use) for use in self.uses(lists.pop(CONSTRAINT.key), node)]
        others = {key: self.uses(kind, node) for key, kind in lists.items()}
        if not features and not constraints and len(self.problems) == before:
            self.problem("a target needs features or constraints", node.place)
        kept = [feature for feature in features if feature]
        return TargetPlan(section, kept, transforms, constraints, others, model)

    def feature(self, node: Node) -> FeaturePlan | None:
        before = len(self.problems)
        node = self.mapping(node, "a feature")
        if len(self.problems) > before:
            return None
        own = {**self.declared(Feature), **self.registry.named_values()}
        sources = [name for name in self.registry.names(FEATURE.name) if name not in own]
        chosen = [name for name in node.value if name in sources or "/" in name]
        chosen = chosen or [name for name in node.value if name not in own][:1]  # a source with a typo
        values = self.values(node, own, also=chosen)
        named = {key: self.named_value(kind, values.pop(key, None), node) for key, kind in self.named_kinds.items()}
        if len(chosen) != 1:
            what = f"a feature is one of them, not {' and '.join(chosen)}" if chosen else "a feature has no source"
            what += "" if chosen else self.registry.suspects()
            self.problem(what, node.place, f"expected one of: {', '.join(sources)}")
            return None
        name = chosen[0]
        source = self.component(FEATURE, name, node.value[name], node.keys[name])
        uses = {key: use for key, use in named.items() if use}
        missing = [kind for key, kind in self.named_kinds.items() if kind.required and key not in uses]
        return FeaturePlan(source, uses, Section(values)) if source and not missing else None

    def named_value(self, kind: Kind, value: Value | None, parent: Node) -> Use | None:
        """`loss: cosine`."""
        if value is None:  # which is a problem already
            return None
        node = value.node if value.source is not None else self.default(kind, parent.place)
        if node is None:
            return None
        name = str(node.plain_value())
        return self.component(kind, name.lower() if kind.any_case else name, Node(None, node.place), node.place)

    def named(self, node: Node, what: str, skip: Iterable[str] = ()) -> list[tuple[str, Place, Node]]:
        """The components that one element of a list names."""
        if isinstance(node.value, str):
            return [(node.value, node.place, Node(None, node.place))]
        node = self.mapping(node, what)
        found = [entry for entry in node.items() if entry[0] not in skip]
        if not found and not self.problems:
            self.problem(f"{what} has no name", node.place)
        return found

    def uses(self, kind: Kind, parent: Node) -> list[Use]:
        """The components that a list names."""
        return [use for entry in self.entries(parent, kind.key) for use in self.listed(kind, entry)]

    def listed(self, kind: Kind, node: Node, skip: Iterable[str] = (), stage: str = "") -> list[Use]:
        """The components that one element of a list names."""
        article = "an" if kind.name[0] in "aeiou" else "a"
        uses, unknown = [], []
        for name, place, value in self.named(node, f"{article} {kind.name}", skip):
            try:
                self.registry.resolve(kind.name, name, place.source)
            except LookupError:
                unknown.append((name, place, value))
            else:
                uses.append(self.component(kind, name, value, place, stage))
        found = [use for use in uses if use]
        for name, place, value in unknown:
            owner = next((use for use in found if name in (*_own(use.component), *kind.inside())), None)
            if owner:
                self.problem(f"'{name}' belongs inside: {_with(owner, name, value)}", place)
            else:
                self.component(kind, name, value, place)
        return found

    def constraint(self, use: Use) -> ConstraintPlan:
        return ConstraintPlan(use, self.own(use))

    def own(self, use: Use) -> Section[Any]:
        """What core adds to the parameters of a component."""
        own, params = self.functional(use.component.contract.inside()), use.node
        given = params.value if isinstance(params.value, dict) else {}
        mine = Node({key: value for key, value in given.items() if key in own}, params.place, params.keys)
        return Section(self.values(mine, own))

    def stage(self, node: Node, section: type[S], where: str) -> StagePlan[S]:
        own = self.declared(section)
        if not isinstance(node.value, str):
            node = self.mapping(node, "a stage")
        given = node.value if isinstance(node.value, dict) else {}
        mine = Node({key: value for key, value in given.items() if key in own}, node.place, node.keys)
        return StagePlan(Section(self.values(mine, own)), self.listed(TRANSFORM, node, own, where))
