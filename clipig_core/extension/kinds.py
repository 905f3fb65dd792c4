"""The kinds of components, an object each: what they are for, what core gives them, and where they stand in a config.

A new kind is a new `Kind`. Registry, config, testing kit, help, schema and reference read what they need from it, and
nothing else knows a kind by its name, but for the code that calls its components. A plugin can bring a kind of its own
with the hook `clipig_kinds`.
"""

from __future__ import annotations

import ast
import enum
import functools
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from clipig_core.errors import PluginError
from clipig_core.language.params import Declaration, Resized, declarations

SECTIONS = "clipig_core.config.sections"
"""Where the parameters of core are declared: above, so it is named, not imported."""

UNREADABLE = (EOFError, ImportError, OSError, SyntaxError, ValueError)
"""What goes wrong with modules that are read without being imported."""

PROSE_ENDS = re.compile(r"^(?:Example|Raises|Args|Returns|Yields)\b", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """What a hook says of a name, if it says more than a target.

    `summary` stands in listings; without one it is the first sentence of the docstring. `aliases` are further names.
    `deprecated` says what to write instead: configs that use the name still work, and log it as a warning. `default` is
    set for what a config gets that picks nothing, where it has to pick one. `words` is for models that know a list of
    words and nothing else: the function, as `"module:function"`, that returns it, for `clipig words`. `excess` is for
    constraints: what a picture is that obeys too much of it, in a word that the verdict of a run begins with, `soft`.
    `section` is for commands that read a part of the config that is none of a run, under their own name: the class, as
    `"module:class"`, that declares it.
    """

    target: str
    _: KW_ONLY
    summary: str = ""
    aliases: tuple[str, ...] = ()
    deprecated: str = ""
    default: bool = False
    words: str = ""
    excess: str = ""
    section: str = ""


class Stands(enum.Enum):
    """Where the names of components stand in a config."""

    TARGET_LIST = "a list of a target"
    """Under the plural of the kind: `transforms: [blur: 5]`."""
    FEATURE_KEY = "the key of a feature"
    """Beside what every feature takes: `text: strawberry`."""
    FEATURE_VALUE = "a value of a feature"
    """Under the name of the kind: `loss: cosine`."""
    RUN_CHOICE = "a choice of the run"
    """One of them, under the name of the kind: `optimizer: adam`."""
    RUN_LIST = "a list of the run"
    """Under the plural of the kind: `outputs: [gif: 30]`."""
    NOWHERE = "nowhere"
    """It is used in another way, which the contract of the kind tells."""


class Takes(enum.Enum):
    """What a component takes behind what core gives it."""

    PARAMETERS = "parameters, each with a Param"
    NOTHING = "nothing"
    ANYTHING = "arguments that core does not look at"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of component, and how to get hold of its components: functions, by `"module:function"`.

    A kind whose components are something else is an instance of a subclass, which overrides `load` and what follows it.
    """

    name: str
    plural: str
    """Its hook is `clipig_<plural>`."""
    doc: str
    """The contract. The first line says how core calls a component, and what for."""
    stands: Stands = Stands.NOWHERE
    meaning: str = ""
    """What its place in a config says, for editors and the reference."""
    leading: tuple[str, ...] = ()
    """What core gives, in order, before the parameters."""
    declared: tuple[str, ...] = ()
    """Those of `leading` that have a Param, since users write them."""
    takes: Takes = Takes.PARAMETERS
    variables: tuple[str, ...] = ()
    """The groups of variables that expressions in the parameters may use."""
    random: bool = False
    """Whether it may take `rng: torch.Generator`."""
    returns: tuple[str, ...] = ()
    """The methods and attributes that what it returns must have."""
    required: bool = False
    """Whether there must be one: without a default, a config has to name one."""
    section: str = ""
    """The class, as `module:class`, with the parameters that core adds to those of each component."""
    reserved: str = ""
    """The class, as `module:class`, whose parameters stand in a config beside the names of components."""
    names: str = r"[a-z][a-z0-9_-]*"
    """The pattern of names."""
    any_case: bool = False
    """Whether a config may write the names with capital letters."""
    files: bool = False
    """Whether a name that starts with a dot stands for all files with that ending."""
    example: str = ""
    """How one is used, with `{name}` and `{value}`, if it stands nowhere in a config."""

    def __str__(self) -> str:
        return self.name

    @property
    def hook(self) -> str:
        return f"clipig_{self.plural}"

    @property
    def key(self) -> str:
        """The parameter of a config under which the names of components stand; empty if there is none."""
        if self.stands in (Stands.TARGET_LIST, Stands.RUN_LIST):
            return self.plural
        return self.name if self.stands in (Stands.FEATURE_VALUE, Stands.RUN_CHOICE) else ""

    @property
    def summary(self) -> str:
        """What it is for, in some words."""
        return self.doc.partition("\n")[0].rpartition("`: ")[2].rstrip(".")

    def own(self) -> dict[str, Declaration]:
        """The parameters that core adds to those of each component."""
        return declarations(attribute(self.section)) if self.section else {}

    def inside(self) -> dict[str, Declaration]:
        """Those of them that are written among the component's own, not beside its name."""
        return self.own() if self.section != self.reserved else {}

    def taken(self) -> frozenset[str]:
        """The names that mean something else where its components stand."""
        return frozenset(declarations(attribute(self.reserved))) if self.reserved else frozenset()

    def config(self, name: str, value: str) -> str:
        """An example of the use of a component, with what stands behind its name: a config, if it has a place there."""
        target, use = "targets:\n  - features:\n      - text: strawberry", f"{name}: {value}" if value else name
        if self.stands is Stands.TARGET_LIST:
            return f"{target}\n    {self.key}:\n      - {use}"
        if self.stands is Stands.FEATURE_VALUE:
            return f"{target}\n        {self.key}: {name}"
        if self.stands is Stands.FEATURE_KEY:
            return f"targets:\n  - features:\n      - {name}: {value}"
        if self.stands is Stands.RUN_LIST:
            return f"{self.key}:\n  - {use}\n{target}"
        if self.stands is Stands.RUN_CHOICE:
            return f"{self.key}:\n  {use}\n{target}" if value else f"{self.key}: {name}\n{target}"
        return self.example.format(name=name, value=value)

    # Its components

    def load(self, target: str) -> object:
        """The component behind a target. Imports it, and raises what that raises."""
        loaded = attribute(target)
        if not inspect.isroutine(loaded):
            raise TypeError(f"'{target}' is not a function")
        return loaded

    def missing(self, target: str) -> str:
        """What is wrong with a target as far as can be seen without importing it."""
        module, _, attribute = target.partition(":")
        if not attribute:
            return f"'{target}' is not of the form 'module:function'"
        if module in sys.modules:
            return "" if hasattr(sys.modules[module], attribute) else f"module '{module}' has no '{attribute}'"
        try:
            source = _source(module)
            if not source or attribute in _functions(*source):
                return ""
            names = _bound(*source)
        except UNREADABLE as error:
            return f"module '{module}' cannot be read: {error}" if not isinstance(error, ImportError) else str(error)
        return "" if attribute in names or "*" in names else f"module '{module}' has no '{attribute}'"

    def about(self, target: str) -> str:
        """The first sentence of the documentation of a target, without importing it; empty if it cannot be seen."""
        module, _, attribute = target.partition(":")
        try:
            source = _source(module)
            return (
                first_sentence(_functions(*source).get(attribute) or _bound(*source).get(attribute, ""))
                if source
                else ""
            )
        except UNREADABLE:
            return ""

    def params(self, loaded: Any) -> dict[str, Declaration]:
        """The parameters that a component declares.

        Raises:
            PluginError: they cannot be read, or those of `declared` are not there.
        """
        if self.takes is not Takes.PARAMETERS:
            return {}
        params = declarations(loaded, self.variables)
        for name in self.declared:
            if name not in params:
                raise PluginError(f"a {self.name} needs a parameter '{name}'")
        return params

    def is_random(self, loaded: Any) -> bool:
        """Whether a component draws random numbers."""
        return self.random and "rng" in inspect.signature(loaded).parameters

    def resizes(self, loaded: Any) -> bool:
        """Whether a component changes the resolution."""
        returned = inspect.get_annotations(loaded, eval_str=True).get("return")
        return Resized in getattr(returned, "__metadata__", ())

    def describe(self, loaded: object) -> str:
        """The documentation of a component."""
        return inspect.getdoc(loaded) or ""

    def problems(self, made: object) -> list[str]:
        """What that which a component returned lacks."""
        return [name for name in self.returns if not hasattr(made, name)]


@dataclass(frozen=True, kw_only=True)
class FunctionKind(Kind):
    """Functions of numbers, by names that the language of expressions leaves free."""

    def taken(self) -> frozenset[str]:
        import keyword

        from clipig_core.language.expressions import CONSTANTS, FUNCTIONS, RANDOM, VARIABLES

        variables = (name for group in VARIABLES.values() for name in group)
        return frozenset([*FUNCTIONS, *RANDOM, *CONSTANTS, *variables, *keyword.kwlist, *keyword.softkwlist])


@dataclass(frozen=True, kw_only=True)
class ResourceKind(Kind):
    """Texts, by `"package:file"`; the lines of comment at the beginning of the file are their documentation."""

    takes: Takes = Takes.ANYTHING

    def load(self, target: str) -> str:
        """The text of the file."""
        return self._path(target).read_text("utf-8")

    def missing(self, target: str) -> str:
        try:
            return "" if self._path(target).is_file() else f"there is no file '{target.partition(':')[2]}' beside it"
        except (ImportError, ValueError) as error:
            return str(error)

    def about(self, target: str) -> str:
        try:
            return first_sentence(self.describe(self.load(target)))
        except (ImportError, OSError, ValueError):
            return ""

    def is_random(self, _loaded: object) -> bool:
        return False

    def resizes(self, _loaded: object) -> bool:
        return False

    def describe(self, loaded: object) -> str:
        found = re.match(r"(?:#.*\n)*", str(loaded))
        return re.sub(r"^# ?", "", found[0] if found else "", flags=re.MULTILINE).strip()

    def _path(self, target: str) -> Path:
        package, _, file = target.partition(":")
        if not file:
            raise ValueError(f"'{target}' is not of the form 'package:file'")
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ImportError(f"there is no package '{package}'")
        paths = [Path(folder) / file for folder in spec.submodule_search_locations]
        return next((path for path in paths if path.is_file()), paths[0])


@dataclass(frozen=True, kw_only=True)
class CommandKind(Kind):
    """Commands of click, by `"module:command"`."""

    takes: Takes = Takes.ANYTHING

    def load(self, target: str) -> Any:
        """The command."""
        import click

        loaded = attribute(target)
        if not isinstance(loaded, click.Command):
            raise TypeError(f"'{target}' is not a click command")
        return loaded

    def is_random(self, _loaded: object) -> bool:
        return False

    def resizes(self, _loaded: object) -> bool:
        return False

    def describe(self, loaded: Any) -> str:
        return inspect.cleandoc(loaded.help or "")


TRANSFORM = Kind(
    name="transform",
    plural="transforms",
    doc="""`transform(images[B, 3, H, W], **params, rng) -> [B, 3, h, w]`: what CLIP is shown of the picture.

    Randomness is drawn per image from `rng: torch.Generator`, which only random transforms take. One that changes the
    resolution returns `Annotated[Tensor, Resized]`.
    """,
    stands=Stands.TARGET_LIST,
    meaning="What the model is shown of the picture, in this order.",
    leading=("images",),
    variables=("time", "resolution", "learnrate"),
    random=True,
    reserved=f"{SECTIONS}:Stage",
)
CONSTRAINT = Kind(
    name="constraint",
    plural="constraints",
    doc="""`constraint(images[B, 3, H, W], **params, rng) -> [B]`: a loss that needs no CLIP.

    It takes `rng: torch.Generator` only if it is random.
    """,
    stands=Stands.TARGET_LIST,
    meaning="What the pixels obey, without the model.",
    leading=("images",),
    variables=("time", "resolution", "learnrate", "target constraint"),
    random=True,
    section=f"{SECTIONS}:Constraint",
)
LOSS = Kind(
    name="loss",
    plural="losses",
    doc="`loss(features[B, D], target[D]) -> [B]`: how far unit-length features are from the wanted one.",
    stands=Stands.FEATURE_VALUE,
    meaning="Loss between the feature of a view and the wanted one.",
    leading=("features", "target"),
    takes=Takes.NOTHING,
    required=True,
    any_case=True,
)
FEATURE = Kind(
    name="feature",
    plural="features",
    doc="""`feature_source(value, encoder) -> [D]`: turns what the user wrote into a feature.

    `value` is declared, like a parameter.
    """,
    stands=Stands.FEATURE_KEY,
    meaning="What the views should look like.",
    leading=("value", "encoder"),
    declared=("value",),
    section=f"{SECTIONS}:Feature",
    reserved=f"{SECTIONS}:Feature",
)
OPTIMIZER = Kind(
    name="optimizer",
    plural="optimizers",
    doc="""`optimizer(parameters, **params) -> torch.optim.Optimizer`: what turns gradients into steps.

    Its own step size is what `learnrate: 1.0` means.
    """,
    stands=Stands.RUN_CHOICE,
    meaning="What turns gradients into steps.",
    leading=("parameters",),
    returns=("step", "zero_grad", "param_groups", "defaults"),
    required=True,
)
CANVAS = Kind(
    name="canvas",
    plural="canvases",
    doc="`canvas(width, height, device, **params) -> clipig_core.kit.Canvas`: what is trained, and its picture.",
    stands=Stands.RUN_CHOICE,
    meaning="What is trained, and how it becomes a picture.",
    leading=("width", "height", "device"),
    returns=("parameters", "image", "write", "resize"),
    required=True,
)
MODEL = Kind(
    name="model",
    plural="models",
    doc="""`model(name, device, dtype, **params) -> clipig_core.kit.Encoder`: what compares pictures with words.

    A name that starts with a dot (`.pt`) stands for files with that ending; the function then gets the path as name.
    """,
    stands=Stands.RUN_CHOICE,
    meaning="What compares pictures with words: a name, or the path of a checkpoint (.pt, .safetensors).",
    leading=("name", "device", "dtype"),
    returns=("image_size", "encode_image", "encode_text"),
    required=True,
    names=r"\S+",
    files=True,
)
OUTPUT = Kind(
    name="output",
    plural="outputs",
    doc="""`output(target_file, **params) -> Observer`: watches a run, and writes what it makes of it.

    An observer has the methods `begin(run)`, `step(step)` and `end(result)`. `target_file` is the path of the picture
    without its ending; all that the output writes begins with it.
    """,
    stands=Stands.RUN_LIST,
    meaning="What is written beside the picture.",
    leading=("target_file",),
    returns=("begin", "step", "end"),
    section=f"{SECTIONS}:Outputs",
)
LOOK = ResourceKind(
    name="look",
    plural="looks",
    doc="""`"package:file.yaml"`: a config to start from, with the placeholder `{{text}}` for what it shows.

    The comment at the beginning of the file is its documentation.
    """,
)
COMMAND = CommandKind(
    name="command",
    plural="commands",
    doc="""`"module:command"`: a command of click, which `clipig` then has beside its own.

    It is imported when it is invoked; the list of commands shows the first sentence of its docstring.
    """,
    example="$ clipig {name} {value}",
)
FUNCTION = FunctionKind(
    name="function",
    plural="functions",
    doc="""`function(*numbers) -> number`: a pure function, which expressions may call by its name.

    It gets floats and bools. It returns one finite number, the same for the same arguments, or raises ValueError.
    """,
    takes=Takes.ANYTHING,
    names=r"[a-z][a-z0-9_]*",
    example="learnrate_scale: {name}({value})\ntargets:\n  - features:\n      - text: strawberry",
)
LAUNCHER = Kind(
    name="launcher",
    plural="launchers",
    doc="""`launcher(run, jobs, **params) -> iterator of (job, result)`: where the jobs of a sweep run.

    Yields each of the jobs once, with `run(job)` or the exception that there is instead, as soon as it is there, in any
    order.
    """,
    leading=("run", "jobs"),
)

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        *(TRANSFORM, CONSTRAINT, LOSS, FEATURE, OPTIMIZER, CANVAS, MODEL),
        *(OUTPUT, LOOK, COMMAND, FUNCTION, LAUNCHER),
    )
}
"""The kinds that core calls components of; plugins may bring others."""


def kinds_of(provided: Mapping[str, str | Kind], known: Mapping[str, Kind]) -> dict[str, Kind]:
    """The kinds that a plugin brings.

    Raises:
        PluginError: one is none, or is called as something that is known.
    """
    found: dict[str, Kind] = {}
    for name, given in provided.items():
        kind = attribute(given) if isinstance(given, str) else given
        if not isinstance(kind, Kind) or kind.name != name:
            raise PluginError(f"what it gives as the kind {name!r} is not a Kind of that name")
        others = [*known.values(), *found.values()]
        words = {"kind", "kinds", *(word for other in others for word in (other.name, other.plural))}
        if not words.isdisjoint((kind.name, kind.plural)):
            raise PluginError(f"the kind '{name}' is known already, or its plural '{kind.plural}' is")
        if kind.key in config_names():
            raise PluginError(f"the kind '{name}' would stand under '{kind.key}', which means something else there")
        found[name] = kind
    return found


def config_names() -> frozenset[str]:
    """Parameters of a config, of its targets and of their features, under which no components stand."""
    taken = (attribute(f"{SECTIONS}:{name}") for name in ("Settings", "Target", "Feature"))
    return frozenset([*attribute(f"{SECTIONS}:PARTS"), "model", *(name for one in taken for name in declarations(one))])


def first_sentence(doc: str) -> str:
    """The first sentence of a docstring, on one line."""
    paragraph = PROSE_ENDS.split(inspect.cleandoc(doc).split("\n\n")[0], maxsplit=1)[0]
    return re.split(r"(?<=[^.\s]\.)(?<!\bal\.)\s(?=[^a-z])", " ".join(paragraph.split()), maxsplit=1)[0]


def attribute(target: str) -> Any:
    """What `module:attribute` stands for."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _source(module: str) -> tuple[str, int] | None:
    """The file of a module and when it was changed, without importing it; None if it is not written in Python."""
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise ImportError(f"there is no module '{module}'")
    if not spec.origin or not spec.origin.endswith(".py"):
        return None
    return spec.origin, Path(spec.origin).stat().st_mtime_ns


@functools.cache
def _functions(path: str, _changed: int) -> dict[str, str]:
    """The functions that a module defines, with their docstrings, from its compiled code, which mostly is there."""
    code = SourceFileLoader("", path).get_code("")
    found = [one for one in code.co_consts if isinstance(one, CodeType)] if code else []
    return {
        one.co_name: inspect.getdoc(FunctionType(one, {})) or "" for one in found if one.co_flags & inspect.CO_OPTIMIZED
    }


@functools.cache
def _bound(path: str, _changed: int) -> dict[str, str]:
    """Every name that a module binds anywhere, with its docstring; `*` when it can bind more than its text shows."""
    names: dict[str, str] = {}
    for node in ast.walk(ast.parse(Path(path).read_bytes(), path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = "*" if node.name == "__getattr__" else node.name
            names[name] = names.get(name) or ast.get_docstring(node) or ""
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.setdefault(node.id, "")
        elif isinstance(node, ast.alias):
            names.setdefault(node.asname or node.name.split(".")[0], "")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("globals", "setattr"):
            names["*"] = ""
    return names
