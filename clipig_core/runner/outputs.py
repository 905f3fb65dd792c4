"""The outputs that a config lists, as observers of its run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clipig_core.config.plan import Plan, Use
from clipig_core.engine.run import Run, Step
from clipig_core.errors import InputError, Problem, RunError
from clipig_core.extension.kinds import OUTPUT
from clipig_core.language.params import Value
from clipig_core.runner.execute import Observer, Result


def outputs(plan: Plan, target: Path) -> list[Observer]:
    """Each output of the config; all that they write begins with `target`, the path of the picture without its ending.

    Raises:
        InputError: one refuses its parameters, or would write what another one does.
        PluginError: one fails, or returns something else than an observer.
    """
    observers: list[Observer] = []
    taken = {target.with_name(f"{target.name}{suffix}"): "the picture" for suffix in (".png", ".yaml")}
    for number, use in enumerate(plan.lists[OUTPUT.key]):
        made = _made(use, target)
        for file in written([made]):
            if file in taken:
                message = f"the output '{use.name}' would write '{file.name}', as {taken[file]} does"
                raise InputError(Problem(message, use.node.place, "with 'name: second', it has another name"))
            taken[file] = f"the output '{use.name}'"
        when = use.section["when"]
        observers.append(_Chosen(made, when, f"outputs/{number}") if when.source is not True else made)
    return observers


def written(observers: Iterable[Observer]) -> list[Path]:
    """The files and folders that outputs say they will write."""
    return [Path(file) for observer in observers for file in getattr(observer, "files", ())]


def _made(use: Use, target: Path) -> Any:
    name = use.section.fixed.name
    if any(letter in name for letter in "/\\") or not name.isprintable() or name.isspace():
        raise InputError(Problem(f"'{name}' is no part of the name of a file", use.section["name"].node.place))
    return use.make(target.with_name(f"{target.name}-{name}") if name else target)


class _Chosen(Observer):
    """Shows an output only the epochs that an expression chooses."""

    def __init__(self, output: Any, when: Value, place: str) -> None:
        self.output, self.when, self.place = output, when, place
        self.files = written([output])

    def begin(self, run: Run) -> None:
        self.shown = run.image
        self.output.begin(run)

    def step(self, step: Step) -> None:
        draws = step.run.key.fold(self.place, step.epoch).python()
        try:
            chosen = self.when.resolve({**step.variables, **self._measured(step)}, draws)
        except InputError as error:  # too late to refuse anything: there is a picture
            raise RunError(str(error)) from None
        if chosen:
            self.shown = step.image if "change" in self.when.names else self.shown
            self.output.step(step)

    def end(self, result: Result) -> None:
        self.output.end(result)

    def _measured(self, step: Step) -> dict[str, float]:
        """What the expression reads of the epoch; waits for the device only for that."""
        found = {}
        if "loss" in self.when.names:
            found["loss"] = step.loss
        if not self.when.names.isdisjoint(("similarity", "sim")):
            found["similarity"] = found["sim"] = step.similarity or 0.0
        if "change" in self.when.names:
            same = step.run.image.shape == self.shown.shape
            found["change"] = float((step.image - self.shown).abs().mean()) if same else 1.0
        return found
