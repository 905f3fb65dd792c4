"""What a config says, as the fields of a form: each with its meaning, type and bounds as they are declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipig_core import ClipigError, kit
from clipig_studio.check import NAME
from clipig_studio.edit import added, at, composed, masked, replaced, spot, values

if TYPE_CHECKING:
    from clipig_core.kit import Node, Plan, Registry

WIDEST = 1000
"""A range that is wider is a limit, and no scale on which one slides."""

MOST = 500
"""Fields of one form; nobody fills in more."""

ELSEWHERE = ("output", "verbose", "device")
"""What is up to the studio, or to the machine."""


@dataclass(frozen=True)
class Field:
    """A value of the config that is in force: where it comes from, and how it may be changed.

    `place` is where it stands in the text, if it does; else `path` is where it would be added.
    """

    id: str
    group: str
    name: str
    doc: str
    value: str
    control: Mapping[str, Any]
    place: tuple[int, int] | None = None
    path: tuple[str, ...] = ()
    given: bool = True
    """Whether the text or its look says it, rather than nobody."""

    @property
    def word(self) -> bool:
        """Whether it is a text, whatever it looks like."""
        return self.control["type"] == "text" and bool(self.control.get("word"))

    def told(self) -> dict[str, Any]:
        """For the page."""
        return {name: getattr(self, name) for name in ("id", "group", "name", "doc", "value", "control", "given")}


def fields(text: str, registry: Registry) -> list[Field]:
    """The variables of the look, and, if the config is right, its settings and all values that stand in it.

    Raises:
        ClipigError: it is no config at all.
    """
    node = kit.read_yaml(text, NAME)
    raw = composed(text)
    written = {spot(one): one for one in values(raw)}
    return [field for field in _all(node, registry)[:MOST] if _single(field, raw, written)]


def _all(node: Node, registry: Registry) -> list[Field]:
    """Those that a document has, whether they can be changed or not."""
    document = kit.Document.read([node], {}, registry)
    found = [_look(document, registry), *_variables(document)]
    try:
        plan = kit.read([node], {}, registry)
    except ClipigError:
        return found
    return [*found, *_choices(plan, registry), *_settings(plan), *_parts(plan), *_masks(plan, node)]


def put(text: str, key: str, value: str, registry: Registry) -> str:
    """The text with another value of a field.

    Raises:
        ValueError: there is no such field, or it cannot be changed in this way.
        ClipigError: it is no config at all.
    """
    field = next((one for one in fields(text, registry) if one.id == key), None)
    if field is None:
        raise ValueError("the config has no such value any more")
    if field.control["type"] == "mask":
        return masked(text, int(field.path[1]), value)
    if field.place:
        return replaced(text, *field.place, value, field.word)
    return added(text, field.path, value, field.word)


def _look(document: kit.Document, registry: Registry) -> Field:
    node = document.node.value.get("look")
    name = str(node.value) if node and node.value is not None else ""
    options = [*([] if name else [""]), *registry.names("look")]
    control = {"type": "choice", "options": options}
    return Field(
        "look", "Words", "look", "A ready-made config to start from.", name, control, _spot(node), ("look",), bool(name)
    )


def _variables(document: kit.Document) -> Iterator[Field]:
    """One for each `{{name}}` that the look, or the text, has."""
    given: Node | None = document.node.value.get("vars")
    values = given.value if given and isinstance(given.value, dict) else {}
    for name in sorted(document.variables | {*values}):
        node = values.get(name)
        value = "" if node is None or isinstance(node.value, dict | list | None) else str(node.value)
        doc = f"What stands for {{{{{name}}}}} in the look and in this config."
        control = {"type": "text", "word": True}
        yield Field(f"vars.{name}", "Words", name, doc, value, control, _spot(node), ("vars", name))


def _choices(plan: Plan, registry: Registry) -> Iterator[Field]:
    """The model and the other components that a run picks one of."""
    for key, use in plan.choices.items():
        kind = next(kind for kind in registry.kinds.values() if kind.key == key)
        known = [name for name in registry.names(kind.name) if not name.startswith(".")]
        options = known if use.name in known else [use.name, *known]
        control, place = {"type": "choice", "options": options}, _spot(use.node)
        given = use.name != _default(registry, kind.name)
        yield Field(key, "The run", key, kind.meaning, use.name, control, place, (key,), given)


def _default(registry: Registry, kind: str) -> str:
    try:
        return registry.default(kind)
    except LookupError:
        return ""


def _settings(plan: Plan) -> Iterator[Field]:
    for name, value in plan.settings.values.items():
        if name not in ELSEWHERE:
            yield _field(name, "The run", name, value, (name,), plan.settings.given(name))


def _parts(plan: Plan) -> Iterator[Field]:
    """Every value that stands in the text, of targets and all that is in them, and of the steps."""
    for number, target in enumerate(plan.targets):
        group = f"Target {target.section['name'].source}"
        lists = {
            "": [("", target.section.values)],
            "feature": [(one.source.name, {**one.source.values, **one.section.values}) for one in target.features],
            "transform": [(use.name, use.values) for use in target.transforms],
            "constraint": [(one.use.name, {**one.use.values, **one.section.values}) for one in target.constraints],
        }
        for kind, members in lists.items():
            yield from _listed(f"targets.{number}.{kind}", group, members)
    yield from _listed("init", "The beginning", [("", plan.init.values)])
    for key, stages in (("postproc", plan.postproc), ("finish", plan.finish)):
        group = "After each epoch" if key == "postproc" else "After the last epoch"
        yield from _listed(key, group, [(use.name, use.values) for stage in stages for use in stage.transforms])


def _masks(plan: Plan, node: Node) -> Iterator[Field]:
    """One for each target of the text, which the page asks to paint."""
    own = node.value.get("targets")
    count = len(own.value) if own and isinstance(own.value, list) else 0
    for number, target in enumerate(plan.targets[len(plan.targets) - count :]):
        if not any(use.component.name == "mask" for use in target.transforms):
            name = str(target.section["name"].source)
            doc = "Where this target may change the picture."
            path = ("targets", str(number))
            yield Field(f"targets.{number}.mask", f"Target {name}", "mask", doc, "", {"type": "mask"}, None, path)


def _listed(key: str, group: str, members: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Field]:
    for number, (owner, given) in enumerate(members):
        for name, value in given.items():
            label = owner if name in ("value", owner) else f"{owner} {name}".strip()
            if _spot(value.node):
                yield _field(f"{key}.{number}.{owner}.{name}", group, label.replace("_", " "), value)


def _field(key: str, group: str, name: str, value: Any, path: tuple[str, ...] = (), given: bool = True) -> Field:
    declaration = value.declaration
    drawn = declaration.default is None and not given  # such as a seed
    written = value.node.value if isinstance(value.node.value, str) else None if drawn else value.source
    shown = ", ".join(map(str, written)) if isinstance(written, list | tuple) else _text(written)
    name = name.replace("_", " ")
    return Field(key, group, name, declaration.param.doc, shown, control(value), _spot(value.node), path, given)


def control(value: Any) -> dict[str, Any]:
    """With what a value is entered: a slider if it has a range, a list if it is one of some words."""
    declared, written = value.declaration, value.node.value
    kind, param = declared.type, declared.param
    if not kind.numeric:
        words = [*kind.words]
        return {"type": "choice", "options": words} if words else {"type": "text", "word": True}
    if isinstance(written, bool):
        return {"type": "switch"}
    color = kind.lengths == (3,) and value.constant and _hex(value)
    if color:
        return {"type": "color", "color": color}
    bounds = _bounds(param, getattr(kind, "whole", False))
    if not isinstance(written, int | float) or kind.words or (declared.lengths and bounds["type"] == "number"):
        return {"type": "text"}
    return bounds


def _bounds(param: Any, whole: bool) -> dict[str, Any]:
    low, high = param.min if param.above is None else param.above, param.max
    if low is not None and high is not None and high - low <= WIDEST:
        step = 1 if whole else 10.0 ** (_magnitude(high - low) - 2)
        return {"type": "range", "min": low + step * (param.above is not None), "max": high, "step": step}
    limits = {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None and abs(bound) < 1e15}
    return {"type": "number", "step": 1 if whole else "any", **limits}


def _magnitude(width: float) -> int:
    """The power of ten of a number."""
    return int(f"{width:e}".partition("e")[2])


def _hex(value: Any) -> str:
    """A color as browsers write it; empty if it is none that they know."""
    parts = value.fixed
    if not parts or not all(0 <= part <= 1 for part in parts):
        return ""
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def _text(value: Any) -> str:
    """A value as YAML has it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _spot(node: Node | None) -> tuple[int, int] | None:
    """Where a node stands in the text, if it does."""
    if node is None or node.place.source != NAME or not node.place.line or isinstance(node.value, dict):
        return None
    return node.place.line, node.place.column


def _single(field: Field, raw: Any, written: Mapping[tuple[int, int], Any]) -> bool:
    """Whether a value can be entered: not one with parameters, nor one that a variable is filled into."""
    if field.control["type"] == "mask":
        return True
    if not field.place:
        return at(raw, field.path) is None
    node = written.get(field.place)
    return node is not None and "{{" not in str(node.value)
