"""From YAML files to a checked config.

`read` merges the files and the command line's options and checks everything that can be seen without importing a
component; `Config.bind` then checks the parameters of the components, which imports them. Both report all problems
at once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from clipig_core.errors import InputError, Place, PluginError, Problem, nearest
from clipig_core.kinds import CONSTRAINT, FEATURE, KINDS, LOSS, MODEL, TRANSFORM, Kind, Stands
from clipig_core.look import fill, gaps
from clipig_core.nodes import Node, read_file, read_yaml
from clipig_core.params import Declaration, File, Floats3, Ints2, Param, Value, Values, declarations
from clipig_core.registry import Component, Registry
from clipig_core.schedule import FrameTime

Groups = Mapping[str, tuple[str, ...]]
Start = Annotated[FrameTime, Param("First moment: an epoch (int), a ratio of the run (float) or a percentage.", min=0)]
End = Annotated[FrameTime, Param("Last moment: an epoch (int), a ratio of the run (float) or a percentage.", min=0)]
Active = Annotated[bool, Param("false switches this part off.")]
Weight = Annotated[float, Param("Factor of the loss; negative weights push away.")]
ALWAYS = (FrameTime(0.0), FrameTime(1.0))


class Settings:
    """The run as a whole."""

    VARIABLES: ClassVar[Groups] = {
        "resolution": ("time",),
        "learnrate": ("time", "resolution"),
        "learnrate_scale": ("time", "resolution"),
    }
    verbose: Annotated[int, Param("0 errors only, 1 progress, 2 statistics.", min=0, max=2)] = 2
    output: Annotated[str, Param("A directory, ending with '/', or a filename ending with '.png'.")] = "./"
    snapshot_interval: Annotated[
        int | float, Param("Saves the picture every so many epochs (int) or seconds (float); 0 never.", min=0)
    ] = 20.0
    epochs: Annotated[int, Param("Number of optimisation steps.", min=1, max=100_000_000)] = 300
    start_epoch: Annotated[int, Param("Number of epochs to skip at the beginning.", min=0)] = 0
    resolution: Annotated[Ints2, Param("Width and height of the picture in pixels.", min=1, max=16384)] = (224, 224)
    interpolation: Annotated[
        Literal["cubic", "linear", "nearest"], Param("Filter for resizing the picture when its resolution changes.")
    ] = "cubic"
    device: Annotated[str, Param("auto, cpu, cuda, cuda:1, mps; auto takes a GPU if there is one.")] = "auto"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        Param(
            "Number format of the model's matrix products; auto is bfloat16 where the hardware multiplies it natively."
        ),
    ] = "auto"
    chunk: Annotated[
        int | Literal["auto"],
        Param("Views that go through the model at once; auto takes what fits into memory.", min=1),
    ] = "auto"
    compile: Annotated[bool, Param("Compile the model with torch.compile: a slow start, then faster epochs.")] = False
    seed: Annotated[
        int | None, Param("Seed of all randomness; drawn and recorded if not given.", min=0, max=2**63 - 1)
    ] = None
    learnrate: Annotated[float, Param("Step size, as a factor of the optimizer's own.", min=0)] = 1.0
    learnrate_scale: Annotated[
        float, Param("Second factor of the step size, for schedules such as '1 - t'.", min=0)
    ] = 1.0
    average: Annotated[
        FrameTime,
        Param(
            "The result is the mean of the pictures of the last epochs: a number of them (int), or a part of the run "
            "(float or percentage).",
            min=0,
        ),
    ] = FrameTime(0)


class Init:
    """The first pixels."""

    resolution: Annotated[
        Ints2 | None, Param("Make noise or image at this size first, then resize it.", min=1, max=16384)
    ] = None
    mean: Annotated[Floats3, Param("Mean of the noise, or offset of the image.")] = (0.5, 0.5, 0.5)
    std: Annotated[Floats3, Param("Standard deviation of the noise, or factor of the image.", min=0)] = (0.1, 0.1, 0.1)
    image: Annotated[File | None, Param("Image to start from, scaled to cover the resolution and centre-cropped.")] = (
        None
    )
    image_tensor: Annotated[list | None, Param("Pixels [C, H, W] in [0, 1] to start from, as nested lists.")] = None  # type: ignore[type-arg]


class Target:
    """One thing the picture should be: views of it, wanted features and constraints."""

    VARIABLES: ClassVar[Groups] = {"weight": ("time", "resolution", "learnrate", "target constraint")}
    active: Active = True
    name: Annotated[str, Param("Name in the statistics.")] = "target"
    start: Start = ALWAYS[0]
    end: End = ALWAYS[1]
    weight: Weight = 1.0
    batch_size: Annotated[int, Param("Number of views per epoch.", min=1, max=1_000_000)] = 1
    select: Annotated[
        Literal["all", "best", "worst", "mix"],
        Param("Which features count: all, the most or least similar of each view, or their weighted mean."),
    ] = "all"
    feature_scale: Annotated[
        Literal["equal", "fair"],
        Param("fair scales similarities so that all features start with the same one on the first image."),
    ] = "equal"
    gradient: Annotated[
        Literal["plain", "normalized"],
        Param(
            "normalized divides the gradient with respect to the picture by its norm before the target's weight: "
            "then a weight means the same for every word, model and canvas."
        ),
    ] = "plain"
    color: Annotated[
        float,
        Param("How much this target changes colours: 0 only brightness, 1 both alike.", min=0),
    ] = 1.0


class Feature:
    """A wanted feature; what it is comes from a feature source such as `text`."""

    VARIABLES: ClassVar[Groups] = dict.fromkeys(
        ("weight", "scale"), ("time", "resolution", "learnrate", "target feature")
    )
    start: Start = ALWAYS[0]
    end: End = ALWAYS[1]
    weight: Weight = 1.0
    scale: Annotated[float, Param("Factor of the similarity that is compared by `select`.")] = 1.0


class Constraint:
    """What core adds to the parameters of every constraint."""

    VARIABLES: ClassVar[Groups] = dict.fromkeys(
        ("weight", "start", "end"), ("time", "resolution", "learnrate", "target constraint")
    )
    weight: Weight = 1.0
    start: Start = ALWAYS[0]
    end: End = ALWAYS[1]


class Finish:
    """One step after the last epoch: transforms that change what is saved."""

    active: Active = True


class Stage:
    """One step of post-processing: transforms that change the pixels directly, before each epoch."""

    active: Active = True
    start: Start = ALWAYS[0]
    end: End = ALWAYS[1]


CHOICES = tuple(kind.key for kind in KINDS.values() if kind.stands is Stands.RUN_CHOICE)
"""The components that a config picks one of; plugins that bring kinds may add to them, and to `LISTS`."""

PARTS = ("init", "vars", "look", "targets", "postproc", "finish")
"""What stands in a config beside settings and components."""

SECTIONS = ("init", "vars")
"""Mappings that are merged key by key."""

LISTS = ("targets", "postproc", "finish", *(kind.key for kind in KINDS.values() if kind.stands is Stands.RUN_LIST))
"""The lists of a config, which grow when configs are merged."""

DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


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
        node = _as_mapping(self.node, list(params))
        if node is None:
            return [Problem(f"{self.component.kind} '{self.name}' takes no parameters", self.node.place)]
        for name in self.component.contract.declared:  # users know it by the name of the component
            params = {**params, name: replace(params[name], name=self.name)}
        known = Node({k: v for k, v in node.value.items() if k not in self.extra}, node.place, node.keys)
        checker = _Collector()
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
        _raise([problem for use in self.uses() for problem in use.bind()])
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


DEFAULT = Place("default")


def read(
    sources: Sequence[str | Node],
    options: Mapping[str, Any],
    registry: Registry,
    changes: Sequence[tuple[str, str]] = (),
) -> Config:
    """The config of some YAML files (`-` is standard input) or documents, and of options, which win.

    `changes` set single parameters in the end, `targets.0.weight` to a YAML text.

    A `look` is the beginning of a config, on which the files are merged; `{{name}}` in any text is then replaced by the
    variable of this name in `vars`.

    Raises:
        InputError: with every problem that can be seen without importing a component.
    """
    problems: list[Problem] = []
    nodes = []
    for source in sources:
        try:
            nodes.append(source if isinstance(source, Node) else read_file(source))
        except InputError as error:
            problems += error.problems
    _raise(problems)
    for name, value in options.items():
        place = Place(f"--{name.replace('_', '-')}")
        nodes.append(Node({name: Node.of(value, place)}, place, {name: place}))
    lists = [*LISTS, *keys(registry, Stands.RUN_LIST)]
    document = merge([*_look(merge(nodes, lists), registry), *nodes], lists)
    for path, text in changes:
        document = override(document, path, read_yaml(text, f"--set {path}"))
    return check(filled_in(document), registry)


def override(node: Node, path: str, value: Node) -> Node:
    """A document with another value at a dotted path, such as `targets.0.weight`; missing mappings are made.

    Raises:
        InputError: a part of the path is no number of an element, or leads into something that has no parts.
    """
    name, _, rest = path.partition(".")

    def inside(child: Node | None) -> Node:
        return override(child or Node({}, value.place), rest, value) if rest else value

    if isinstance(node.value, dict | None):
        before = node.value or {}
        return replace(node, value=before | {name: inside(before.get(name))}, keys={name: value.place} | node.keys)
    if isinstance(node.value, list):
        if not name.isdecimal() or int(name) >= len(node.value):
            known = f"the elements are numbered 0 to {len(node.value) - 1}" if node.value else "the list is empty"
            raise InputError(Problem(f"there is no element '{name}'", value.place, known))
        elements = list(node.value)
        elements[int(name)] = inside(elements[int(name)])
        return replace(node, value=elements)
    raise InputError(Problem(f"'{name}' is looked for in {node.describe()}", value.place, "a path names parameters"))


def _look(node: Node, registry: Registry) -> list[Node]:
    """The document of the look that a config wants, if it wants one."""
    name = node.value.get("look")
    if name is None or name.value is None:
        return []
    try:
        if not isinstance(name.value, str):
            raise LookupError(f"'look' is {name.describe()}; a name is expected")
        component = registry.find("look", name.value)
        return [read_yaml(component.loaded, f"look {component.name}")]
    except (LookupError, PluginError) as error:
        raise InputError(Problem(str(error.args[0]), name.place)) from error


def filled_in(node: Node) -> Node:
    """The document with the values of its `vars` in place of `{{name}}`, in all texts behind keys.

    Raises:
        InputError: a variable has no value, or one that is no single value.
    """
    given = node.value.get("vars", Node({}, DEFAULT))
    if not isinstance(given.value, dict | None):
        raise InputError(Problem(f"'vars' is {given.describe()}", given.place, "expected names and their values"))
    values, problems = {}, []
    for name, _, value in given.items() if given.value else ():
        if isinstance(value.value, dict | list | None):
            problems.append(Problem(f"the variable '{name}' is {value.describe()}", value.place, "expected one value"))
        values[name] = str(value.value)
    document = replace(node, value={name: value for name, value in node.value.items() if name != "vars"})
    for name, place in gaps(document):
        if name not in values:
            hint = f"write 'vars: {{{name}: ...}}', or use the option --var {name}=..."
            problems.append(Problem(f"the variable '{name}' has no value", place, hint))
    _raise(problems)
    filled = fill(document, values)
    return replace(node, value=filled.value | ({"vars": given} if "vars" in node.value else {}))


def merge(nodes: Sequence[Node], lists: Iterable[str] = LISTS) -> Node:
    """One mapping of several: `lists` are appended, sections are merged key by key, all else is replaced.

    Raises:
        InputError: a document is not a mapping.
    """
    values: dict[str, Node] = {}
    keys: dict[str, Place] = {}
    for node in nodes:
        if not isinstance(node.value, dict):
            what = "the config is empty" if node.value is None else f"the config is {node.describe()}"
            raise InputError(Problem(what, node.place, "expected 'targets:' and other parameters"))
        for name, place, value in node.items():
            before = values.get(name)
            if name in lists and before and isinstance(before.value, list) and isinstance(value.value, list):
                value = Node([*before.value, *value.value], before.place)
            elif name in SECTIONS and before and isinstance(before.value, dict) and isinstance(value.value, dict):
                value = Node(before.value | value.value, before.place, before.keys | value.keys)
            values[name], keys[name] = value, place
    return Node(values, nodes[0].place if nodes else DEFAULT, keys)


def keys(registry: Registry, stands: Stands) -> dict[str, Kind]:
    """The kinds that stand in one way in a config, by their keys."""
    return {kind.key: kind for kind in registry.kinds.values() if kind.stands is stands}


def named_values(registry: Registry) -> dict[str, Declaration]:
    """The parameters of a feature whose values are names of components."""
    found = {}
    for kind in keys(registry, Stands.FEATURE_VALUE).values():
        default = None
        with contextlib.suppress(LookupError):
            default = registry.default(kind.name)
        found[kind.key] = Declaration(kind.key, str, (), False, default, Param(kind.meaning))
    return found


def check(node: Node, registry: Registry) -> Config:
    """The config of a merged document, as far as it can be checked without importing a component.

    Raises:
        InputError: with every problem that was found.
    """
    checker = _Checker(registry)
    config = checker.config(node)
    _raise(checker.problems)
    return config


def split_output(output: str) -> tuple[Path, str]:
    """The directory of an output, and the name without ending; empty if it is only a directory.

    Raises:
        ValueError: it is neither a directory nor a `.png` filename.
    """
    path = os.path.expanduser(output)  # noqa: PTH111 - Path drops the slash at the end
    if path.endswith(("/", os.sep)) or os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises if it is too long
        return Path(path), ""
    if not path.lower().endswith(".png"):
        raise ValueError(f"'{output}' is neither a directory (ending with '/') nor a '.png' file")
    return Path(path).parent, Path(path).stem


def _raise(problems: list[Problem]) -> None:
    if problems:
        raise InputError(
            sorted(problems, key=lambda p: (p.place.source, p.place.line, p.place.column) if p.place else ("",))
        )


def _dump_lists(lists: Mapping[str, list[Use]]) -> dict[str, Any]:
    return {key: [{use.name: use.dump()} for use in uses] for key, uses in lists.items() if uses}


def _dump(values: Values) -> dict[str, Any]:
    return {name: value.source for name, value in values.items()}


def _as_mapping(node: Node, names: Sequence[str]) -> Node | None:
    """`blur: 5` means the first parameter, `blur:` none; None if a value is given where there are no parameters."""
    if isinstance(node.value, dict):
        return node
    if node.value is None:
        return Node({}, node.place)
    return Node({names[0]: node}, node.place, {names[0]: node.place}) if names else None


def _takes(use: Use) -> list[str]:
    """The names of the parameters that a component may have. Imports it."""
    try:
        return [*use.component.params, *use.extra]
    except PluginError:
        return [*use.extra]


def _with(use: Use, name: str, value: Node) -> str:
    """How a component is written with one more parameter: `blur: {kernel_size: 5, weight: 2}`."""
    given = _as_mapping(use.node, [one for one in _takes(use) if one not in use.extra])
    params = {**(given.plain_value() if given else {}), name: value.plain_value()}
    text = ", ".join(f"{key}: {_flow(one)}" for key, one in params.items())
    return f"{use.name}: {{{text if len(text) <= 100 else f'..., {name}: ...'}}}"


def _flow(value: Any) -> str:
    """A value as YAML inside of brackets."""
    plain = isinstance(value, str) and re.fullmatch(r"[\w.%*/()+-]+(?: [\w.%*/()<>=+-]+)*", value)
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


class _Collector:
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


class _Checker(_Collector):
    """Walks a whole document."""

    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self.registry = registry
        self.named_kinds = keys(registry, Stands.FEATURE_VALUE)

    def section(self, node: Node, section: type, also: Iterable[str] = ()) -> Values:
        return self.values(node, self.declared(section), also)

    def declared(self, section: type) -> dict[str, Declaration]:
        """The parameters of a section, whose expressions may call the functions of plugins."""
        functions = self.registry.functions
        return {name: replace(one, functions=functions) for name, one in declarations(section).items()}

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

    def component(self, kind: Kind, name: str, node: Node, place: Place) -> Use | None:
        try:
            found, name = self.registry.resolve(kind.name, name, place.source)
        except LookupError as error:
            self.problem(str(error.args[0]), place)
            return None
        return Use(found, name, node, extra=frozenset(kind.inside()))

    def config(self, node: Node) -> Config:
        choices, lists = keys(self.registry, Stands.RUN_CHOICE), keys(self.registry, Stands.RUN_LIST)
        settings = self.section(node, Settings, also=(*choices, *lists, *PARTS))
        if "device" in settings and not DEVICE.fullmatch(str(settings["device"].source)):
            self.problem(
                f"unknown device '{settings['device'].source}'",
                settings["device"].node.place,
                "auto, cpu, cuda, cuda:1 or mps",
            )
        self.epochs(settings)
        if "output" in settings:
            try:
                split_output(str(settings["output"].source))
            except ValueError as error:
                self.problem(f"output: {error}", settings["output"].node.place)
        init = self.section(self.mapping(node.value.get("init", Node({}, DEFAULT)), "'init'"), Init)
        chosen = {key: self.choice(kind, node) for key, kind in choices.items()}
        targets = [self.target(entry) for entry in self.entries(node, "targets")]
        stages = [self.stage(entry, Stage, "postproc") for entry in self.entries(node, "postproc")]
        finish = [self.stage(entry, Finish, "finish") for entry in self.entries(node, "finish")]
        listed = {key: self.uses(kind, node) for key, kind in lists.items()}
        chosen_uses = {key: use for key, use in chosen.items() if use}
        return Config(settings, init, chosen_uses, targets, stages, finish, listed)

    def epochs(self, settings: Values) -> None:
        first, end = (settings.get(name) for name in ("start_epoch", "epochs"))
        if first and end and first.resolve({}, random.Random(0)) >= end.resolve({}, random.Random(0)):
            self.problem("no epoch is left to run", first.node.place, "start_epoch must be below epochs")

    def default(self, kind: Kind, place: Place) -> Node | None:
        """The name that is taken where none is written; a problem if the kind needs one and no plugin declares it."""
        try:
            return Node(self.registry.default(kind.name), DEFAULT)
        except LookupError as error:
            if kind.required:
                self.problem(str(error.args[0]), place, f"write '{kind.key}: ...'")
            return None

    def choice(self, kind: Kind, parent: Node) -> Use | None:
        """`optimizer: adam`, or `optimizer: {adam: {...}}` with parameters."""
        node = parent.value.get(kind.key) or self.default(kind, parent.place)
        if node is None:
            return None
        if isinstance(node.value, str):
            return self.component(kind, node.value, Node(None, node.place), node.place)
        if isinstance(node.value, dict) and len(node.value) == 1:
            ((name, place, params),) = node.items()
            return self.component(kind, name, params, place)
        self.problem(f"'{kind.key}' is {node.describe()}", node.place, "expected a name, or one name with parameters")
        return None

    def target(self, node: Node) -> TargetConfig:
        before = len(self.problems)
        node = self.mapping(node, "a target")
        lists = keys(self.registry, Stands.TARGET_LIST)
        values = self.section(node, Target, also=("features", "model", *lists))
        model = self.choice(MODEL, node) if "model" in node.value else None
        features = [self.feature(entry) for entry in self.entries(node, "features")]
        transforms = self.uses(lists.pop(TRANSFORM.key), node)
        constraints = [self.constraint(use) for use in self.uses(lists.pop(CONSTRAINT.key), node)]
        others = {key: self.uses(kind, node) for key, kind in lists.items()}
        if not features and not constraints and len(self.problems) == before:
            self.problem("a target needs features or constraints", node.place)
        kept = [feature for feature in features if feature]
        return TargetConfig(values, kept, transforms, constraints, others, model)

    def feature(self, node: Node) -> FeatureConfig | None:
        before = len(self.problems)
        node = self.mapping(node, "a feature")
        if len(self.problems) > before:
            return None
        own = {**self.declared(Feature), **named_values(self.registry)}
        sources = [name for name in self.registry.names(FEATURE.name) if name not in own]
        chosen = [name for name in node.value if name in sources or "/" in name]
        values = self.values(node, own, also=chosen)
        named = {key: self.named_value(kind, values.pop(key, None), node) for key, kind in self.named_kinds.items()}
        if len(chosen) != 1:
            what = f"a feature is one of them, not {' and '.join(chosen)}" if chosen else "a feature has no source"
            self.problem(what, node.place, f"expected one of: {', '.join(sources)}")
            return None
        name = chosen[0]
        source = self.component(FEATURE, name, node.value[name], node.keys[name])
        uses = {key: use for key, use in named.items() if use}
        missing = [kind for key, kind in self.named_kinds.items() if kind.required and key not in uses]
        return FeatureConfig(source, uses, values) if source and not missing else None

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

    def listed(self, kind: Kind, node: Node, skip: Iterable[str] = ()) -> list[Use]:
        """The components that one element of a list names."""
        article = "an" if kind.name[0] in "aeiou" else "a"
        uses, unknown = [], []
        for name, place, value in self.named(node, f"{article} {kind.name}", skip):
            try:
                self.registry.resolve(kind.name, name, place.source)
            except LookupError:
                unknown.append((name, place, value))
            else:
                uses.append(self.component(kind, name, value, place))
        found = [use for use in uses if use]
        for name, place, value in unknown:
            owner = next((use for use in found if name in _takes(use)), None)
            if owner:
                self.problem(f"'{name}' belongs inside: {_with(owner, name, value)}", place)
            else:
                self.component(kind, name, value, place)
        return found

    def constraint(self, use: Use) -> ConstraintConfig:
        own, params = self.declared(Constraint), use.node
        given = params.value if isinstance(params.value, dict) else {}
        mine = Node({key: value for key, value in given.items() if key in own}, params.place, params.keys)
        return ConstraintConfig(use, self.values(mine, own))

    def stage(self, node: Node, section: type, where: str) -> StageConfig:
        own = self.declared(section)
        if not isinstance(node.value, str):
            node = self.mapping(node, "a stage")
        given = node.value if isinstance(node.value, dict) else {}
        mine = Node({key: value for key, value in given.items() if key in own}, node.place, node.keys)
        uses = self.listed(TRANSFORM, node, skip=own)
        for use in uses:
            use.in_place = where
        return StageConfig(self.values(mine, own), uses)
