"""Validation before anything is loaded: what does not fit the picture, as far as constants can tell."""

from __future__ import annotations

from torch import Tensor

from clipig_core.config.plan import Plan, TargetPlan
from clipig_core.engine.context import EpochContext, Placed, all_constant, call_constraint, call_transform
from clipig_core.engine.memory import views_problem
from clipig_core.errors import InputError, Problem
from clipig_core.imaging.clamp import clamp_through
from clipig_core.imaging.views import Images, pixels


def dry_run(plan: Plan, image: Tensor, context: EpochContext) -> None:
    """Call what has constant parameters with an image [1, 3, H, W]; no model is needed for that.

    Raises:
        InputError: with everything that was found.
    """
    problems = [problem for target in plan.targets for problem in _target(target, image, context)]
    stages = [stage.transforms for stage in plan.postproc if context.ever_open(stage.section, "")]
    for uses in [*stages, *(stage.transforms for stage in plan.finish)]:
        for part in Placed.all(uses, "dry run"):
            if all_constant(part.use.values.values()):
                try:
                    call_transform(part, image, context)
                except InputError as error:
                    problems += error.problems
    if problems:
        raise InputError(problems)


def _target(target: TargetPlan, image: Tensor, context: EpochContext) -> list[Problem]:
    if not context.ever_open(target.section, ""):
        return []
    views: Images = image
    try:
        for part in Placed.all(target.transforms, "dry run"):
            if not all_constant(part.use.values.values()):
                return []
            views = call_transform(part, views, context)
    except InputError as error:
        return error.problems
    problems = _nothing_to_mix(target, context) + _too_many(target, views, context)
    for constraint in target.constraints:
        if all_constant(constraint.use.values.values()) and context.ever_open(constraint.section, ""):
            try:
                call_constraint(Placed(constraint.use, "dry run"), clamp_through(pixels(views)), context)
            except InputError as error:
                problems += error.problems
    return problems


def _too_many(target: TargetPlan, views: Images, context: EpochContext) -> list[Problem]:
    """Views that differ need memory each."""
    random = any(use.component.random for use in target.transforms)
    batch = context.at(target.section, "").batch_size if random else 1
    height, width = views.shape[2:]
    problem = views_problem(batch, width, height, views.device, target.section["batch_size"].node)
    return [problem] if problem else []


def _nothing_to_mix(target: TargetPlan, context: EpochContext) -> list[Problem]:
    weights = [feature.section["weight"] for feature in target.features]
    if context.at(target.section, "").select != "mix" or not weights or not all_constant(weights):
        return []
    if any(context.constant(weight, "") for weight in weights):
        return []
    message = "the weights of the features sum to zero, so there is nothing to mix"
    return [Problem(message, weights[0].node.place)]
