"""What a run will do: every component that a config names, with its parameters. Nothing of it ever changes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from clipig_core.config.sections import Constraint, Feature, Finish, Init, Settings, Stage, Target
from clipig_core.config.templates import BRACES, escaped
from clipig_core.errors import PluginError
from clipig_core.extension.kinds import LOSS
from clipig_core.extension.registry import Component
from clipig_core.language.expressions import Deferred
from clipig_core.language.nodes import Node
from clipig_core.language.params import DEFAULT, File, Value, Values

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)


class _Fixed:
    """The values of a section that are the same in every epoch, as its attributes."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def __getattr__(self, name: str) -> object:
        return self._values[name].fixed


@dataclass(frozen=True)
class Section(Generic[S_co]):
    """A section of a config, with the class that declares it: a `Value` for each of its parameters."""

    values: Values

    @property
    def fixed(self) -> S_co:
        """Its parameters, as far as they are the same in every epoch, as typed attributes."""
        return cast("S_co", _Fixed(self.values))

    def __getitem__(self, name: str) -> Value:
        return self.values[name]

    def given(self, name: str) -> bool:
        """Whether the user wrote this parameter, rather than getting its default."""
        return self.values[name].node.place != DEFAULT

    def dump(self) -> dict[str, object]:
        """As written, with all defaults."""
        return {name: value.source for name, value in self.values.items()}


@dataclass(frozen=True)
class Use:
    """A component with the parameters that a config gives it."""

    component: Component
    name: str
    node: Node
    values: Values = field(default_factory=dict)
    section: Section[Any] = field(default_factory=lambda: Section({}))
    """What core adds to its parameters, if it stands in a list of the run."""

    def arguments(self, variables: Mapping[str, object], rng: random.Random) -> dict[str, Any]:
        """The plain values of its parameters for the present variables."""
        return {name: value.resolve(variables, rng) for name, value in self.values.items()}

    @property
    def fixed(self) -> dict[str, object]:
        """The plain values of parameters that are the same in every epoch."""
        return {name: value.fixed for name, value in self.values.items()}

    def make(self, *given: object, arguments: Mapping[str, object] | None = None) -> Any:
        """What the component returns for what core gives it; parameters are constants unless there are `arguments`.

        Raises:
            InputError: it refuses its parameters.
            PluginError: it fails, or what it returns lacks something that its kind promises.
        """
        with self.component.calling(self.node.place):
            made = self.component.function(*given, **(self.fixed if arguments is None else arguments))
        if lacking := self.component.contract.problems(made):
            kind = type(made).__name__
            raise PluginError(f"{self.component.describe()} returned {kind}, which lacks {', '.join(lacking)}")
        return made

    def all(self) -> Iterator[Use]:
        """It and the components in its parameters."""
        yield self
        for value in self.values.values():
            for item in value.items:
                if isinstance(item, Inner):
                    for use in item.uses:
                        yield from use.all()

    def dump(self) -> dict[str, object]:
        return {name: value.source for name, value in self.values.items()} | self.section.dump()

    def choice(self) -> object:
        """As a choice is written: the name, or the name with parameters."""
        return {self.name: self.dump()} if self.values else self.name


class Inner(Deferred):
    """Components in a parameter of another one, whose own parameters may change with the epoch."""

    def __init__(self, uses: Sequence[Use], many: bool) -> None:
        self.uses, self.many = uses, many
        values = [value for use in uses for value in use.values.values()]
        self.names = frozenset().union(*(value.names for value in values))
        self.random = any(not value.constant and not value.names for value in values)

    @property
    def source(self) -> object:
        """As written, with all defaults."""
        written = [use.choice() for use in self.uses]
        return written if self.many else written[0]

    def __call__(self, variables: Mapping[str, object], rng: random.Random) -> object:
        """The function, or a tuple of them, that the other component gets."""
        bound = tuple(_bound(use, use.arguments(variables, rng)) for use in self.uses)
        return bound if self.many else bound[0]


def _bound(use: Use, arguments: Mapping[str, object]) -> Callable[..., object]:
    """A component as a function of what core gives its kind, less what the config says: a name, a value."""
    written = {"name": use.name, **arguments}
    first = [written[name] for name in use.component.contract.leading if name in written]
    others = {name: value for name, value in arguments.items() if name not in use.component.contract.leading}

    def component(*given: object, rng: object = None) -> object:
        extra = {"rng": rng} if use.component.random else {}
        return use.make(*first, *given, arguments=others | extra)

    return component


@dataclass(frozen=True)
class FeaturePlan:
    """A wanted feature: its source with the value that the user wrote, and what it names, such as its loss."""

    source: Use
    named: Mapping[str, Use]
    section: Section[Feature]

    @property
    def loss(self) -> Use:
        return self.named[LOSS.name]

    @property
    def label(self) -> str:
        """What it is called: as somebody wrote it; a file by its name, which says nothing of this machine."""
        item = self.source.values["value"].items[0]
        return Path(item).name if isinstance(item, File) else str(self.source.values["value"].source)

    def dump(self) -> dict[str, object]:
        given = self.source.dump()
        source = given["value"] if given.keys() == {"value"} else given
        named = {key: use.name for key, use in self.named.items()}
        return {self.source.name: source, **self.section.dump(), **named}


@dataclass(frozen=True)
class ConstraintPlan:
    """A constraint with what core adds to it."""

    use: Use
    section: Section[Constraint]


@dataclass(frozen=True)
class TargetPlan:
    """A target with all its parts."""

    section: Section[Target]
    features: Sequence[FeaturePlan]
    transforms: Sequence[Use]
    constraints: Sequence[ConstraintPlan]
    others: Mapping[str, Sequence[Use]] = field(default_factory=dict)
    """The lists of kinds that plugins bring, by key."""
    model: Use | None = None

    def uses(self) -> Iterator[Use]:
        """Every component that it names."""
        yield from self.transforms
        yield from (constraint.use for constraint in self.constraints)
        for feature in self.features:
            yield from (feature.source, *feature.named.values())
        for listed in self.others.values():
            yield from listed
        if self.model:
            yield self.model

    def dump(self) -> dict[str, object]:
        return {
            **self.section.dump(),
            **({"model": self.model.choice()} if self.model else {}),
            **_dump_lists(self.others),
            "features": [feature.dump() for feature in self.features],
            "transforms": [{use.name: use.dump()} for use in self.transforms],
            "constraints": [{one.use.name: {**one.use.dump(), **one.section.dump()}} for one in self.constraints],
        }


@dataclass(frozen=True)
class StagePlan(Generic[S_co]):
    """A step of post-processing, or after the last epoch, with its transforms, in order."""

    section: Section[S_co]
    transforms: Sequence[Use]

    def dump(self) -> dict[str, object]:
        return {**self.section.dump(), **{use.name: use.dump() for use in self.transforms}}


@dataclass(frozen=True)
class Plan:
    """A run as it is going to be. Every parameter is a `Value`: a constant, or expressions to resolve in each epoch."""

    settings: Section[Settings]
    init: Section[Init]
    choices: Mapping[str, Use]
    targets: Sequence[TargetPlan]
    postproc: Sequence[StagePlan[Stage]]
    finish: Sequence[StagePlan[Finish]]
    lists: Mapping[str, Sequence[Use]] = field(default_factory=dict)
    """The lists of components of the run, such as `outputs`, by key."""

    @property
    def seed(self) -> int:
        """Of all randomness."""
        return cast("int", self.settings.fixed.seed)

    def with_seed(self, seed: int | None = None) -> Plan:
        """The same with another seed; one is drawn if none is given."""
        drawn = random.SystemRandom().randrange(2**32) if seed is None else seed
        place = self.settings["seed"].node.place if self.settings.given("seed") else DEFAULT
        value = self.settings["seed"].declaration.convert(Node.of(drawn, place))
        return replace(self, settings=Section(self.settings.values | {"seed": value}))

    def uses(self) -> Iterator[Use]:
        """Every component in use, with those in parameters of others."""
        for use in self._named():
            yield from use.all()

    def _named(self) -> Iterator[Use]:
        yield from self.choices.values()
        for target in self.targets:
            yield from target.uses()
        for listed in self.lists.values():
            yield from listed
        for stage in (*self.postproc, *self.finish):
            yield from stage.transforms

    def notices(self) -> list[str]:
        """What users of deprecated names are to be told."""
        return list(dict.fromkeys(filter(None, (use.component.notice for use in self.uses()))))

    def dump(self) -> dict[str, Any]:
        """The whole config as plain values, with all defaults, expressions as written; read again, it means the same.

        The default `mean` and `std` of an initial image are left out: given, they would change it. `output` is left
        out, as it says nothing about the picture, and there it is now.
        """
        init = self.init.dump()
        if init["image"] is not None:
            init = {name: value for name, value in init.items() if self.init.given(name)}
        settings = self.settings.dump()
        del settings["output"]
        whole = {
            **settings,
            **{kind: use.choice() for kind, use in self.choices.items()},
            "init": init,
            "targets": [target.dump() for target in self.targets],
            "postproc": [stage.dump() for stage in self.postproc],
            "finish": [stage.dump() for stage in self.finish],
            **_dump_lists(self.lists),
        }
        safe = escaped(whole)
        return whole if safe == whole else {"vars": dict(BRACES), **safe}


def _dump_lists(lists: Mapping[str, Sequence[Use]]) -> dict[str, object]:
    return {key: [{use.name: use.dump()} for use in uses] for key, uses in lists.items() if uses}
