"""The optimisation: `for step in Run(plan): ...`."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clipig_core.config.plan import Plan, Section, StagePlan
from clipig_core.config.timeline import closed
from clipig_core.engine.assembly import Assembly, Models
from clipig_core.engine.canvas import Canvas, resize
from clipig_core.engine.context import EpochContext, Placed, broken, call_transform
from clipig_core.engine.device import find_device, find_precision
from clipig_core.engine.dry_run import dry_run
from clipig_core.engine.encoder import Encoder
from clipig_core.engine.encoding import ChunkedEncoder
from clipig_core.engine.memory import out_of_memory, wanted
from clipig_core.engine.randomness import Key
from clipig_core.engine.state import MAX_SIDE, alike, check_optimizer, whole
from clipig_core.engine.statistics import Statistics
from clipig_core.engine.suspects import given, watching
from clipig_core.engine.targets import TargetPass, TargetResult, picture_gradient
from clipig_core.engine.watch import Bounds, NotFiniteError, Watch
from clipig_core.errors import InputError, PluginError, Problem, RunError
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
    variables: Mapping[str, object]
    """Of expressions, as they were in this epoch."""

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
    those that the plan names, if they are given; the encoder for all targets that do not choose their own. `models`
    are those that earlier runs of this process have loaded; the run uses them, and adds its own.

    Raises:
        InputError: the device is not there, or an image, a model or a parameter cannot be used.
        PluginError: a component breaks its contract.
    """

    def __init__(
        self, plan: Plan, *, encoder: Encoder | None = None, canvas: Canvas | None = None, models: Models | None = None
    ) -> None:
        self.plan = plan
        for notice in [*plan.notices(), *closed(plan)]:
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
        self._assembly = Assembly(plan, self.device, self.dtype, encoder, models)
        self._assembly.check_size(*self.resolution)
        self.canvas = self._assembly.canvas(*self.resolution, self.key.fold("init").torch(self.generator), canvas)
        if plan.settings["resolution"].constant:
            with torch.no_grad():
                dry_run(plan, self._picture(), self._context(first.now, dry=True))
        self.targets = self._assembly.targets(first, lambda: self.image)
        self.optimizer = self._assembly.optimizer([*self.canvas.parameters()])
        self.base_rate: float = self.optimizer.defaults["lr"]
        self.stages = _placed(plan.postproc, "postproc")
        self.finishing = _placed(plan.finish, "finish")
        self._first_averaged = self.epochs - _epochs(settings.average, self.epochs)
        self._mean: tuple[Tensor, int] | None = None
        self.statistics = Statistics()
        """Of the epochs of which it is known that they were finite; on a GPU all but the last one."""
        self.last: Step | None = None
        """Of these."""
        self.done = 0
        """How many epochs were trained."""
        self.changes: list[int] = []
        """The first epoch of each other config that the run went on with."""
        self._watch = Watch(late=self.device.type != "cpu")
        self._unsure: list[Step] = []
        self._bounds = Bounds()
        self._asked = False
        self._started = time.monotonic()

    @property
    def encoders(self) -> Mapping[str, ChunkedEncoder]:
        """By the name of the model, with its parameters if it has any."""
        return self._assembly.encoders

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

    def resolution_in(self, epoch: int) -> tuple[int, int]:
        """Width and height that the config wants in an epoch.

        Raises:
            InputError: its expression has no value there.
        """
        return self._timed(Now(epoch, self.epochs)).at(self.plan.settings, "").resolution

    def result(self) -> Tensor:
        """[1, 3, H, W] in [0, 1]: the mean of the last pictures, if `average` wants it, behind the steps of `finish`.

        Raises:
            InputError, PluginError: a step of `finish` fails.
            RunError: the last epoch made values that are not finite.
        """
        self.settle()
        image = self._mean[0].clone() if self._mean else self.image
        context = self._context(Now(max(self.start_epoch, self.epoch - 1), self.epochs))
        with torch.no_grad():
            return self._changed(image, self.finishing, context).clamp(0, 1)

    def settle(self) -> None:
        """Wait for the device.

        Raises:
            RunError: the last epoch made values that are not finite; the run is then in its state before.
        """
        try:
            self._settle()
        except NotFiniteError as found:
            raise self._blamed(found.epoch) from None

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
            RunError: there is not enough memory, or some values are not finite. The run is then in its state before.
        """
        try:
            return self._epoch()
        except NotFiniteError as found:
            raise self._blamed(found.epoch) from None
        except Exception as error:
            self._restore(self._watch.kept(self.epoch))
            if not out_of_memory(error) or isinstance(error, RunError):
                raise
            few = f"there is too little memory{wanted(error)}; a smaller resolution or batch_size needs less"
            raise RunError(f"epoch {self.epoch}: {few}") from error

    def _epoch(self) -> Step:
        now = Now(self.epoch, self.epochs)
        context = self._context(now)
        size = _size(context)
        if size != self.resolution:
            self._settle()
            self._assembly.check_size(*size)
            with self._assembly.calling_canvas():
                resize(self.canvas, self.optimizer, *size, self.settings.interpolation)
            self._resolution, self._mean = size, None
        rate = context.variables["lr"] * context.variables["lrs"]
        for group in self.optimizer.param_groups:
            group["lr"] = self.base_rate * rate
        self._watch.keep(now.epoch, self._memory())
        self._postprocess(context)
        results = self._learn(context)
        self._watch.look([*(result.loss for result in results), *self._gradients()])
        if results and not self._asked:
            self._asked = True
            self._notice_what_blocks(results, context)
        if self._gradients():
            with self.plan.choices["optimizer"].component.calling():
                self.optimizer.step()
        self._watch.look(self.canvas.parameters())
        self._watch.finished()
        self._bounds.look(now.epoch, lambda: self.image)
        self.epoch += 1
        if now.epoch >= self._first_averaged:
            self._average()
        step = Step(now, rate, results, self, context.variables)
        self.done += 1
        self._unsure.append(step)
        self._settle(0 if self.complete else self._watch.late)
        return step

    # What goes wrong without an error

    def _memory(self) -> list[Tensor]:
        """What is kept for the case that an epoch breaks it: the canvas; and the optimizer's, if that is known late."""
        memory = _tensors(self.optimizer) if self._watch.late else []
        return [*self.canvas.parameters(), *memory]

    def _settle(self, leaving: int = 0) -> None:
        """Wait until it is known of the last epochs, except of so many, that everything was finite."""
        self._watch.wait(leaving)
        while len(self._unsure) > leaving:
            self.last = self._unsure.pop(0)
            self.statistics.add(self.last)

    def _blamed(self, epoch: int) -> RunError:
        """Go back to before an epoch that was not finite, and find out which component made it so."""
        self.done -= self.epoch - epoch
        self.epoch, self._mean, self._unsure = epoch, None, []
        kept = self._watch.kept(epoch)
        self._restore(kept)
        try:
            reason = self._reason()
        finally:
            self._restore(kept)
            self._watch.forget()
        return RunError(f"epoch {epoch}: {reason}")

    def _restore(self, kept: list[Tensor]) -> None:
        """Put back what was kept; an optimizer whose memory is lost begins afresh."""
        memory = self._memory()
        if kept and len(memory) != len(kept):
            self.optimizer.state.clear()
        for one, before in zip(memory, kept, strict=False):
            one.data.copy_(before)
        if not all(one.isfinite().all() for one in _tensors(self.optimizer)):
            self.optimizer.state.clear()

    def _reason(self) -> str:
        """Repeat the present epoch, up to its step, with an eye on all components."""
        context = self._context(Now(self.epoch, self.epochs))
        with watching() as suspects:
            self._postprocess(context)
            results = self._learn(context)
        if suspects.not_finite:
            return suspects.not_finite
        for result in results:
            if not result.loss.isfinite().all():
                return f"the loss of target '{result.name}' is not finite"
        canvas, optimizer = (self.plan.choices[name].component.describe() for name in ("canvas", "optimizer"))
        if not all(gradient.isfinite().all() for gradient in self._gradients()):
            return f"{canvas} has a gradient that is not finite"
        return f"{optimizer} made values that are not finite"

    def _notice_what_blocks(self, results: list[TargetResult], context: EpochContext) -> None:
        """Warn if targets want something, and nothing of it reaches the canvas."""
        if any(one.any() for one in self._gradients()) or not any(result.loss.any() for result in results):
            return
        with watching() as suspects:
            self._learn(context)
        who = f": {suspects.blocking} passes none on" if suspects.blocking else ""
        log.warning("no gradient reaches the picture in epoch %d%s", context.now.epoch, who)

    def _gradients(self) -> list[Tensor]:
        return [parameter.grad for parameter in self.canvas.parameters() if parameter.grad is not None]

    # State

    def state_dict(self) -> dict[str, Any]:
        """All that the epochs to come depend on, beside the config; tensors are those of the run, not copies.

        Raises:
            RunError: the last epoch made values that are not finite; the run is then in its state before.
        """
        self.settle()
        mean = {"image": self._mean[0], "count": self._mean[1], "since": self._first_averaged} if self._mean else None
        return {
            "epoch": self.epoch,
            "done": self.done,
            "seconds": self.seconds,
            "resolution": list(self.resolution),
            "canvas": [parameter.detach() for parameter in self.canvas.parameters()],
            "optimizer": self.optimizer.state_dict(),
            "factors": [[wanted.factor for wanted in target.features] for target in self.targets],
            "chunks": {name: encoder.chunk for name, encoder in self.encoders.items()},
            "mean": mean,
            "statistics": self.statistics.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on where another run of the same config stood.

        What the config changed since then does not fit any more may be left out: the optimizer then begins afresh,
        factors and sizes of chunks are chosen anew, and the mean and the statistics begin here. The state may come from
        a file of a stranger: nothing of it is used before its size is known to be right.

        Raises:
            ValueError: the state is that of another config, or no state at all.
            InputError: there is not enough memory for its resolution.
        """
        try:
            self._load(state)
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError) as error:
            raise ValueError(f"the state is damaged: {error!r:.200}") from error

    def _load(self, state: Mapping[str, Any]) -> None:
        width, height = whole(*state["resolution"], most=MAX_SIDE)
        self._assembly.check_size(width, height)
        self._resolution = (width, height)
        with torch.no_grad(), self._assembly.calling_canvas():
            self.canvas.resize(width, height, self.settings.interpolation)
        parameters = list(self.canvas.parameters())
        if not alike(parameters, state["canvas"]):
            raise ValueError("the state is that of another canvas")
        for parameter, saved in zip(parameters, state["canvas"], strict=True):
            parameter.data = saved.detach().to(parameter.device, copy=True)
            parameter.grad = None
        if "optimizer" in state:
            check_optimizer(state["optimizer"], self._assembly.trial(parameters))
            self.optimizer.load_state_dict(deepcopy(state["optimizer"]))  # which keeps tensors as they are
        if "factors" in state:
            if [len(factors) for factors in state["factors"]] != [len(target.features) for target in self.targets]:
                raise ValueError("the state is that of other targets")
            for target, factors in zip(self.targets, state["factors"], strict=True):
                for wanted, factor in zip(target.features, factors, strict=True):
                    wanted.factor = float(factor)
        for name, chunk in state.get("chunks", {}).items():
            (self.encoders[name].chunk,) = (None,) if chunk is None else whole(chunk)
        mean = state.get("mean")
        if mean and mean["since"] == self._first_averaged and mean["image"].shape == (1, 3, height, width):
            self._mean = mean["image"].to(self.device, torch.float32, copy=True), *whole(mean["count"])
        if "statistics" in state:
            self.statistics.load_state_dict(state["statistics"], self.device)
        self.epoch, self.done = whole(state["epoch"], state["done"], least=0)
        self._started = time.monotonic() - float(state["seconds"])

    def change(self, plan: Plan, state: Mapping[str, Any] | None = None) -> list[str]:
        """Go on with another plan from the present picture, or from an earlier `state` of a run of that plan.

        Canvas and optimizer keep what they have learned if the plan names the same ones; another canvas begins with
        the present picture. A config that gave no seed keeps that of the run. What it says of the beginning has no
        effect. Returns what could not be kept, in words. If the change fails, the run is as it was.

        Raises:
            InputError: the plan cannot be used, or it ends before the next epoch.
            PluginError: a component breaks its contract.
            ValueError: the state is that of another plan.
        """
        epoch = state["epoch"] if state else self.epoch
        if plan.settings.fixed.epochs <= epoch:
            place = plan.settings["epochs"].node.place
            raise InputError(Problem(f"{epoch} epochs are done; 'epochs' has to be more", place))
        own = state or plan.settings.given("seed")
        plan = plan if own else plan.with_seed(self.plan.seed)
        changed = Run(plan, encoder=self._assembly.given, models=self._assembly.models)
        lost = [] if state else changed._take_over(self)
        if state:
            changed.load_state_dict(state)
        kept = ("last",) if state else ("last", "statistics")
        vars(self).update({name: value for name, value in vars(changed).items() if name not in kept})
        self.changes = [*self.changes, epoch]
        return lost

    def _take_over(self, other: Run) -> list[str]:
        """Stand where a run of another plan stands; returns what of it does not fit, in words."""
        state, lost = other.state_dict(), []
        if self.plan.choices["canvas"].choice() != other.plan.choices["canvas"].choice():
            lost.append("another canvas starts from the picture")
            with torch.no_grad(), self._assembly.calling_canvas():
                self.canvas.resize(*other.resolution, self.settings.interpolation)
                self.canvas.write(other.image.to(self.device))
            state["canvas"] = [parameter.detach() for parameter in self.canvas.parameters()]
        if lost or self.plan.choices["optimizer"].choice() != other.plan.choices["optimizer"].choice():
            lost.append("the optimizer starts without memory")
            del state["optimizer"]
        chunks = {name: chunk for name, chunk in state["chunks"].items() if name in self.encoders}
        without = {name: value for name, value in state.items() if name not in ("factors", "statistics")}
        self.load_state_dict({**without, "chunks": chunks})
        return lost

    # One epoch

    def _context(self, now: Now, dry: bool = False) -> EpochContext:
        """The variables of an epoch, the resolution among them, which depends on time alone."""
        context = self._timed(now, dry)
        settings = context.at(self.plan.settings, "")
        size = [float(length) for length in settings.resolution]
        context.variables |= {"resolution": size, "res": size, "width": size[0], "height": size[1]}
        scale = settings.learnrate_scale
        rate = settings.learnrate
        context.variables |= {"learnrate_scale": scale, "lrs": scale, "learnrate": rate, "lr": rate}
        return context

    def _timed(self, now: Now, dry: bool = False) -> EpochContext:
        """The variables of time alone."""
        return EpochContext(now, dict(now.variables()), self.key.fold("epoch", now.epoch), self.generator, dry)

    def _picture(self) -> Tensor:
        """[1, 3, H, W] in [0, 1]: what is judged is what is saved."""
        with self._assembly.calling_canvas():
            image = self.canvas.image()
            width, height = self.resolution
            if not isinstance(image, Tensor) or image.shape != (1, 3, height, width):
                raise broken(self.plan.choices["canvas"].component, image, f"a picture {[1, 3, height, width]}")
        given(image, self.plan.choices["canvas"].component)
        return clamp_through(image)

    def _postprocess(self, context: EpochContext) -> None:
        stages = [stage for number, stage in enumerate(self.stages) if context.open(stage[0], f"postproc/{number}")]
        if stages:
            with torch.no_grad():
                image = self._changed(self._picture(), stages, context)
                with self._assembly.calling_canvas():
                    self.canvas.write(image)

    def _changed(
        self, image: Tensor, stages: list[tuple[Section[object], list[Placed]]], context: EpochContext
    ) -> Tensor:
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
        self.optimizer.zero_grad(set_to_none=True)
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
            with self._assembly.calling_canvas():
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


def _tensors(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """What an optimizer remembers."""
    memory = [value for state in optimizer.state.values() for value in state.values()]
    return [value for value in memory if isinstance(value, Tensor)]


def _placed(stages: Sequence[StagePlan[object]], name: str) -> list[tuple[Section[Any], list[Placed]]]:
    """The stages of a list, with the places of their transforms."""
    return [(one.section, Placed.all(one.transforms, f"{name}/{number}")) for number, one in enumerate(stages)]


def _size(context: EpochContext) -> tuple[int, int]:
    """Width and height that the picture has in an epoch."""
    return int(context.variables["width"]), int(context.variables["height"])


def _epochs(span: FrameTime, epochs: int) -> int:
    """How many epochs a span of the run has."""
    return span.value if isinstance(span.value, int) else math.ceil(span.value * epochs)
