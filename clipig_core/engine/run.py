"""The optimisation: `for step in Run(plan): ...`."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core.config import FeaturePlan, Plan, Section, StagePlan, Use
from clipig_core.engine.canvas import Canvas, first_pixels, resize
from clipig_core.engine.context import EpochContext, Placed, broken, call_transform
from clipig_core.engine.device import find_device, find_precision
from clipig_core.engine.dry_run import dry_run
from clipig_core.engine.encoder import Encoder
from clipig_core.engine.encoding import ChunkedEncoder, GuardedEncoder
from clipig_core.engine.objective import WantedFeature
from clipig_core.engine.randomness import Key
from clipig_core.engine.statistics import Statistics
from clipig_core.engine.targets import BoundTarget, TargetPass, TargetResult, picture_gradient
from clipig_core.errors import InputError, PluginError
from clipig_core.imaging.clamp import clamp_through
from clipig_core.imaging.views import pixels
from clipig_core.language.schedule import FrameTime, Now

log = logging.getLogger("clipig")


@dataclass(frozen=True, repr=False)
class Step:
    """One finished epoch. Everything is read from the device only when asked for."""

    now: Now
    learnrate: float
    targets: list[TargetResult]
    run: Run

    @property
    def epoch(self) -> int:
        return self.now.epoch

    @property
    def image(self) -> Tensor:
        """[1, 3, H, W] in [0, 1], as it is now."""
        return self.run.image

    def __repr__(self) -> str:
        return f"<Step {self.epoch} of {self.now.epochs}, loss {self.loss:.4f}>"

    @property
    def loss(self) -> float:
        return float(sum(result.loss.sum() for result in self.targets))

    @property
    def similarity(self) -> float | None:
        """Mean over all views and features that took part, or None if there was no feature."""
        found = [result.similarity.flatten() for result in self.targets if result.similarity is not None]
        return float(torch.cat(found).mean()) if found else None


class Run:
    """A picture in the making: an iterator that trains, one `Step` for each epoch, and goes on where it stands.

    Everything is loaded and the first pixels are drawn when it is made. `encoder` and `canvas` are used instead of
    those that the plan names, if they are given; the encoder for all targets that do not choose their own.

    Raises:
        InputError: the device is not there, or an image, a model or a parameter cannot be used.
        PluginError: a component breaks its contract.
    """

    def __init__(self, plan: Plan, *, encoder: Encoder | None = None, canvas: Canvas | None = None) -> None:
        self.plan = plan
        for notice in plan.notices():
            log.warning(notice)
        self.settings = settings = plan.settings.fixed
        self.key = Key(plan.seed)
        self.device = find_device(plan)
        self.dtype = find_precision(plan, self.device)
        self.epochs = settings.epochs
        self.start_epoch = settings.start_epoch
        self.epoch = self.start_epoch
        """The next one."""
        self.generator = torch.Generator(self.device)
        first = self._context(Now(self.start_epoch, self.epochs))
        self._resolution = _size(first)
        self.canvas = self._canvas(*self.resolution, canvas)
        if plan.settings["resolution"].constant:
            with torch.no_grad():
                dry_run(plan, self._picture(), self._context(first.now, dry=True))
        self._given = encoder
        self.encoders: dict[str, ChunkedEncoder] = {}
        """By the name of the model, with its parameters if it has any."""
        self.targets = self._targets(first)
        self.optimizer: torch.optim.Optimizer = self._make(
            plan.choices["optimizer"], ("step", "defaults"), [*self.canvas.parameters()]
        )
        self.base_rate: float = self.optimizer.defaults["lr"]
        self.stages = _placed(plan.postproc, "postproc")
        self.finishing = _placed(plan.finish, "finish")
        self._averaged = _epochs(settings.average, self.epochs)
        self._mean: tuple[Tensor, int] | None = None
        self.statistics = Statistics()
        """Of the epochs that were trained here."""
        self.done = 0
        """How many these are."""
        self.last: Step | None = None
        self._started = time.monotonic()

    @property
    def total(self) -> int:
        """Epochs of the whole run."""
        return self.epochs - self.start_epoch

    @property
    def complete(self) -> bool:
        """Whether no epoch is left."""
        return self.epoch >= self.epochs

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self._started

    @property
    def resolution(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return self._resolution

    @property
    def image(self) -> Tensor:
        """[1, 3, H, W] in [0, 1], as it is now."""
        with torch.no_grad():
            return self._picture().clone()

    def result(self) -> Tensor:
        """[1, 3, H, W] in [0, 1]: the mean of the last pictures, if `average` wants it, behind the steps of `finish`.

        Raises:
            InputError, PluginError: a step of `finish` fails.
        """
        image = self._mean[0].clone() if self._mean else self.image
        context = self._context(Now(max(self.start_epoch, self.epoch - 1), self.epochs))
        with torch.no_grad():
            return self._changed(image, self.finishing, context).clamp(0, 1)

    def __repr__(self) -> str:
        width, height = self.resolution
        return f"<Run {width}x{height} on {self.device}, epoch {self.epoch} of {self.epochs}>"

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        if self.complete:
            raise StopIteration
        return self.step()

    def step(self) -> Step:
        """Train for one epoch.

        Raises:
            InputError: an expression has no value in this epoch, or a component refuses its parameters.
            PluginError: a component fails.
            RunError: there is not enough memory.
        """
        now = Now(self.epoch, self.epochs)
        context = self._context(now)
        size = _size(context)
        if size != self.resolution:
            with self._calling_canvas():
                resize(self.canvas, self.optimizer, *size, self.settings.interpolation)
            self._resolution, self._mean = size, None
        rate = context.variables["lr"] * context.variables["lrs"]
        for group in self.optimizer.param_groups:
            group["lr"] = self.base_rate * rate
        self._postprocess(context)
        self.optimizer.zero_grad(set_to_none=True)
        results = self._learn(context)
        if any(parameter.grad is not None for parameter in self.canvas.parameters()):
            with self.plan.choices["optimizer"].component.calling():
                self.optimizer.step()
        self.epoch += 1
        if now.epoch >= self.epochs - self._averaged:
            self._average()
        step = self.last = Step(now, rate, results, self)
        self.statistics.add(step)
        self.done += 1
        return step

    # State

    def state_dict(self) -> dict[str, Any]:
        """All that the epochs to come depend on, beside the config; tensors are those of the run, not copies."""
        mean = {"image": self._mean[0], "count": self._mean[1]} if self._mean else None
        return {
            "epoch": self.epoch,
            "resolution": list(self.resolution),
            "canvas": [parameter.detach() for parameter in self.canvas.parameters()],
            "optimizer": self.optimizer.state_dict(),
            "factors": [[wanted.factor for wanted in target.features] for target in self.targets],
            "chunks": {name: encoder.chunk for name, encoder in self.encoders.items()},
            "mean": mean,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another run of the same config stood.

        Raises:
            ValueError: the state is that of another config.
        """
        parameters = list(self.canvas.parameters())
        self._resolution = (state["resolution"][0], state["resolution"][1])
        with torch.no_grad(), self._calling_canvas():
            self.canvas.resize(*self.resolution, self.settings.interpolation)
        if [p.shape for p in parameters] != [saved.shape for saved in state["canvas"]]:
            raise ValueError("the state is that of another canvas")
        if [len(factors) for factors in state["factors"]] != [len(target.features) for target in self.targets]:
            raise ValueError("the state is that of other targets")
        for parameter, saved in zip(parameters, state["canvas"], strict=True):
            parameter.data = saved.detach().to(parameter.device, copy=True)
            parameter.grad = None
        self.optimizer.load_state_dict(state["optimizer"])
        for target, factors in zip(self.targets, state["factors"], strict=True):
            for wanted, factor in zip(target.features, factors, strict=True):
                wanted.factor = factor
        for name, chunk in state["chunks"].items():
            self.encoders[name].chunk = chunk
        mean = state["mean"]
        self._mean = (mean["image"].to(self.device, copy=True), mean["count"]) if mean else None
        self.epoch = state["epoch"]

    # Making its parts

    def _make(self, use: Use, needed: tuple[str, ...], *arguments: Any) -> Any:
        """Call an optimizer, canvas or model, whose parameters are all constants."""
        with use.component.calling(use.node.place):
            made = use.component.function(*arguments, **use.fixed)
        if not all(hasattr(made, name) for name in needed):
            kind = type(made).__name__
            raise PluginError(f"{use.component.describe()} returned {kind}, which lacks one of: {', '.join(needed)}")
        return made

    def _canvas(self, width: int, height: int, given: Canvas | None) -> Canvas:
        needed = ("parameters", "image", "write", "resize")
        canvas: Canvas = given or self._make(self.plan.choices["canvas"], needed, width, height, self.device)
        init = self.plan.init
        adjust = init.given("mean") or init.given("std")
        rng = self.key.fold("init").torch(self.generator)
        try:
            image = first_pixels(width, height, rng, init.fixed, adjust, self.device)
        except InputError as error:
            places = (init[name] for name in ("image_tensor", "image") if init[name].fixed is not None)
            raise error.at(next(places).node.place) from error
        with torch.no_grad(), self._calling_canvas():
            canvas.write(image)
        return canvas

    def _calling_canvas(self) -> Any:
        return self.plan.choices["canvas"].component.calling()

    def _encoder(self, use: Use) -> tuple[str, ChunkedEncoder]:
        """The encoder of a model, which is made once, with its name."""
        arguments = use.fixed
        name = f"{use.name} {json.dumps(arguments, default=str)}" if arguments else use.name
        if name not in self.encoders:
            own = self._given if use is self.plan.choices["model"] else None
            made = own or self._make(use, ("encode_image", "encode_text"), use.name, self.device, self.dtype)
            self.encoders[name] = ChunkedEncoder(
                GuardedEncoder(made, use.component),
                self.device,
                self.dtype,
                None if self.settings.chunk == "auto" else self.settings.chunk,
                self.settings.compile,
            )
        return name, self.encoders[name]

    def _targets(self, context: EpochContext) -> list[BoundTarget]:
        """The targets that are switched on, with their models and features.

        A feature that its target's model does not know is left out if the same one is known to the model of another.
        """
        targets: list[BoundTarget] = []
        known: set[tuple[str, str]] = set()
        missing: list[tuple[FeaturePlan, str, InputError]] = []
        for index, plan in enumerate(self.plan.targets):
            if not context.active(plan.section, f"targets/{index}"):
                continue
            encoder, features = None, []
            if plan.features:
                name, encoder = self._encoder(plan.model or self.plan.choices["model"])
                for number, feature in enumerate(plan.features):
                    try:
                        features.append(self._feature(number, feature, encoder))
                        known.add(_what(feature))
                    except InputError as error:
                        missing.append((feature, name, error))
            targets.append(BoundTarget(index, plan, encoder, features))
        problems = []
        for feature, name, refusal in missing:
            if _what(feature) in known:
                log.warning("the model %s does not know '%s', which is left to the others", name, _what(feature)[1])
            else:
                problems += refusal.problems
        if problems:
            raise InputError(problems)
        for target in targets:
            if target.fair and target.features and target.encoder:
                target.make_fair(target.encoder.features(self.image))
        return targets

    def _feature(self, index: int, plan: FeaturePlan, encoder: ChunkedEncoder) -> WantedFeature:
        component = plan.source.component
        arguments = plan.source.fixed
        with torch.no_grad(), component.calling(plan.source.node.place):
            vector = component.function(arguments.pop("value"), encoder.encoder, **arguments)
        if not isinstance(vector, Tensor) or vector.dim() != 1:
            raise broken(component, vector, "a feature [D]")
        return WantedFeature(index, plan, F.normalize(vector.detach().float().to(self.device), dim=0))

    # One epoch

    def _context(self, now: Now, dry: bool = False) -> EpochContext:
        """The variables of an epoch, the resolution among them, which depends on time alone."""
        key = self.key.fold("epoch", now.epoch)
        context = EpochContext(now, dict(now.variables()), key, self.generator, dry)
        settings = context.at(self.plan.settings, "")
        size = [float(length) for length in settings.resolution]
        context.variables |= {"resolution": size, "res": size, "width": size[0], "height": size[1]}
        scale = settings.learnrate_scale
        rate = settings.learnrate
        context.variables |= {"learnrate_scale": scale, "lrs": scale, "learnrate": rate, "lr": rate}
        return context

    def _picture(self) -> Tensor:
        """[1, 3, H, W] in [0, 1]: what is judged is what is saved."""
        with self._calling_canvas():
            image = self.canvas.image()
            width, height = self.resolution
            if not isinstance(image, Tensor) or image.shape != (1, 3, height, width):
                raise broken(self.plan.choices["canvas"].component, image, f"a picture {[1, 3, height, width]}")
            return clamp_through(image)

    def _postprocess(self, context: EpochContext) -> None:
        stages = [stage for number, stage in enumerate(self.stages) if context.open(stage[0], f"postproc/{number}")]
        if stages:
            with torch.no_grad():
                image = self._changed(self._picture(), stages, context)
                with self._calling_canvas():
                    self.canvas.write(image)

    def _changed(self, image: Tensor, stages: list[tuple[Section[Any], list[Placed]]], context: EpochContext) -> Tensor:
        """An image after stages that keep its resolution."""
        for section, parts in stages:
            for part in parts if context.active(section, "") else []:
                before = image.shape
                image = pixels(call_transform(part, image, context))
                if image.shape != before:
                    reason = "changed the resolution without saying so, with `-> Annotated[Tensor, Resized]`"
                    raise PluginError(f"{part.use.component.describe()} {reason}")
        return image

    def _learn(self, context: EpochContext) -> list[TargetResult]:
        """Look at the picture with all active targets, and leave the gradient of their losses in the canvas.

        The views of all targets of a model go through it together, chunk by chunk, each as far as to the gradient of
        the views. From there, gradients go back through the transforms to the picture, and on to the canvas.
        """
        picture = self._picture()
        seen = picture.detach().requires_grad_()
        passes = [
            TargetPass(target, seen, context)
            for target in self.targets
            if context.open(target.plan.section, target.place)
        ]
        for encoder in self.encoders.values():
            encoder.learn([one for one in passes if one.wanted and one.target.encoder is encoder])
        results = [one.finish() for one in passes]
        gradient = picture_gradient(passes, seen)
        if gradient is not None:
            with self._calling_canvas():
                picture.backward(gradient)
        return results

    def _average(self) -> None:
        """Take the present picture into the mean of the last ones."""
        image = self.image
        if self._mean is None:
            self._mean = (image, 1)
        else:
            mean, count = self._mean
            self._mean = (mean + (image - mean) / (count + 1), count + 1)


def _what(feature: FeaturePlan) -> tuple[str, str]:
    """The source of a feature, and what the user wrote for it."""
    return feature.source.name, str(feature.source.values["value"].source)


def _placed(stages: Sequence[StagePlan[Any]], name: str) -> list[tuple[Section[Any], list[Placed]]]:
    """The stages of a list, with the places of their transforms."""
    return [(one.section, Placed.all(one.transforms, f"{name}/{number}")) for number, one in enumerate(stages)]


def _size(context: EpochContext) -> tuple[int, int]:
    """Width and height that the picture has in an epoch."""
    return int(context.variables["width"]), int(context.variables["height"])


def _epochs(span: FrameTime, epochs: int) -> int:
    """How many epochs a span of the run has."""
    return span.value if isinstance(span.value, int) else math.ceil(span.value * epochs)
