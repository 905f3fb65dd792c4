"""The optimisation: `for step in Run(config): ...`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clipig_core.canvas import Canvas, first_pixels, resize
from clipig_core.config import Config, Use
from clipig_core.device import find_device, find_precision
from clipig_core.encoder import Encoder
from clipig_core.errors import InputError, PluginError
from clipig_core.params import resolve
from clipig_core.schedule import Now
from clipig_core.sight import Sight
from clipig_core.target import Look, Outcome, Scope, Target, all_constant, call, rehearse
from clipig_core.views import pixels


@dataclass(frozen=True)
class Step:
    """One finished epoch. Everything is read from the device only when asked for."""

    now: Now
    learnrate: float
    outcomes: list[Outcome]
    canvas: Canvas

    @property
    def epoch(self) -> int:
        return self.now.epoch

    @property
    def image(self) -> Tensor:
        """[1, 3, H, W] as it is now; values outside [0, 1] are possible."""
        with torch.no_grad():
            return self.canvas.image().clone()

    @property
    def loss(self) -> float:
        return float(sum(outcome.loss.sum() for outcome in self.outcomes))

    @property
    def similarity(self) -> float | None:
        """Mean over all views and features that took part, or None if there was no feature."""
        tables = [table for outcome in self.outcomes for table in outcome.tables]
        found = [table.similarity.flatten() for table in tables if table.similarity is not None]
        return float(torch.cat(found).mean()) if found else None


class Run:
    """A picture in the making: iterating it trains, one `Step` for each epoch.

    Everything is loaded and the first pixels are drawn when it is made.

    Raises:
        InputError: the device is not there, or an image, a model or a parameter cannot be used.
        PluginError: a component breaks its contract.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        config.bind()
        if config.constant("seed") is None:
            config.set("seed", random.SystemRandom().randrange(2**32))
        seed = config.constant("seed")
        self.device = find_device(config)
        self.dtype = find_precision(config, self.device)
        self.epochs: int = config.constant("epochs")
        self.start_epoch: int = config.constant("start_epoch")
        self.draw = random.Random(seed)
        self.rng = torch.Generator(self.device).manual_seed(seed)
        first = self._scope(Now(self.start_epoch, self.epochs))
        self.canvas = self._canvas(*self.resolution)
        self._rehearse(first)
        active = {index: target for index, target in enumerate(config.targets) if first.active(target.values)}
        self.encoder = self._encoder() if any(target.features for target in active.values()) else None
        self.sight = Sight(self.encoder, config, self.device, self.dtype) if self.encoder else None
        self.targets = [Target(index, target, self.encoder, self.device) for index, target in active.items()]
        self.optimizer: torch.optim.Optimizer = self._make(
            config.choices["optimizer"], ("step", "defaults"), [*self.canvas.parameters()]
        )
        self.base_rate: float = self.optimizer.defaults["lr"]
        self._scale_fairly()

    @property
    def resolution(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return self._resolution

    @property
    def image(self) -> Tensor:
        """[1, 3, H, W] as it is now."""
        with torch.no_grad():
            return self._picture().clone()

    def _picture(self) -> Tensor:
        with self.config.choices["canvas"].component.calling():
            return self.canvas.image()

    def __iter__(self) -> Iterator[Step]:
        for epoch in range(self.start_epoch, self.epochs):
            yield self._step(Now(epoch, self.epochs))

    def _make(self, use: Use, needed: tuple[str, ...], *arguments: Any) -> Any:
        """Call an optimizer, canvas or model, whose parameters are all constants."""
        with use.component.calling(use.node.place):
            made = use.component.function(*arguments, **use.arguments({}, self.draw))
        if not all(hasattr(made, name) for name in needed):
            kind = type(made).__name__
            raise PluginError(f"{use.component.describe()} returned {kind}, which lacks one of: {', '.join(needed)}")
        return made

    def _encoder(self) -> Encoder:
        use = self.config.choices["model"]
        encoder: Encoder = self._make(use, ("encode_image", "encode_text"), use.name, self.device, self.dtype)
        return encoder

    def _canvas(self, width: int, height: int) -> Canvas:
        canvas: Canvas = self._make(
            self.config.choices["canvas"], ("parameters", "image", "write", "resize"), width, height, self.device
        )
        init = resolve(self.config.init, {}, self.draw)
        adjust = any(self.config.given(self.config.init, name) for name in ("mean", "std"))
        try:
            pixels = first_pixels(width, height, self.rng, init, adjust, self.device)
        except InputError as error:
            given = (self.config.init[name] for name in ("image_tensor", "image") if init[name] is not None)
            raise error.at(next(given).node.place) from error
        with torch.no_grad():
            canvas.write(pixels)
        return canvas

    @torch.no_grad()
    def _rehearse(self, first: Scope) -> None:
        """Find out before anything is loaded what does not fit the picture.

        Raises:
            InputError: with everything that was found.
        """
        if not self.config.settings["resolution"].constant:
            return
        rng = torch.Generator(self.device).manual_seed(0)
        scope = Scope(first.now, first.variables, random.Random(0), rng, rehearsal=True)
        image = self._picture()
        problems = [problem for target in self.config.targets for problem in rehearse(target, image, scope)]
        stages = [stage for stage in self.config.postproc if scope.ever_open(stage.values)]
        for use in [use for stage in stages for use in stage.transforms]:
            if all_constant(use.values.values()):
                try:
                    call(use, image, use.arguments({}, scope.draw), scope)
                except InputError as error:
                    problems += error.problems
        if problems:
            raise InputError(problems)

    def _scale_fairly(self) -> None:
        fair = [target for target in self.targets if target.features and target.fair]
        if fair and self.sight:
            features = self.sight.features(self._picture())
            for target in fair:
                target.make_fair(features)

    def _scope(self, now: Now) -> Scope:
        """The variables of an epoch, and its resolution, which depends on time alone."""
        settings, variables = self.config.settings, now.variables()
        everything: dict[str, Any] = dict(variables)
        width, height = settings["resolution"].resolve(everything, self.draw)
        self._resolution = (width, height)
        size = [float(width), float(height)]
        everything |= {"resolution": size, "res": size, "width": size[0], "height": size[1]}
        scale = settings["learnrate_scale"].resolve(everything, self.draw)
        rate = settings["learnrate"].resolve(everything, self.draw)
        everything |= {"learnrate_scale": scale, "lrs": scale, "learnrate": rate, "lr": rate}
        return Scope(now, everything, self.draw, self.rng)

    def _step(self, now: Now) -> Step:
        before = self.resolution
        scope = self._scope(now)
        if self.resolution != before:
            interpolation = self.config.constant("interpolation")
            resize(self.canvas, self.optimizer, *self.resolution, interpolation)
        rate = scope.variables["lr"] * scope.variables["lrs"]
        for group in self.optimizer.param_groups:
            group["lr"] = self.base_rate * rate
        self._postprocess(scope)
        self.optimizer.zero_grad(set_to_none=True)
        outcomes = self._learn(scope)
        if any(parameter.grad is not None for parameter in self.canvas.parameters()):
            with self.config.choices["optimizer"].component.calling():
                self.optimizer.step()
        return Step(now, rate, outcomes, self.canvas)

    @torch.no_grad()
    def _postprocess(self, scope: Scope) -> None:
        stages = [stage for stage in self.config.postproc if scope.open(stage.values)]
        if stages:
            image = self._picture()
            for stage in stages:
                for use in stage.transforms:
                    before = image.shape
                    image = pixels(call(use, image, use.arguments(scope.variables, scope.draw), scope))
                    if image.shape != before:
                        reason = "changed the resolution without saying so, with `-> Annotated[Tensor, Resized]`"
                        raise PluginError(f"{use.component.describe()} {reason}")
            self.canvas.write(image)

    def _learn(self, scope: Scope) -> list[Outcome]:
        """Look at the picture with all active targets, and leave the gradient of their losses in the canvas.

        The views of all targets go through the encoder together, chunk by chunk, each as far as to the gradient of the
        views. One backward pass then takes these and the constraints through the transforms.
        """
        image = self._picture()
        looks = [Look(target, image, scope) for target in self.targets if scope.open(target.config.values)]
        seen = [look for look in looks if look.wanted]
        gradients = self.sight.learn(seen) if self.sight else []
        finished = [look.finish() for look in looks]
        # A list, as targets without transforms share their views.
        roots = [(held, torch.ones_like(held)) for _, held in finished]
        roots += [(look.views, gradient) for look, gradient in zip(seen, gradients, strict=True)]
        roots = [(root, gradient) for root, gradient in roots if root.requires_grad]
        if roots:
            torch.autograd.backward([root for root, _ in roots], [gradient for _, gradient in roots])
        return [outcome for outcome, _ in finished]
