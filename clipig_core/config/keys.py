"""Every key of a config, with what it means, from the declarations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from clipig_core.config.json_schema import REQUIRES, VARS
from clipig_core.config.sections import Constraint, Feature, Finish, Init, Settings, Stage, Target
from clipig_core.errors import PluginError
from clipig_core.extension.documentation import parameter, type_in_words
from clipig_core.extension.kinds import FEATURE, LOOK, Stands
from clipig_core.extension.registry import Registry
from clipig_core.language.expressions import VARIABLES
from clipig_core.language.params import Declaration, declarations

MEANINGS = {
    "epoch": "Number of the epoch, from 0.",
    "time": "0 in the first epoch, 1 in the last.",
    "time_inverse": "1 - time.",
    "time_step": "time_step(a, b): 0 until time a, 1 from b on, a straight line between.",
    "width": "Width of the picture in pixels.",
    "height": "Height of the picture in pixels.",
    "resolution": "Both sides of the picture, as resolution[0] and resolution[1].",
    "learnrate": "Value of the parameter learnrate.",
    "learnrate_scale": "Value of the parameter learnrate_scale.",
    "loss": "Loss of the epoch: the sum over all targets and views.",
    "change": "How much the picture has changed since it was written last: mean difference of its pixels.",
    "similarity": "Similarity of the view with the feature, or with all of its target, from -100 to 100.",
}
"""Of the variables of expressions, by their long names."""

SHORT = {"t": "time", "ti": "time_inverse", "ts": "time_step", "res": "resolution", "lr": "learnrate"}
SHORT |= {"lrs": "learnrate_scale", "sim": "similarity"}


@dataclass(frozen=True)
class Key:
    """Something that a config may have: where it stands, such as `targets.features.weight`, and what it means.

    `declaration` is there for parameters. `kind` is the name of the kind if its value is made of components, and
    `groups` are the groups of variables to which it belongs if it is a variable of expressions.
    """

    path: str
    doc: str
    declaration: Declaration | None = None
    kind: str = ""
    groups: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def type(self) -> str:
        """Type, bounds and default of a parameter; empty for what is none."""
        return type_in_words(parameter(self.declaration)) if self.declaration else ""

    @property
    def variables(self) -> list[str]:
        """The variables that expressions in it may use."""
        groups = self.declaration.variables if self.declaration and self.declaration.type.numeric else ()
        return [name for group in groups for name in VARIABLES[group]]


def keys(registry: Registry) -> list[Key]:
    """All keys, and then all variables of expressions. Imports no component, only the sections of commands."""
    return [*_parameters(registry), *_components(registry), *_parts(), *_sections(registry), *_variables()]


def _parameters(registry: Registry) -> Iterator[Key]:
    sections = {
        "": Settings,
        "init.": Init,
        "targets.": Target,
        "targets.features.": Feature,
        "targets.constraints.": Constraint,
        "postproc.": Stage,
        "finish.": Finish,
    }
    for path, section in sections.items():
        for name, declaration in declarations(section).items():
            yield Key(path + name, declaration.param.doc, declaration)
    for name, declaration in registry.named_values().items():
        yield Key(f"targets.features.{name}", declaration.param.doc, declaration)


def _components(registry: Registry) -> Iterator[Key]:
    for kind in registry.kinds.values():
        if kind.stands in (Stands.RUN_CHOICE, Stands.RUN_LIST):
            yield Key(kind.key, kind.meaning, kind=kind.name)
        if kind.stands is Stands.TARGET_LIST:
            yield Key(f"targets.{kind.key}", kind.meaning, kind=kind.name)
    yield Key("targets.features", FEATURE.meaning, kind=FEATURE.name)
    yield Key("targets.model", "The model that looks at this target; without it, that of the run.", kind="model")
    yield Key("look", "A config to start from, on which this one is merged.", kind=LOOK.name)


def _parts() -> Iterator[Key]:
    sections = {"init": Init, "targets": Target, "postproc": Stage, "finish": Finish}
    for path, section in sections.items():
        yield Key(path, str(section.__doc__))
    yield Key("vars", VARS)
    yield Key("requires", REQUIRES)


def _sections(registry: Registry) -> Iterator[Key]:
    for name, command in registry.sections.items():
        with contextlib.suppress(PluginError):  # which `clipig schema` tells
            yield Key(name, " ".join(str(command.section.__doc__).split()))
            for declaration in declarations(command.section).values():
                yield Key(f"{name}.{declaration.name}", declaration.param.doc, declaration)


def _variables() -> Iterator[Key]:
    names = dict.fromkeys(name for group in VARIABLES.values() for name in group)
    for name in names:
        groups = tuple(group for group, members in VARIABLES.items() if name in members)
        yield Key(name, meaning(name), groups=groups)


def meaning(variable: str) -> str:
    """What a variable of expressions stands for: `t3` is time to the power of 3."""
    bare = variable.rstrip("2345")
    long = SHORT.get(bare, bare)
    power = variable[len(bare) :]
    if power:
        return f"{long} to the power of {power}."
    return MEANINGS[long] if long == variable else f"Short for {long}. {MEANINGS[long]}"
