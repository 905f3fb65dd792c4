"""What a plan does when: windows and schedules over the epochs, and what of it does nothing. Needs no torch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipig_core.config.plan import Plan, Section, TargetPlan
from clipig_core.errors import Problem
from clipig_core.language.expressions import SIMILARITY
from clipig_core.language.schedule import Now

MOMENTS = 240
"""At how many epochs of a long run schedules are looked at."""


@dataclass(frozen=True)
class Lane:
    """A part of a plan over the moments of a timeline: its number in each of them, None where it takes no part.

    `schedule` says that it is a setting, whose number is all there is to it; the number of others is their weight.
    """

    path: str
    label: str
    values: tuple[float | None, ...]
    schedule: bool = False

    @property
    def ever(self) -> bool:
        """Whether it takes part at all."""
        return any(value is not None for value in self.values)


@dataclass(frozen=True)
class Timeline:
    """The epochs that were looked at, the resolution in each of them, and the parts of the plan."""

    moments: tuple[int, ...]
    resolutions: tuple[tuple[int, int], ...]
    lanes: tuple[Lane, ...]

    def phases(self) -> list[int]:
        """The epochs in which the resolution changes, which targets take part, or how many views they have.

        The first one is among them.
        """
        targets = [lane.values for lane in self.lanes if lane.path.count(".") == 1 and lane.path.startswith("targets")]
        counts = [lane.values for lane in self.lanes if lane.path.endswith(".batch_size")]
        states = [
            (size, tuple(values[i] is not None for values in targets), tuple(values[i] for values in counts))
            for i, size in enumerate(self.resolutions)
        ]
        return [epoch for i, epoch in enumerate(self.moments) if i == 0 or states[i] != states[i - 1]]


def timeline(plan: Plan) -> Timeline:
    """When everything in a plan takes part, and how much.

    A weight or window that depends on similarities is taken for what it is at a similarity of 0.

    Raises:
        InputError: an expression has no value in an epoch.
    """
    first, epochs = plan.settings.fixed.start_epoch, plan.settings.fixed.epochs
    count = min(MOMENTS, epochs - first)
    moments = tuple(dict.fromkeys(first + round(i * (epochs - 1 - first) / max(1, count - 1)) for i in range(count)))
    contexts = [_variables(plan, Now(epoch, epochs)) for epoch in moments]
    nows = [Now(epoch, epochs) for epoch in moments]
    lanes = [*_settings(plan, contexts)]
    for path, label, sections in _parts(plan):
        lanes.append(Lane(path, label, tuple(_weight(sections, now, v) for now, v in zip(nows, contexts, strict=True))))
        batch_size = sections[-1].values.get("batch_size")
        if batch_size and not batch_size.constant:
            numbers = tuple(float(batch_size.resolve(v, random.Random(0))) for v in contexts)
            lanes.append(Lane(f"{path}.batch_size", "batch_size", numbers, schedule=True))
    sizes = tuple((int(v["width"]), int(v["height"])) for v in contexts)
    return Timeline(moments, sizes, tuple(lanes))


def remarks(plan: Plan, times: Timeline) -> list[str]:
    """What of a plan does nothing, or less than its author may think."""
    found = []
    for lane in times.lanes:
        inside = any(lane.path.startswith(f"{other.path}.") and not other.ever for other in times.lanes)
        if not lane.schedule and not inside and not lane.ever and not _opens_between(plan, lane.path):
            found.append(f"{lane.path} ({lane.label}) never takes part")
        elif not lane.schedule and lane.ever and not any(lane.values):
            found.append(f"{lane.path} ({lane.label}) has weight 0 and does nothing")
    for number, target in enumerate(plan.targets):
        found += _of_target(f"targets.{number}", target)
    return found


def closed(plan: Plan) -> Iterator[Problem]:
    """The windows that open in no epoch of a whole run, as far as that is plain from constants."""
    epochs = plan.settings.fixed.epochs
    for path, label, (*_, section) in _parts(plan):
        window = [section.values[name] for name in ("start", "end")]
        active = section.values.get("active")
        if not all(value.constant for value in window) or (active and not (active.constant and active.fixed)):
            continue
        if not Now(0, epochs).still_opens(*(value.fixed for value in window)):
            message = f"{path} ({label}) never takes part"
            yield Problem(message, window[0].node.place, f"its window opens in none of the {epochs} epochs")


def _of_target(path: str, target: TargetPlan) -> Iterator[str]:
    fixed = target.section.fixed
    if fixed.select != "all" and len(target.features) == 1:
        yield f"{path}.select is '{fixed.select}', with one feature to select from"
    batch_size = target.section["batch_size"]
    several = not batch_size.constant or fixed.batch_size > 1
    if several and target.features and not any(use.component.random for use in target.transforms):
        yield f"{path} has {batch_size.source} views that are all the same, as no transform of it is random"


def _parts(plan: Plan) -> Iterator[tuple[str, str, Sequence[Section[object]]]]:
    """Everything that has a window or a weight: path, label, and its section behind those around it."""
    for number, target in enumerate(plan.targets):
        path, around = f"targets.{number}", [target.section]
        yield path, str(target.section.fixed.name), around
        for i, feature in enumerate(target.features):
            yield f"{path}.features.{i}", feature.label, [*around, feature.section]
        for i, constraint in enumerate(target.constraints):
            yield f"{path}.constraints.{i}", constraint.use.name, [*around, constraint.section]
    for number, stage in enumerate(plan.postproc):
        yield f"postproc.{number}", ", ".join(use.name for use in stage.transforms), [stage.section]


def _settings(plan: Plan, contexts: Sequence[Mapping[str, Any]]) -> Iterator[Lane]:
    yield Lane("resolution", "width", tuple(v["width"] for v in contexts), schedule=True)
    for name in ("learnrate", "learnrate_scale"):
        if not plan.settings[name].constant:
            yield Lane(name, name, tuple(v[name] for v in contexts), schedule=True)


def _variables(plan: Plan, now: Now) -> dict[str, Any]:
    variables: dict[str, object] = {**now.variables(), **dict.fromkeys(SIMILARITY, 0.0)}
    width, height = plan.settings["resolution"].resolve(variables, random.Random(0))
    size = [float(width), float(height)]
    variables |= {"resolution": size, "res": size, "width": size[0], "height": size[1]}
    for name, short in (("learnrate_scale", "lrs"), ("learnrate", "lr")):
        variables[name] = variables[short] = plan.settings[name].resolve(variables, random.Random(0))
    return variables


def _weight(sections: Sequence[Section[object]], now: Now, variables: Mapping[str, object]) -> float | None:
    """The weight of the innermost of some sections, None if one of them takes no part."""
    values = {}
    for section in sections:
        values = {
            name: value.resolve(variables, random.Random(0))
            for name, value in section.values.items()
            if name in ("active", "start", "end", "weight")
        }
        if not values.get("active", True) or ("start" in values and not now.within(values["start"], values["end"])):
            return None
    return float(values.get("weight", 1.0))


def _opens_between(plan: Plan, path: str) -> bool:
    """Whether a part may take part between the moments that were looked at."""
    first, epochs = plan.settings.fixed.start_epoch, plan.settings.fixed.epochs
    if epochs - first <= MOMENTS:
        return False
    sections = next(sections for other, _, sections in _parts(plan) if other == path)
    windows = [[section.values[name] for name in ("start", "end")] for section in sections]
    fixed = [[value.fixed for value in window] for window in windows if all(value.constant for value in window)]
    active = [section.values["active"] for section in sections if "active" in section.values]
    on = all(value.fixed for value in active if value.constant)
    return on and all(Now(first, epochs).still_opens(*window) for window in fixed)
