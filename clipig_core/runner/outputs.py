"""The outputs that a config lists, as observers of its run."""

from __future__ import annotations

from pathlib import Path

from clipig_core.config import Plan
from clipig_core.errors import PluginError
from clipig_core.extension.kinds import OUTPUT
from clipig_core.runner.execute import Observer


def outputs(plan: Plan, target: Path) -> list[Observer]:
    """Each output of the config; all that they write begins with `target`, the path of the picture without its ending.

    Raises:
        InputError: one refuses its parameters.
        PluginError: one fails, or returns something else than an observer.
    """
    observers: list[Observer] = []
    for use in plan.lists[OUTPUT.key]:
        with use.component.calling(use.node.place):
            made = use.component.function(target, **use.fixed)
        lacking = OUTPUT.problems(made)
        if lacking:
            raise PluginError(f"{use.component.describe()} returned {made!r:.100}, which lacks {', '.join(lacking)}")
        observers.append(made)
    return observers
