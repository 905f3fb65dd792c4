"""What a plan names, made for a run: optimizer, canvas, models, and targets with their features."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core.config.plan import FeaturePlan, Plan, Use
from clipig_core.engine.canvas import Canvas, first_pixels
from clipig_core.engine.context import EpochContext, broken
from clipig_core.engine.encoder import Encoder
from clipig_core.engine.encoding import ChunkedEncoder, GuardedEncoder
from clipig_core.engine.memory import picture_problem
from clipig_core.engine.objective import WantedFeature
from clipig_core.engine.targets import BoundTarget
from clipig_core.errors import InputError, PluginError, Problem

log = logging.getLogger("clipig")

Models = dict[tuple[str, str, str, str], Encoder]
"""Encoders by component, name with parameters, device and precision."""


class Assembly:
    """Makes the parts of a run.

    `given` is used instead of the model of the run. `models` are those that other runs have loaded; new ones are added.
    All methods raise InputError if a component refuses its parameters, and PluginError if it breaks its contract.
    """

    def __init__(
        self, plan: Plan, device: torch.device, dtype: torch.dtype, given: Encoder | None, models: Models | None
    ) -> None:
        self.plan, self.device, self.dtype, self.given = plan, device, dtype, given
        self.models: Models = {} if models is None else models
        self.encoders: dict[str, ChunkedEncoder] = {}
        self._moments = self._memory_of_a_pixel()

    def optimizer(self, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
        """The optimizer, which moves leaf tensors."""
        use = self.plan.choices["optimizer"]
        optimizer: torch.optim.Optimizer = use.make([*parameters])
        if not isinstance(optimizer.defaults.get("lr"), int | float):
            raise broken(use.component, optimizer, "an optimizer with an 'lr' of its own")
        arguments = [one for one in inspect.signature(optimizer.step).parameters.values() if one.default is one.empty]
        if any(one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in arguments):
            reason = "computes the loss itself, several times in a step (a closure), which a run has only once"
            raise PluginError(f"{use.component.describe()} cannot be used: it {reason}")
        return optimizer

    def trial(self, parameters: Sequence[Tensor]) -> dict[str, Any]:
        """The state of an optimizer of such parameters after one step."""
        trial = [torch.zeros_like(parameter, requires_grad=True) for parameter in parameters]
        for parameter in trial:
            parameter.grad = torch.zeros_like(parameter)
        optimizer = self.optimizer(trial)
        with self.plan.choices["optimizer"].component.calling():
            optimizer.step()
        return optimizer.state_dict()

    def _memory_of_a_pixel(self) -> int:
        """How many numbers the optimizer remembers for each that it moves."""
        pixel = torch.zeros(1, 3, 2, 2, device=self.device)
        memory = self.trial([pixel])["state"].values()
        values = [value for state in memory for value in state.values() if isinstance(value, Tensor)]
        return sum(value.numel() for value in values) // pixel.numel()

    def check_size(self, width: int, height: int) -> None:
        """Raises InputError if there is not enough memory for a picture of this size."""
        node = self.plan.settings["resolution"].node
        if problem := picture_problem(width, height, self._moments, self.device, node):
            raise InputError(problem)

    def canvas(self, width: int, height: int, rng: torch.Generator, given: Canvas | None) -> Canvas:
        """The canvas, or a given one, with the first pixels on it."""
        canvas: Canvas = given or self.plan.choices["canvas"].make(width, height, self.device)
        init = self.plan.init
        adjust = init.given("mean") or init.given("std")
        try:
            image = first_pixels(width, height, rng, init.fixed, adjust, self.device)
        except InputError as error:
            places = (init[name] for name in ("image_tensor", "image") if init[name].fixed is not None)
            raise error.at(next(places).node.place) from error
        with torch.no_grad(), self.calling_canvas():
            canvas.write(image)
            parameters = list(canvas.parameters())
        for one in parameters:
            if not (isinstance(one, Tensor) and one.is_leaf and one.requires_grad):
                raise broken(self.plan.choices["canvas"].component, one, "leaf tensors that require gradients")
        return canvas

    def calling_canvas(self) -> Any:
        """For all calls into the canvas: what goes wrong inside is its fault."""
        return self.plan.choices["canvas"].component.calling()

    def targets(self, context: EpochContext, image: Callable[[], Tensor]) -> list[BoundTarget]:
        """The targets that are switched on, with their models and features; `image` is the first [1, 3, H, W].

        A feature that its target's model does not know is left out if the same one is known to the model of another.
        """
        targets: list[BoundTarget] = []
        known: dict[tuple[str, str], list[str]] = {}
        missing: list[tuple[FeaturePlan, str, InputError]] = []
        for index, plan in enumerate(self.plan.targets):
            if not context.active(plan.section, f"targets/{index}"):
                continue
            encoder, features = None, []
            if plan.features:
                model = plan.model or self.plan.choices["model"]
                encoder = self._encoder(model)
                for number, feature in enumerate(plan.features):
                    try:
                        features.append(self._feature(number, feature, encoder))
                        known.setdefault(_what(feature), []).append(model.name)
                    except InputError as error:
                        missing.append((feature, model.name, error))
            targets.append(BoundTarget(index, plan, encoder, features))
        problems: list[Problem] = []
        deaf: dict[tuple[str, str], list[str]] = {}
        for feature, name, refusal in missing:
            if _what(feature) in known:
                deaf.setdefault(_what(feature), []).append(name)
            else:
                problems += refusal.problems
        if problems:
            raise InputError(_gathered(problems))
        for what, names in deaf.items():
            others = " and ".join(dict.fromkeys(known[what]))
            log.warning("'%s' is unknown to %s, and left to %s", what[1], ", ".join(dict.fromkeys(names)), others)
        for target in targets:
            if target.fair and target.features and target.encoder:
                target.make_fair(target.encoder.features(image()))
        return targets

    def _encoder(self, use: Use) -> ChunkedEncoder:
        """The encoder of a model, which is made once."""
        settings, given = self.plan.settings.fixed, use.dump()
        name = f"{use.name} {json.dumps(given, default=str)}" if given else use.name
        if name not in self.encoders:
            own = self.given if use is self.plan.choices.get("model") else None
            encoder = GuardedEncoder(own or self._model(use, name), use.component)
            chunk = None if settings.chunk == "auto" else settings.chunk
            self.encoders[name] = ChunkedEncoder(encoder, self.device, self.dtype, chunk, settings.compile)
        return self.encoders[name]

    def _model(self, use: Use, name: str) -> Encoder:
        """A model that is loaded, or has been."""
        key = (use.component.describe(), name, str(self.device), str(self.dtype))
        if key not in self.models:
            self.models[key] = use.make(use.name, self.device, self.dtype)
        return self.models[key]

    def _feature(self, index: int, plan: FeaturePlan, encoder: ChunkedEncoder) -> WantedFeature:
        component = plan.source.component
        arguments = plan.source.fixed
        with torch.no_grad(), component.calling(plan.source.node.place):
            vector = component.function(arguments.pop("value"), encoder.encoder, **arguments)
        if not isinstance(vector, Tensor) or vector.dim() != 1 or not vector.is_floating_point():
            raise broken(component, vector, "a feature [D]")
        if not vector.isfinite().all():
            raise PluginError(f"{component.describe()} returned a feature that is not finite")
        return WantedFeature(index, plan, F.normalize(vector.detach().float().to(self.device), dim=0))


def _gathered(problems: Sequence[Problem]) -> list[Problem]:
    """Each message once: models of several targets say the same of the same word."""
    alike: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.message, problem.hint), []).append(problem)
    gathered = []
    for first, *others in alike.values():
        places = f", here and in {len(others)} more place{'s' * (len(others) > 1)}" if others else ""
        gathered.append(replace(first, message=first.message + places))
    return gathered


def _what(feature: FeaturePlan) -> tuple[str, str]:
    """The source of a feature, and what the user wrote for it."""
    return feature.source.name, str(feature.source.values["value"].source)
