"""What a run will do: every component that a config names, with its parameters."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from clipig_core.errors import InputError, Place, PluginError, Problem, nearest, raise_all
from clipig_core.extension.kinds import LOSS
from clipig_core.extension.registry import Component
from clipig_core.language.nodes import Node
from clipig_core.language.params import Declaration, Values

DEFAULT = Place("default")


@dataclass
class Use:
    """A component with the parameters that a config gives it; `values` are there once it is bound."""

    component: Component
    name: str
    node: Node
    values: Values = field(default_factory=dict)
    extra: frozenset[str] = frozenset()
    in_place: str = ""
    """The list that takes only what keeps the resolution, if it stands in one."""

    def bind(self) -> list[Problem]:
        """Check the parameters against the declarations. Imports the component."""
        try:
            params = self.component.params
        except PluginError as error:
            return [Problem(str(error), self.node.place)]
        node = as_mapping(self.node, list(params))
        if node is None:
            return [Problem(f"{self.component.kind} '{self.name}' takes no parameters", self.node.place)]
        for name in self.component.contract.declared:  # users know it by the name of the component
            params = {**params, name: replace(params[name], name=self.name)}
        known = Node({k: v for k, v in node.value.items() if k not in self.extra}, node.place, node.keys)
        checker = Collector()
        self.values = checker.values(known, params, also=self.extra)
        if self.in_place and self.component.resizes:
            message = f"'{self.name}' changes the resolution and cannot be used in {self.in_place}"
            checker.problem(message, self.node.place, "set 'resolution' instead")
        return checker.problems

    def arguments(self, variables: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
        """The plain values of its parameters for the present variables."""
        return {name: value.resolve(variables, rng) for name, value in self.values.items()}

    def dump(self) -> Any:
        return {name: value.source for name, value in self.values.items()}

    def choice(self) -> Any:
        """As a choice is written: the name, or the name with parameters."""
        return {self.name: self.dump()} if self.values else self.name


@dataclass
class FeatureConfig:
    """A wanted feature: its source with the value that the user wrote, and what it names, such as its loss."""

    source: Use
    named: dict[str, Use]
    values: Values

    @property
    def loss(self) -> Use:
        return self.named[LOSS.name]

    def dump(self) -> dict[str, Any]:
        given = self.source.dump()
        source = given["value"] if given.keys() == {"value"} else given
        return {self.source.name: source, **_dump(self.values), **{key: use.name for key, use in self.named.items()}}


@dataclass
class ConstraintConfig:
    """A constraint with what core adds to it."""

    use: Use
    values: Values


@dataclass
class TargetConfig:
    """A target with all its parts."""

    values: Values
    features: list[FeatureConfig]
    transforms: list[Use]
    constraints: list[ConstraintConfig]
    others: dict[str, list[Use]] = field(default_factory=dict)
    """The lists of kinds that plugins bring, by key."""
    model: Use | None = None

    def dump(self) -> dict[str, Any]:
        constraints = [{c.use.name: {**c.use.dump(), **_dump(c.values)}} for c in self.constraints]
        return {
            **_dump(self.values),
            **({"model": self.model.choice()} if self.model else {}),
            **_dump_lists(self.others),
            "features": [feature.dump() for feature in self.features],
            "transforms": [{use.name: use.dump()} for use in self.transforms],
            "constraints": constraints,
        }


@dataclass
class StageConfig:
    """A step of post-processing, or after the last epoch, with its transforms, in order."""

    values: Values
    transforms: list[Use]

    def dump(self) -> dict[str, Any]:
        return {**_dump(self.values), **{use.name: use.dump() for use in self.transforms}}


@dataclass
class Config:
    """A checked config. Every parameter is a `Value`: a constant, or expressions to resolve in each epoch."""

    settings: Values
    init: Values
    choices: dict[str, Use]
    targets: list[TargetConfig]
    postproc: list[StageConfig]
    finish: list[StageConfig]
    lists: dict[str, list[Use]] = field(default_factory=dict)
    """The lists of components of the run, such as `outputs`, by key."""

    def constant(self, name: str) -> Any:
        """The plain value of a setting that does not change during the run."""
        return self.settings[name].resolve({}, random.Random(0))

    def given(self, section: Values, name: str) -> bool:
        """Whether the user wrote this parameter, rather than getting its default."""
        return section[name].node.place != DEFAULT

    def set(self, name: str, value: Any) -> None:
        """Replace a setting, for example by the seed that was drawn."""
        declaration = self.settings[name].declaration
        self.settings[name] = declaration.convert(Node.of(value, Place("clipig")))

    def uses(self) -> list[Use]:
        """Every component in use."""
        uses = list(self.choices.values())
        for target in self.targets:
            uses += [*target.transforms, *(constraint.use for constraint in target.constraints)]
            for feature in target.features:
                uses += [feature.source, *feature.named.values()]
            uses += [use for listed in target.others.values() for use in listed]
            uses += [target.model] if target.model else []
        uses += [use for listed in self.lists.values() for use in listed]
        return uses + [use for stage in [*self.postproc, *self.finish] for use in stage.transforms]

    def bind(self) -> None:
        """Check the parameters of all components.

        Raises:
            InputError: some are wrong, or a transform of a post-processing stage changes the resolution.
        """
        raise_all([problem for use in self.uses() for problem in use.bind()])
        for notice in dict.fromkeys(filter(None, (use.component.notice for use in self.uses()))):
            logging.getLogger("clipig").warning(notice)

    def dump(self) -> dict[str, Any]:
        """The whole config as plain values, with all defaults, expressions as written.

        The default `mean` and `std` of an initial image are left out: given, they would change it.
        """
        init = _dump(self.init)
        if init["image"] is not None:
            init = {name: value for name, value in init.items() if self.given(self.init, name)}
        return {
            **_dump(self.settings),
            **{kind: use.choice() for kind, use in self.choices.items()},
            "init": init,
            "targets": [target.dump() for target in self.targets],
            "postproc": [stage.dump() for stage in self.postproc],
            "finish": [stage.dump() for stage in self.finish],
            **_dump_lists(self.lists),
        }


def _dump_lists(lists: Mapping[str, list[Use]]) -> dict[str, Any]:
    return {key: [{use.name: use.dump()} for use in uses] for key, uses in lists.items() if uses}


def _dump(values: Values) -> dict[str, Any]:
    return {name: value.source for name, value in values.items()}


def as_mapping(node: Node, names: Sequence[str]) -> Node | None:
    """`blur: 5` means the first parameter, `blur:` none; None if a value is given where there are no parameters."""
    if isinstance(node.value, dict):
        return node
    if node.value is None:
        return Node({}, node.place)
    return Node({names[0]: node}, node.place, {names[0]: node.place}) if names else None


class Collector:
    """Checks parameters and collects problems instead of stopping at the first."""

    def __init__(self) -> None:
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
