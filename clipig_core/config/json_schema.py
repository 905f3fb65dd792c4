"""The language of configs as a JSON Schema, read from the declarations.

It is written in draft 7, which every version of every editor reads. It never refuses what clipig accepts; what a
schema cannot know, such as the value of an expression, it lets pass. Forms are ordered, and `anyOf` and `oneOf` chosen,
so that yaml-language-server says what is wrong, not that no form fits, and completes a name with its example.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipig_core.config import sections
from clipig_core.errors import InputError, PluginError
from clipig_core.extension.documentation import example_value, plain, prose, written
from clipig_core.extension.kinds import CONSTRAINT, FEATURE, LOOK, MODEL, TRANSFORM, Kind, Stands
from clipig_core.extension.registry import Component, Registry
from clipig_core.language.expressions import CONSTANTS, FUNCTIONS, RANDOM, VARIABLES
from clipig_core.language.params import LARGEST, Declaration, declarations
from clipig_core.language.types import Nested, Type
from clipig_core.language.yaml import read_yaml

Schema = dict[str, Any]

NULL: Schema = {"type": "null"}
SINGLE: Schema = {"type": ["boolean", "number", "string"]}
REQUIRES = "Distributions that this config needs: [clipig>=0.2, clipig-sepia>=1.0]."
VARS = "Values that take the place of `{{name}}` in texts."
VARIABLE = r"\{\{\s*\w+\s*\}\}"
KEYWORDS = ("if", "else", "and", "or", "not", "True", "False")


def json_schema(registry: Registry) -> Schema:
    """What a config may hold with these plugins, leaving out what is broken of them."""
    return Builder(registry).config()


@dataclass(frozen=True)
class Offer:
    """A component, the names by which configs reach it, and the schema of what may stand behind them."""

    component: Component
    spellings: list[str]
    schema: Schema

    @property
    def name(self) -> str | None:
        """The name that editors offer; the ending of a model file is none."""
        return None if self._ending else self.spellings[0]

    @property
    def others(self) -> list[str]:
        """The patterns of all other names."""
        if self._ending:  # of a path, which may have slashes at its end
            return [rf".*{any_case(self.component.name)}[./\\]*"]
        return [literally(name) for name in self.spellings[1:]]

    @property
    def alone(self) -> bool:
        """Whether it needs no parameters."""
        return not any(param.required for param in self.component.params.values())

    @property
    def _ending(self) -> bool:
        return self.component.contract.files and self.component.name.startswith(".")


class Builder:
    """Writes the schema. `left_out` tells what of the plugins is broken."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.definitions: dict[str, Schema] = {}
        self.inside: set[str] = set()
        self.left_out = [f"{plugin.describe()}: {error}" for plugin in registry.plugins for error in plugin.errors]
        self.entries: dict[str, list[Offer]] = {kind: [] for kind in registry.kinds}
        for component in (component for plugin in registry.plugins for component in plugin.components):
            names = registry.spellings(component)
            if names and component.contract.stands is not Stands.NOWHERE:
                try:
                    self.entries[component.kind].append(Offer(component, names, self.component(component)))
                except PluginError as error:
                    self.left_out.append(str(error))

    def config(self) -> Schema:
        """The whole schema.

        Not even `targets` are required, as they may stand in another one of the files that a run merges.
        """
        properties = {
            **self.section(sections.Settings),
            **{key: self.choice(kind) for key, kind in self.registry.keys(Stands.RUN_CHOICE).items()},
            "init": {**mapping(self.section(sections.Init), sections.Init), "type": ["object", "null"]},
            "vars": {"description": VARS, "type": ["object", "null"], "additionalProperties": SINGLE},
            "requires": {"description": REQUIRES, "type": ["array", "null"], "items": {"type": "string"}},
            "look": self.look(),
            "targets": list_of(self.target(), "What the picture should be."),
            "postproc": list_of(
                self.stage(sections.Stage), "Steps that change the pixels directly, before each epoch."
            ),
            "finish": list_of(self.stage(sections.Finish), "Steps after the last epoch, which change what is saved."),
            **self.lists(Stands.RUN_LIST),
            **self.sections(),
        }
        kinds = [self.registry.kinds[name] for name in self.inside if name in self.registry.kinds]
        self.definitions |= {_inside(kind.name): self.choice(kind) for kind in kinds}
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            **mapping(properties),
            "definitions": dict(sorted(self.definitions.items())),
        }

    def target(self) -> Schema:
        """A target, which needs features or constraints, and may have a model of its own."""
        about = "The model of this target, if it is not that of the run: a name, or one name with parameters."
        properties = {
            **self.section(sections.Target),
            MODEL.key: {**self.choice(MODEL), "description": about, "default": None},
            FEATURE.plural: list_of(self.feature(), FEATURE.meaning),
            **self.lists(Stands.TARGET_LIST),
        }
        needs = [{"required": [name]} for name in (FEATURE.plural, CONSTRAINT.plural)]
        return mapping(properties, sections.Target, anyOf=needs)

    def lists(self, stands: Stands) -> dict[str, Schema]:
        """The lists of components of the run, or of a target."""
        kinds = self.registry.keys(stands)
        return {key: list_of(use(self.entries[kind.name]), kind.meaning) for key, kind in kinds.items()}

    def sections(self) -> dict[str, Schema]:
        """What commands read, each under its name: a mapping, or a list of them."""
        found = {}
        for name, command in self.registry.sections.items():
            try:
                one = mapping(self.section(command.section), command.section)
            except PluginError as error:
                self.left_out.append(str(error))
            else:
                found[name] = any_of([one, {"type": "array", "items": one}, NULL])
        return found

    def feature(self) -> Schema:
        """A feature, which has exactly one source."""
        named_values = self.registry.named_values()
        own, sources = self.parameters({**declarations(sections.Feature), **named_values}), self.entries[FEATURE.name]
        for key, kind in self.registry.keys(Stands.FEATURE_VALUE).items():
            known = [name for entry in self.entries[kind.name] for name in entry.spellings]
            form = words([name for name in known if name == name.lower()]) if kind.any_case else one_of(known)
            own[key] = {**{about: own[key][about] for about in ("description", "default") if about in own[key]}, **form}
        needs = [{"required": [name]} for entry in sources for name in entry.spellings if name not in own]
        return named(sources, own, sections.Feature, oneOf=needs or [False])

    def look(self) -> Schema:
        """The name of a look; it is read before variables are filled in."""
        looks = [c for plugin in self.registry.plugins for c in plugin.components if c.kind == LOOK.name]
        known = [name for look in looks for name in self.registry.spellings(look)]
        about = "A ready-made config to start from, on which this one is merged."
        return {"description": about, **any_of([{"enum": known}, NULL])}

    def stage(self, section: type) -> Schema:
        """A step that changes pixels, which needs a transform; all of its transforms keep the resolution."""
        own = self.section(section)
        keeping = [entry for entry in self.entries[TRANSFORM.name] if not entry.component.resizes]
        needs = {"not": {"propertyNames": {"enum": [*own]}}}
        return {"oneOf": [named(keeping, own, section, **needs), alone(keeping)]}

    def choice(self, kind: Kind) -> Schema:
        """A component of the run, by name, or by name with parameters."""
        entries = self.entries[kind.name]
        offered = {"enum": [entry.name for entry in entries if entry.name and entry.alone]}
        default: Schema = {}
        with contextlib.suppress(LookupError):
            default = {"default": self.registry.default(kind.name)}
        return {
            "description": f"The {kind}: a name, or one name with parameters.",
            **default,
            "oneOf": [
                named(entries, {}, minProperties=1, maxProperties=1),
                {"anyOf": [offered, alone(entries)]},
            ],
        }

    def component(self, component: Component) -> Schema:
        """What may stand behind the name of a component: parameters by name, the first one alone, or nothing."""
        params = component.params
        own = self.parameters(component.contract.inside())
        required = [name for name, param in params.items() if param.required]
        forms = [mapping({**self.parameters(params), **own}, required=required)]
        if params and required in ([], [*params][:1]):
            forms += [form for form in self.forms(next(iter(params.values()))) if form != NULL]
        if not required:
            forms.append(NULL)
        schema = {"description": prose(component.doc), **_examples(component), "oneOf": forms}
        return self.define(f"{component.kind} {component.plugin.distribution}/{component.name}", schema)

    def section(self, section: type) -> dict[str, Schema]:
        """The parameters of a section of the config."""
        return self.parameters(declarations(section))

    def parameters(self, params: Mapping[str, Declaration]) -> dict[str, Schema]:
        """What is known about each parameter; a default as it is written."""
        found: dict[str, Schema] = {}
        for name, param in params.items():
            found[name] = {"description": param.param.doc}
            if param.variables:
                found[name]["description"] += f"\n\nExpressions may use: {', '.join(param.variables)}."
            if not param.required and param.default is not None:
                found[name]["default"] = written(param.default) if param.lengths else plain(param.default)
            found[name] |= any_of(self.forms(param))
        return found

    def forms(self, param: Declaration) -> list[Schema]:
        """What a parameter accepts, by type: one value, a list of them, nothing."""
        one = self.value(param)
        forms = [one]
        if param.lengths:
            lengths = [{"minItems": length, "maxItems": length} for length in sorted({1, *param.lengths}, reverse=True)]
            forms.append({"type": "array", "items": one, "anyOf": lengths})
        if param.optional or param.type.lists:
            forms.append(NULL)
        return forms

    def value(self, param: Declaration) -> Schema:
        """What an element of a parameter accepts."""
        kind = param.type
        if isinstance(kind, Nested):
            return self.nested(kind)
        if not kind.numeric:
            return words(kind.words) if kind.words else {"type": [*kind.json], **_pattern(kind)}
        bounds = {"minimum": param.param.min, "exclusiveMinimum": param.param.above, "maximum": param.param.max}
        texts = self.expression(param.variables, kind.words, kind.pattern)
        known = ", ".join([*kind.words, *([kind.name] if kind.pattern else []), *param.variables]) or "no variables"
        return {
            "type": [*kind.json],
            **{rule: bound for rule, bound in bounds.items() if bound is not None},
            "allOf": [self.define(f"expression with {known}", texts)],
        }

    def nested(self, wanted: Nested) -> Schema:
        """Components in a parameter of another one; what they are is written down when all are known."""
        self.inside.add(wanted.kind)
        one = {"$ref": f"#/definitions/{_inside(wanted.kind)}"}
        return {"anyOf": [{"type": "array", "items": one}, one]} if wanted.many else one

    def expression(self, groups: Sequence[str], also: Sequence[str], pattern: str = "") -> Schema:
        """What an expression may be, which may call the functions of plugins."""
        return expression(groups, also, [*self.registry.functions], pattern)

    def define(self, name: str, schema: Schema) -> Schema:
        """A reference to a schema that is kept once. Not all editors read references with escapes."""
        key = re.sub("[^0-9A-Za-z]+", "-", name)
        while self.definitions.setdefault(key, schema) != schema:
            key += "-"
        return {"$ref": f"#/definitions/{key}"}


def mapping(properties: Mapping[str, Schema], section: type | None = None, **rules: object) -> Schema:
    """A mapping of these names and no others; what it is says the section."""
    about = {"description": inspect.getdoc(section)} if section else {}
    return {**about, "type": "object", **rules, "properties": properties, "additionalProperties": False}


def named(entries: Sequence[Offer], own: Mapping[str, Schema], section: type | None = None, **rules: object) -> Schema:
    """A mapping from names of components to their parameters, beside the names `own`."""
    offered = {entry.name: entry.schema for entry in entries if entry.name}
    others = {f"^(?:{pattern})$": entry.schema for entry in entries for pattern in entry.others}
    return mapping({**offered, **own}, section, patternProperties=others, **rules)


def alone(entries: Sequence[Offer]) -> Schema:
    """Names of components that need no parameters."""
    enough = [entry for entry in entries if entry.alone]
    known = texts([*(literally(e.name) for e in enough if e.name), *(other for e in enough for other in e.others)])
    return {**known, "patternErrorMessage": "Unknown, or not without parameters, as in 'name: value'."}


def use(entries: Sequence[Offer]) -> Schema:
    """An element of a list: components by name alone, or as a mapping from names to parameters."""
    return {"oneOf": [named(entries, {}, minProperties=1), alone(entries)]}


def list_of(items: Schema, description: str) -> Schema:
    """A list, which may also be left blank."""
    return {"description": description, **any_of([{"type": "array", "items": items}, NULL])}


def any_of(forms: Sequence[Schema]) -> Schema:
    """One of several forms, if there are several."""
    return {"anyOf": [*forms]} if len(forms) > 1 else forms[0]


def words(known: Sequence[str]) -> Schema:
    """One of some words in capital or small letters."""
    return {"anyOf": [{"enum": [*known]}, texts(map(any_case, known))]}


def one_of(known: Sequence[str]) -> Schema:
    """One of some words as they are."""
    return {"anyOf": [{"enum": [*known]}, texts(map(literally, known))]}


def expression(groups: Sequence[str], also: Sequence[str], functions: Sequence[str] = (), pattern: str = "") -> Schema:
    """Numbers that are not too large, and texts in which every name is known."""
    variables = [name for group in groups for name in VARIABLES[group]]
    names = {*FUNCTIONS, *functions, *RANDOM, *CONSTANTS, *KEYWORDS, *variables}
    known = "|".join([*sorted(names), *map(any_case, also)])
    inside = "[0-9A-Za-z_]"  # of a name or a number
    tokens = f"(?:[^0-9A-Za-z_#]|[0-9]{inside}*(?!{inside})|(?:{known})(?!{inside}))+"
    comment = r"(?:#[\s\S]*)?"
    return {
        "pattern": texts([tokens + comment, *([pattern] if pattern else [])])["pattern"],
        "patternErrorMessage": f"Not an expression. It may use: {', '.join([*also, *groups]) or 'no variables'}.",
        "minimum": -LARGEST,
        "maximum": LARGEST,
    }


def texts(patterns: Iterable[str]) -> Schema:
    """Texts that are one of some patterns.

    Those with a variable, which may stand for anything, are let pass, and those with letters beyond ASCII, whose other
    forms only Python knows.
    """
    return {"type": "string", "pattern": rf"^(?:{'|'.join(patterns)})$|[^\x00-\x7F]|{VARIABLE}"}


def any_case(text: str) -> str:
    """The pattern of a text in capital or small letters."""
    return "".join(f"[{c.lower()}{c.upper()}]" if c.isascii() and c.isalpha() else literally(c) for c in text)


def literally(text: str) -> str:
    """The pattern of a text, valid in all dialects of patterns."""
    return re.sub(r"[\\^$.|?*+()\[\]{}]", r"\\\g<0>", text)


def _inside(kind: str) -> str:
    """Under which name the components of a kind are kept that stand in parameters of others."""
    return f"inside-{kind}"


def _pattern(kind: Type) -> Schema:
    """That of a type of texts, if it has one."""
    return {"pattern": texts([kind.pattern])["pattern"]} if kind.pattern else {}


def _examples(component: Component) -> Schema:
    """The example of a component, unless its author wrote something that is no YAML."""
    try:
        value = read_yaml(example_value(component), "example").plain_value()
    except InputError:
        return {}
    return {} if value is None else {"examples": [value]}
