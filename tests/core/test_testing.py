"""Components that break their contract in one way each are caught, and told what to change; right ones pass."""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import click
import pytest
import torch
from torch import Tensor

from clipig_core import Floats3, Ints2, Param, Resized
from clipig_core.engine.canvas import resample
from clipig_core.engine.encoder import Encoder
from clipig_core.imaging.views import Axis, Views, lazy
from clipig_core.testing import (
    ContractError,
    check_canvas,
    check_command,
    check_constraint,
    check_feature,
    check_function,
    check_launcher,
    check_look,
    check_loss,
    check_model,
    check_optimizer,
    check_output,
    check_plugin,
    check_transform,
)

Amount = Annotated[float, Param("How much.", min=0, max=1)]
Text = Annotated[str, Param("A text.")]
Images = Annotated[Tensor, Resized]
Generator = torch.Generator

Function = Callable[..., Any]
WRONG: list[tuple[Function, Function, dict[str, Any], str]] = []


def wrong(check: Function, found: str, **arguments: Any) -> Callable[[Function], Function]:
    """Marks a function with the check that should refuse it, and with what it should say."""

    def mark(function: Function) -> Function:
        WRONG.append((check, function, arguments, found))
        return function

    return mark


def draw(images: Tensor, rng: Generator | None) -> Tensor:
    """One number for each image."""
    return torch.rand(len(images), generator=rng, device=images.device)[:, None, None, None].to(images)


# Transforms


def brighten(images: Tensor, amount: Amount = 0.2) -> Tensor:
    """Right."""
    return images + amount


def random_mirror(images: Tensor, probability: Amount = 0.5, *, rng: Generator) -> Tensor:
    """Right."""
    return torch.where(draw(images, rng) < probability, images.flip(3), images)


def halve(images: Tensor, size: Annotated[Ints2, Param("Pixels.", min=1)] = (2, 2)) -> Images:
    """Right, though it refuses images that are too small."""
    if size[0] > images.shape[3] or size[1] > images.shape[2]:
        raise ValueError("too small")
    return torch.nn.functional.avg_pool2d(images, (size[1], size[0]))


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, images: Tensor) -> Tensor:
        return (images * 4).floor() / 4

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


def straight_through(images: Tensor) -> Tensor:
    """Right with differentiable=False."""
    stepped: Tensor = Straight.apply(images)
    return stepped


@pytest.mark.parametrize(
    ("transform", "arguments"),
    [
        (brighten, {}),
        (brighten, {"amount": 1}),
        (random_mirror, {}),
        (random_mirror, {"probability": 0.1}),
        (halve, {}),
        (halve, {"size": (12, 9)}),
        (straight_through, {"differentiable": False}),
    ],
)
def test_right_transforms(transform: Callable[..., Tensor], arguments: dict[str, Any]) -> None:
    check_transform(transform, **arguments)


@wrong(check_transform, "silent: has no docstring; say what it does")
def silent(images: Tensor) -> Tensor:
    return images * 2


@wrong(check_transform, r"bare: parameter 'amount' is not declared; write `amount: Annotated\[")
def bare(images: Tensor, amount: float = 0.5) -> Tensor:
    """Wrong."""
    return images * amount


@wrong(
    check_transform,
    "undocumented: parameter 'amount' has no description; say what it does as the first argument of Param",
)
def undocumented(images: Tensor, amount: Annotated[float, Param("")] = 0.5) -> Tensor:
    """Wrong."""
    return images * amount


@wrong(check_transform, "parameter 'table'.* is not a parameter type; annotate it")
def odd_type(images: Tensor, table: Annotated[dict[str, float], Param("A table.")] = {}) -> Tensor:  # noqa: B006
    """Wrong."""
    return images * len(table)


@wrong(check_transform, "bad_default: a default is refused .*amount: 2 is above the maximum of 1.*; change the default")
def bad_default(images: Tensor, amount: Amount = 2) -> Tensor:
    """Wrong."""
    return images * amount


@wrong(check_transform, r"no_images: begins with \(amount\); a transform takes \(images\) first")
def no_images(amount: Amount = 0.5) -> Tensor:
    """Wrong."""
    return torch.zeros(1)


@wrong(
    check_transform,
    r"required: parameter 'amount' has no default; give the check a value, check_transform\(required, ..., amount=",
)
def required(images: Tensor, amount: Amount) -> Tensor:
    """Right, but the check is not told the amount."""
    return images * amount


@wrong(check_transform, "parameter 'amuont'; did you mean 'amount'", amuont=1)
def misspelt(images: Tensor, amount: Amount = 0.5) -> Tensor:
    """Right, but the check is told something else."""
    return images * amount


@wrong(check_transform, "amount: 3 is above the maximum of 1", amount=3)
def out_of_range(images: Tensor, amount: Amount = 0.5) -> Tensor:
    """Right, but the check is given what core would refuse."""
    return images * amount


@wrong(check_transform, r"fails for images \[4, 3, 9, 12\] of torch.float32: TypeError: no idea; raise ValueError if")
def failing(images: Tensor) -> Tensor:
    """Wrong."""
    raise TypeError("no idea")


@wrong(
    check_transform,
    r"picky: refuses its parameters for images \[4, 3, 9, 12\].*: too small; give the check parameters that fit",
)
def picky(images: Tensor) -> Tensor:
    """Refuses everything."""
    raise ValueError("too small")


@wrong(check_transform, r"returns NoneType for images \[4, 3, 9, 12\], not images \[B, 3, h, w\]; return as many")
def nothing(images: Tensor) -> None:
    """Wrong."""


@wrong(check_transform, r"returns torch.float32 \[3, 9, 12\] for images .*; return as many images as were given")
def first_alone(images: Tensor) -> Tensor:
    """Wrong."""
    return images[0]


@wrong(
    check_transform,
    r"changes the resolution, \[4, 3, 9, 12\] to \[4, 3, 8, 12\].*; declare it with `-> Annotated\[Tensor, Resized\]`",
)
def secret_crop(images: Tensor) -> Tensor:
    """Wrong."""
    return images[:, :, 1:]


@wrong(check_transform, r"says that it changes the resolution \(Resized\), and does not; return a plain `Tensor`")
def boasting(images: Tensor) -> Images:
    """Wrong."""
    return images * 2


@wrong(check_transform, "returns torch.float32 on cpu for torch.float64 on cpu; make tensors like those given")
def single(images: Tensor) -> Tensor:
    """Wrong."""
    return images.float() * 2


@wrong(check_transform, "returns values that are not finite.* with values from 0.* to 0.*; guard divisions")
def infinite(images: Tensor) -> Tensor:
    """Wrong."""
    return (images - 0.5).log()


@wrong(check_transform, r"in_place: changes the images that it is given; work on new tensors, without `\+=`")
def in_place(images: Tensor) -> Tensor:
    """Wrong."""
    images += 0.1
    return images


@wrong(check_transform, "changes the images that it is given; work on new tensors")
def in_place_without_effect(images: Tensor) -> Tensor:
    """Wrong for other images."""
    return images.clamp_(0, 1)


@wrong(check_transform, "draws from torch's global generator.*; take `[*], rng: torch.Generator`")
def global_noise(images: Tensor) -> Tensor:
    """Wrong."""
    return images + draw(images, None)


@wrong(check_transform, "draws from torch's global generator.*; .* pass `generator=rng` to all that draws")
def half_global_noise(images: Tensor, *, rng: Generator) -> Tensor:
    """Wrong."""
    return images + draw(images, rng) * draw(images, None)


calls: list[int] = []


@wrong(
    check_transform,
    "gives another result for the same images and the same seed; draw from `rng: torch.Generator` alone",
)
def remembering(images: Tensor) -> Tensor:
    """Wrong."""
    calls.append(1)
    return images * len(calls)


@wrong(check_transform, "gives the same result whatever the seed of `rng` is; pass `generator=rng` to what draws")
def deaf(images: Tensor, *, rng: Generator) -> Tensor:
    """Wrong."""
    return images + draw(images, torch.Generator(images.device).manual_seed(0))


@wrong(
    check_transform,
    "gives the same result whatever .*; or give the check parameters that leave something to chance",
    probability=0,
)
def never(images: Tensor, probability: Amount = 0.5, *, rng: Generator) -> Tensor:
    """Right, but the check is given nothing to see."""
    return random_mirror(images, probability, rng=rng)


@wrong(check_transform, r"does the same to all views of one image; draw for each view: torch.rand\(len\(images\)")
def alike(images: Tensor, *, rng: Generator) -> Tensor:
    """Wrong."""
    return images + draw(images[:1], rng)


@wrong(
    check_transform,
    r"averaging: image 0 changes when images 1 to 3 of the batch change; .* mean\(\(1, 2, 3\), keepdim=True\) instead",
)
def averaging(images: Tensor) -> Tensor:
    """Wrong."""
    return images - images.mean()


@wrong(check_transform, "image 0 changes when images 1 to 3 of the batch change")
def stretching(images: Tensor) -> Tensor:
    """Wrong."""
    return images / (1 + images.amax())


@wrong(
    check_transform,
    "gives another result for images alone than for all of them in one batch; let nothing depend on the size",
)
def counting(images: Tensor) -> Tensor:
    """Wrong."""
    return images / len(images)


@wrong(
    check_transform,
    r"no gradient reaches the images; avoid round\(\), floor\(\), detach\(\).*check it with differentiable=False",
)
def detached(images: Tensor) -> Tensor:
    """Wrong."""
    return images.detach() * 2


@wrong(check_transform, "no gradient reaches the images")
def stepped(images: Tensor) -> Tensor:
    """Wrong without differentiable=False."""
    return (images * 4).floor() / 4


@wrong(check_transform, "returns values that are not finite.* with values from 0 to 0; guard divisions")
def normalized(images: Tensor) -> Tensor:
    """Wrong for black images."""
    return images / images.mean((1, 2, 3), keepdim=True)


@wrong(check_transform, "has gradients that are not finite .* with values from 0 to 0; clamp the argument of a root")
def root(images: Tensor) -> Tensor:
    """Wrong for black images."""
    return images.abs().sqrt()


@wrong(check_transform, r"fails for images \[2, 3, 1, 1\].*: IndexError")
def second_row(images: Tensor) -> Tensor:
    """Wrong for images of one row."""
    return images + images[:, :, 1:][:, :, 0][:, :, None]


@wrong(check_transform, r"changes the resolution, \[2, 3, 1, 1\] to \[2, 3, 2, 2\]")
def even(images: Tensor) -> Tensor:
    """Wrong for odd sizes."""
    return images.repeat(1, 1, 2, 2)[:, :, : max(2, images.shape[2]), : max(2, images.shape[3])]


@wrong(check_transform, "for views that share memory .* than for copies; do not rely on the strides")
def by_storage(images: Tensor) -> Tensor:
    """Wrong."""
    return images * (1 + (images.stride(0) == 0))


@wrong(
    check_transform,
    "its gradient is not the derivative of what it computes.*; look for a part that is cut off by detach",
)
def half_detached(images: Tensor) -> Tensor:
    """Wrong."""
    return images - images.mean((2, 3), keepdim=True).detach()


@wrong(check_transform, "its gradient is not the derivative .* check it with differentiable=False")
def straight(images: Tensor) -> Tensor:
    """Wrong without differentiable=False."""
    return straight_through(images)


@wrong(check_transform, "reads values back from the device.*item.*; compute with tensors")
def waiting(images: Tensor) -> Tensor:
    """Wrong."""
    return images * 2 if images.sum() > 0 else images


@wrong(check_transform, r"reads values back from the device.*; .*without item\(\), float\(\), tolist\(\)")
def listing(images: Tensor, *, rng: Generator) -> Tensor:
    """Wrong."""
    return images * images.new_tensor(draw(images, rng).flatten().tolist())[:, None, None, None]


@wrong(check_transform, "reads values back from the device.*nonzero.*; .*instead of `if` and masks")
def masking(images: Tensor) -> Tensor:
    """Wrong."""
    return images + images[images > 0.5].sum() * 0


@wrong(check_transform, "or mixes devices: .* device cpu is not on the expected device.*; .* device=images.device")
def on_cpu(images: Tensor) -> Tensor:
    """Wrong."""
    return images * torch.tensor([1.0, 0.5, 0.2], dtype=images.dtype)[:, None, None]


@wrong(
    check_transform, r"takes \d+ operations for 2 images and \d+ for 5; work on the whole batch at once, without a loop"
)
def looping(images: Tensor) -> Tensor:
    """Wrong."""
    return torch.stack([image * 2 for image in images])


def test_steps_pass_if_they_are_wanted() -> None:
    check_transform(stepped, differentiable=False)


# Constraints and losses


def darkness(images: Tensor, wanted: Annotated[Floats3, Param("A colour.")] = (0, 0, 0)) -> Tensor:
    """Right."""
    return (images - images.new_tensor(wanted)[:, None, None]).square().flatten(1).mean(1)


def spherical(features: Tensor, target: Tensor) -> Tensor:
    """Right."""
    return (features - target).square().sum(-1).clamp(min=1e-12, max=4).sqrt().div(2).arcsin().square()


def test_right_constraints_and_losses() -> None:
    check_constraint(darkness)
    check_constraint(darkness, wanted=0.5)
    check_loss(spherical)


@wrong(
    check_constraint,
    r"mean_loss: returns torch.float32 \[\] for images .*, not one loss for each of them, \[4\]; reduce",
)
def mean_loss(images: Tensor) -> Tensor:
    """Wrong."""
    return images.square().mean()


@wrong(check_constraint, r"returns torch.float32 \[4, 1\] for images .*; reduce all dimensions but the first")
def kept(images: Tensor) -> Tensor:
    """Wrong."""
    return images.square().flatten(1).mean(1, keepdim=True)


@wrong(check_constraint, "image 0 changes when images 1 to 3 of the batch change")
def beside_others(images: Tensor) -> Tensor:
    """Wrong."""
    return (images - images.mean()).square().flatten(1).mean(1)


@wrong(check_constraint, "no gradient reaches the images; .*or give the check parameters with which it does something")
def satisfied(images: Tensor, wanted: Amount = 0) -> Tensor:
    """Wrong."""
    return images.new_full(images.shape[:1], wanted)


@wrong(check_constraint, "its gradient is not the derivative of what it computes")
def pulled(images: Tensor) -> Tensor:
    """Wrong."""
    return (images * images.detach()).flatten(1).mean(1)


@wrong(check_constraint, "parameter 'weight' is core's, which adds it to every constraint; give it another name")
def weighted(images: Tensor, weight: Amount = 0.5) -> Tensor:
    """Wrong."""
    return weight * images.flatten(1).mean(1)


@wrong(check_loss, r"begins with \(features\); a loss takes \(features, target\) first")
def targetless(features: Tensor) -> Tensor:
    """Wrong."""
    return features.mean(-1)


@wrong(check_loss, "has the parameter 'power'; a loss takes none: write one for each case")
def powerful(features: Tensor, target: Tensor, power: Amount = 1) -> Tensor:
    """Wrong."""
    return (features - target).abs().pow(power).mean(-1)


@wrong(check_loss, r"returns torch.float32 \[\] for features \[4, 16\], not one loss for each")
def total(features: Tensor, target: Tensor) -> Tensor:
    """Wrong."""
    return (features - target).square().mean()


@wrong(check_loss, "feature 0 changes when features 1 to 3 of the batch change; work on each feature by itself")
def centred(features: Tensor, target: Tensor) -> Tensor:
    """Wrong."""
    return (features - features.mean(0) - target).square().mean(-1)


@wrong(check_loss, "fails for features .*RuntimeError")
def one_target(features: Tensor, target: Tensor) -> Tensor:
    """Wrong for a target for each."""
    return 1 - features @ target


@wrong(check_loss, r"a target for each feature, \[B, D\], gives other losses than each of them alone")
def first_target(features: Tensor, target: Tensor) -> Tensor:
    """Wrong for a target for each."""
    return (features - target.reshape(-1, features.shape[1])[0]).square().mean(-1)


@wrong(check_loss, "has gradients that are not finite for features .*; clamp the argument of a root")
def distance(features: Tensor, target: Tensor) -> Tensor:
    """Wrong where it is zero."""
    return (features - target).square().sum(-1).sqrt()


# Features


def word(value: Text, encoder: Encoder, twice: Annotated[bool, Param("Say it twice.")] = False) -> Tensor:
    """Right."""
    return encoder.encode_text([value * 2 if twice else value])[0]


def test_right_features() -> None:
    check_feature(word, "a strawberry")
    check_feature(word, "", twice=True)


def check_word(function: Function, **arguments: Any) -> None:
    check_feature(function, "a strawberry", **arguments)


@wrong(check_word, r"begins with \(value, encoder\); .* only the 'value' of a feature has a Param")
def undeclared(value: str, encoder: Encoder) -> Tensor:
    """Wrong."""
    return encoder.encode_text([value])[0]


@wrong(check_word, r"returns torch.float32 \[1, 16\], not a feature \[16\].*; return one feature without a batch")
def batched(value: Text, encoder: Encoder) -> Tensor:
    """Wrong."""
    return encoder.encode_text([value])


@wrong(check_word, "returns torch.float32 with values that are no finite floats")
def empty(value: Text, encoder: Encoder) -> Tensor:
    """Wrong."""
    return encoder.encode_text([value])[0] / 0


@wrong(check_word, "draws from torch's global generator")
def dreamt(value: Text, encoder: Encoder) -> Tensor:
    """Wrong."""
    return torch.randn(16)


@wrong(check_word, "returns another feature for the same value; leave nothing to chance")
def growing(value: Text, encoder: Encoder) -> Tensor:
    """Wrong."""
    calls.append(1)
    return encoder.encode_text([value])[0] * len(calls)


@wrong(check_word, r"encodes torch.float32 \[1, 3, 9, 9\] .*; use clipig_core.engine.encoder.fit")
def unfit(value: Text, encoder: Encoder) -> Tensor:
    """Wrong."""
    return encoder.encode_image(torch.zeros(1, 3, 9, 9))[0]


# Optimizers


def sgd(parameters: Iterable[Tensor], momentum: Amount = 0) -> torch.optim.Optimizer:
    """Right."""
    return torch.optim.SGD(parameters, lr=10, momentum=momentum)


def test_right_optimizers() -> None:
    check_optimizer(sgd)
    check_optimizer(sgd, momentum=0.5)


@wrong(check_optimizer, "returns list, not a torch.optim.Optimizer")
def listed(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Wrong."""
    return list(parameters)


@wrong(check_optimizer, r"its defaults have lr 0.0, not a number above 0; give it the step size")
def still(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """Wrong."""
    return torch.optim.SGD(parameters, lr=0.0)


@wrong(check_optimizer, r"ten steps .* go from 0.25 to .*; step against the gradient")
def uphill(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """Wrong."""
    return torch.optim.SGD(parameters, lr=10, maximize=True)


@wrong(check_optimizer, "fails when it is called: .*closure")
def closing(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """Wrong."""
    return torch.optim.LBFGS(parameters)


class Stubborn(torch.optim.SGD):
    def step(self, _: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            group["lr"] = 10
        super().step()


@wrong(check_optimizer, r"moves the pixels though core has set `lr` to 0 .*; read the step size from `group\[\"lr\"\]`")
def stubborn(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """Wrong."""
    return Stubborn(parameters, lr=10)


# Canvases


class Gray:
    """Right: one value for all pixels, and its deviation from it."""

    def __init__(self, width: int, height: int, device: torch.device) -> None:
        self.pixels = torch.nn.Parameter(torch.zeros(1, 3, height, width, device=device))
        self.level = torch.nn.Parameter(torch.zeros(1, device=device))

    def parameters(self) -> Sequence[Tensor]:
        return [self.pixels, self.level]

    def image(self) -> Tensor:
        return self.pixels + self.level

    def write(self, image: Tensor) -> None:
        self.pixels.data = image - self.level

    def resize(self, width: int, height: int, interpolation: str) -> None:
        self.pixels.data = resample(self.pixels.data, width, height, interpolation)


def gray(width: int, height: int, device: torch.device) -> Gray:
    """Right."""
    return Gray(width, height, device)


def test_right_canvases() -> None:
    check_canvas(gray)


def wrong_canvas(found: str) -> Callable[[type[Gray]], type[Gray]]:
    def mark(canvas: type[Gray]) -> type[Gray]:
        def function(width: int, height: int, device: torch.device) -> Gray:
            """Wrong."""
            return canvas(width, height, device)

        function.__name__ = canvas.__name__.lower()
        wrong(check_canvas, found)(function)
        return canvas

    return mark


@wrong_canvas(r"its parameters\(\) are not trainable leaf tensors; make them once, with torch.nn.Parameter")
class Derived(Gray):
    def parameters(self) -> Sequence[Tensor]:
        return [self.pixels * 1]


@wrong_canvas(r"sideways: image\(\) is torch.float32 \[1, 3, 24, 16\] after write\(\), not float32 \[1, 3, 16, 24\]")
class Sideways(Gray):
    def image(self) -> Tensor:
        return super().image().mT


@wrong_canvas(r"image\(\) is not the picture that it should be after write\(\): .*; take over the pixels, as copies")
class Sharing(Gray):
    def write(self, image: Tensor) -> None:
        self.pixels.data = image


@wrong_canvas(r"the gradient of image\(\) does not reach all parameters")
class Unused(Gray):
    def image(self) -> Tensor:
        return self.pixels + self.level.detach()


@wrong_canvas(
    r"parameters\(\) are other objects after resize\(\) with 'cubic'.*; keep the tensors and change their data"
)
class Renewed(Gray):
    def resize(self, width: int, height: int, interpolation: str) -> None:
        self.pixels = torch.nn.Parameter(resample(self.pixels.detach(), width, height, interpolation))


@wrong_canvas(r"not the picture that it should be after resize\(\) with 'linear'")
class Cleared(Gray):
    def resize(self, width: int, height: int, interpolation: str) -> None:
        super().resize(width, height, interpolation)
        if interpolation == "linear":
            self.pixels.data.zero_()


@wrong_canvas(r"resize\(\) changes a parameter that is not \[1, C, h, w\]")
class Flat(Gray):
    def __init__(self, width: int, height: int, device: torch.device) -> None:
        super().__init__(width, height, device)
        self.pixels.data = self.pixels.data[0]

    def write(self, image: Tensor) -> None:
        self.pixels.data = image[0] - self.level

    def image(self) -> Tensor:
        return self.pixels[None] + self.level

    def resize(self, width: int, height: int, interpolation: str) -> None:
        self.pixels.data = resample(self.pixels.data[None], width, height, interpolation)[0]


@wrong_canvas("fails for 24x16 pixels: KeyError: 'cubic'")
class NearestOnly(Gray):
    def resize(self, width: int, height: int, interpolation: str) -> None:
        super().resize(width, height, {"nearest": "nearest"}[interpolation])


@wrong_canvas("draws from torch's global generator")
class Noisy(Gray):
    def __init__(self, width: int, height: int, device: torch.device) -> None:
        super().__init__(width, height, device)
        self.level.data = torch.rand(1)


# Models


class Model:
    """Right: random projections."""

    image_size = 6
    longest = 40
    silent = False

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(0)
        self.pixels, self.letters = (torch.randn(size, 5, generator=rng) for size in (108, 128))

    def encode_image(self, images: Tensor) -> Tensor:
        features: Tensor = images.flatten(1) @ self.pixels.to(images)
        return features

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        for text in texts:
            if len(text) > self.longest and not self.silent:
                logging.getLogger("clipig").warning("these letters do not count: %s", text[self.longest :])
        return torch.stack([self.letters[[ord(letter) for letter in text[: self.longest]]].mean(0) for text in texts])


def model(name: str, device: torch.device, dtype: torch.dtype) -> Model:
    """Right."""
    assert name == "small"
    return Model()


def test_right_models() -> None:
    check_model(model, "small")


def wrong_model(found: str) -> Callable[[type[Model]], type[Model]]:
    def mark(model: type[Model]) -> type[Model]:
        def function(name: str, device: torch.device, dtype: torch.dtype) -> Model:
            """Wrong."""
            return model()

        function.__name__ = model.__name__.lower()
        wrong(lambda function: check_model(function, "small"), found)(function)
        return model

    return mark


@wrong_model(r"sizeless: image_size is None; give the pixels of a side, as int")
class Sizeless(Model):
    image_size = None  # type: ignore[assignment]


@wrong_model(r"encode_image\(\) returns torch.float32 \[15\] for 3 of them, not features \[3, D\]")
class Flattened(Model):
    def encode_image(self, images: Tensor) -> Tensor:
        return super().encode_image(images).flatten()


@wrong_model(
    r"encode_image\(\) returns torch.float16, or values that are not finite; convert the result with float\(\)"
)
class Half(Model):
    def encode_image(self, images: Tensor) -> Tensor:
        return super().encode_image(images).half()


@wrong_model(r"its weights require gradients; freeze them: model.requires_grad_\(False\)")
class Warm(Model):
    def __init__(self) -> None:
        super().__init__()
        self.pixels.requires_grad_()


@wrong_model("the features of image 0 change when there are others in the batch; .*eval")
class BatchNormalized(Model):
    def encode_image(self, images: Tensor) -> Tensor:
        return super().encode_image(images - images.mean(0))


@wrong_model("draws from torch's global generator")
class Dropout(Model):
    def encode_image(self, images: Tensor) -> Tensor:
        return super().encode_image(images) + torch.rand(()) * 1e-9


@wrong_model(r"encode_image\(\) gives other features for the same images; switch off dropout")
class Drifting(Model):
    def encode_image(self, images: Tensor) -> Tensor:
        self.pixels = self.pixels + 1
        return super().encode_image(images)


@wrong_model("no gradient reaches the images; encode them without torch.no_grad")
class Frozen(Model):
    @torch.no_grad()
    def encode_image(self, images: Tensor) -> Tensor:
        return super().encode_image(images)


@wrong_model("texts have features of 4 numbers, images of 5")
class OtherSpace(Model):
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return super().encode_text(texts)[:, :4]


@wrong_model("a text has other features alone than beside another")
class Padded(Model):
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return super().encode_text([text.ljust(max(map(len, texts))) for text in texts])


@wrong_model("cuts a text that is too long without a word; log what is lost")
class Silent(Model):
    silent = True


@wrong_model("fails when it is called: RuntimeError: too long")
class Strict(Model):
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        if max(map(len, texts)) > self.longest:
            raise RuntimeError("too long")
        return super().encode_text(texts)


def test_a_model_that_reads_all_of_a_text_need_not_warn() -> None:
    class Patient(Silent):
        longest = 100_000

    def patient(name: str, device: torch.device, dtype: torch.dtype) -> Model:
        """Right."""
        return Patient()

    check_model(patient, "small")


# Outputs, commands, functions, launchers and looks


class Quiet:
    """An observer that does nothing."""

    def begin(self, _run: Any) -> None: ...
    def step(self, _step: Any) -> None: ...
    def end(self, _result: Any) -> None: ...


def quiet(target_file: Path) -> Quiet:
    """Right."""
    return Quiet()


def one_by_one(run: Function, jobs: Sequence[Any]) -> Iterator[Any]:
    """Right."""
    for job in jobs:
        try:
            yield job, run(job)
        except Exception as error:
            yield job, error


def double(x: float) -> float:
    """Right."""
    return 2 * x


@click.command()
@click.option("--often", help="How often.")
def greet(often: str) -> None:
    """Right."""


def test_right_ones_of_other_kinds() -> None:
    check_output(quiet)
    check_launcher(one_by_one)
    check_function(double, 3)
    check_command(greet)


@wrong(check_output, "endless: what it returns lacks end")
def endless(target_file: Path) -> Any:
    """Wrong."""

    class Observer:
        begin = step = Quiet.begin

    return Observer()


@wrong(check_output, "early: writes before the run begins")
def early(target_file: Path) -> Quiet:
    """Wrong."""
    target_file.touch()
    return Quiet()


@wrong(check_output, "stray: leaves files beside the picture .*: other.txt")
def stray(target_file: Path) -> Quiet:
    """Wrong."""

    class Observer(Quiet):
        def end(self, _result: Any) -> None:
            (target_file.parent / "other.txt").touch()

    return Observer()


@wrong(check_output, "hasty: writes before the first epoch, which may fail")
def hasty(target_file: Path) -> Quiet:
    """Wrong."""

    class Observer(Quiet):
        def begin(self, _run: Any) -> None:
            target_file.touch()

    return Observer()


@wrong(check_output, "secretive: writes picture.txt without saying so")
def secretive(target_file: Path) -> Quiet:
    """Wrong."""

    class Observer(Quiet):
        def end(self, _result: Any) -> None:
            target_file.with_suffix(".txt").touch()

    return Observer()


@wrong(check_output, "painter: changes the picture")
def painter(target_file: Path) -> Quiet:
    """Wrong."""

    class Observer(Quiet):
        def end(self, _result: Any) -> None:
            _result.image.zero_()

    return Observer()


@wrong(check_output, "fails_at_the_end: fails in a run of 0 epochs: ZeroDivisionError")
def fails_at_the_end(target_file: Path) -> Quiet:
    """Wrong."""

    class Observer(Quiet):
        count = 0

        def step(self, _step: Any) -> None:
            self.count += 1

        def end(self, _result: Any) -> None:
            1 / self.count

    return Observer()


@wrong(check_launcher, "all_at_once: returns list, not an iterator")
def all_at_once(run: Function, jobs: Sequence[Any]) -> list[Any]:
    """Wrong."""
    return [(job, run(job)) for job in jobs]


@wrong(check_launcher, "lazy_one: yields .* run.job.. for each job")
def lazy_one(run: Function, jobs: Sequence[Any]) -> Iterator[Any]:
    """Wrong."""
    yield from one_by_one(run, jobs[1:])


@wrong(check_launcher, "hides: yields .* for a job that fails")
def hides(run: Function, jobs: Sequence[Any]) -> Iterator[Any]:
    """Wrong."""
    for job in jobs:
        with contextlib.suppress(Exception):
            yield job, run(job)


@wrong(check_launcher, "gives_up: fails when all jobs fail: _JobError")
def gives_up(run: Function, jobs: Sequence[Any]) -> Iterator[Any]:
    """Wrong."""
    for job in jobs:
        yield job, run(job)


wrong(check_command, "is function, not a command")(double)


def test_a_command_shows_its_examples_as_they_are_written() -> None:
    @click.command()
    def raw() -> None:
        r"""Wrong.

        \b
        clipig raw
        """

    with pytest.raises(ContractError, match="in its help"):
        check_command(raw)


def test_a_command_explains_its_options() -> None:
    @click.command()
    @click.option("--often")
    def silent(often: str) -> None:
        """Wrong."""

    with pytest.raises(ContractError, match="silent: option 'often' has no help"):
        check_command(silent)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda _: 1, "has no docstring"),
        (lambda _: math.inf, "has no docstring"),
        (math.log, "refuses its parameters"),
        (abs, None),
    ],
)
def test_functions(function: Function, found: str | None) -> None:
    with pytest.raises(ContractError, match=found) if found else contextlib.nullcontext():
        check_function(function, -1)


def test_functions_that_are_not_pure() -> None:
    def drawn(x: float) -> float:
        """Wrong."""
        return random.random()

    def endless(x: float) -> float:
        """Wrong."""
        return math.inf

    with pytest.raises(ContractError, match="drawn: gives other results"):
        check_function(drawn, 1)
    with pytest.raises(ContractError, match="endless: returns inf"):
        check_function(endless, 1)


@pytest.mark.parametrize(("check", "function", "arguments", "found"), WRONG, ids=[case[1].__name__ for case in WRONG])
def test_wrong_ones(check: Function, function: Function, arguments: dict[str, Any], found: str) -> None:
    with pytest.raises(ContractError, match=found) as caught:
        check(function, **arguments)
    assert str(caught.value).startswith(f"{function.__name__}: ")


@pytest.mark.parametrize("checked", [brighten(torch.zeros(1)), Model(), brighten.__name__])
def test_what_is_no_function(checked: Any) -> None:
    with pytest.raises(ContractError, match="is not a function; wrap it in one"):
        check_transform(checked)


# Plugins

FUNCTION = """
from torch import Tensor

def swirl(images: Tensor) -> Tensor:
    "Swirl it."
    return images
"""
SECTION = """
import click
from typing import Annotated
from clipig_core import Entry, Param, hookimpl

@hookimpl
def clipig_commands(): return {{"dance": Entry("acme_hooks:dance", section="acme_hooks:Dance")}}

@click.command()
def dance():
    "Dance."

{}
"""
HOOK = "from clipig_core import hookimpl\n@hookimpl\ndef clipig_{}(): return {{{!r}: {!r}}}\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Writes a module of hooks, beside one with functions."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "acme_functions.py").write_text(FUNCTION)

    def write(code: str) -> str:
        (tmp_path / "acme_hooks.py").write_text(code)
        importlib.invalidate_caches()
        return "acme_hooks"

    yield write
    for name in ("acme_hooks", "acme_functions"):
        sys.modules.pop(name, None)


def test_right_plugin(module: Callable[[str], str]) -> None:
    check_plugin(module(HOOK.format("transforms", "swirl", "acme_functions:swirl")))


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import acme_not_there", "acme_hooks: cannot be imported: ModuleNotFoundError: .*acme_not_there"),
        ("", "acme_hooks: provides nothing; implement one of clipig_transforms, "),
        ("def clipig_losses(): return {}", "clipig_losses is not marked as a hook; decorate it with @hookimpl"),
        (
            HOOK.format("sounds", "a", "b:c"),
            "clipig_sounds.*; hooks take nothing and return names: clipig_transforms, ",
        ),
        (HOOK.format("transforms", "a", "b:c").replace("()", "(x)", 1), "Argument.*'x'.*; hooks take nothing"),
        (HOOK.format("transforms", "swirl", "acme_functions:swril"), "transform 'swirl': .* has no 'swril'"),
        (HOOK.format("transforms", "end", "acme_functions:swirl"), "transform 'end' has a name that means something"),
        (HOOK.format("features", "scale", "acme_functions:swirl"), "feature 'scale' has a name that means something"),
        (HOOK.format("transforms", "My swirl", "acme_functions:swirl"), "'My swirl' is hard to write in a config"),
        (HOOK.format("constraints", "acme/swirl", "acme_functions:swirl"), "'acme/swirl' is hard to write in a config"),
        (SECTION.format("class Dance: pass"), "its section declares nothing; annotate its attributes"),
        (SECTION.format("class Dance: steps: Annotated[int, Param('How many.')] = 3"), "says nothing of itself"),
        (SECTION.format("class Dance:\n  'How.'\n  steps: Annotated[int, Param('')] = 3"), "says nothing of steps"),
        (SECTION.format("class Dance: steps: Annotated[object, Param('')] = 3"), "its section cannot be read"),
        (HOOK.format("losses", "swirl", "acme_functions:swirl"), r"swirl: begins with \(images\); a loss takes"),
        (HOOK.format("transforms", "swirl", "acme_functions:Tensor"), "transform 'swirl'.* is not a function"),
        (HOOK.format("transforms", "swirl", "acme_hooks:swirl") + FUNCTION, "importing it loads torch; leave only"),
    ],
)
def test_wrong_plugins(module: Callable[[str], str], code: str, found: str) -> None:
    with pytest.raises(ContractError, match=found):
        check_plugin(module(code))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('# Soft.\ntargets: [{features: [{text: "soft {{text}}"}]}]', None),
        ('targets: [{features: [{text: "soft {{text}}"}]}]', "has no documentation"),
        ("# Soft.\ntargets: [{features: [{text: soft}]}]", r"has the placeholders \[\]; write '\{\{text\}\}'"),
        ('# Soft.\ntargets: [{features: [{txt: "{{text}}"}]}]', "is no config (.|\n)*unknown feature 'txt'"),
        ("# Soft.\ntargets: [", "is no config"),
    ],
)
def test_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, found: str | None) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "acme_look", raising=False)
    (tmp_path / "acme_look").mkdir()
    (tmp_path / "acme_look" / "__init__.py").touch()
    (tmp_path / "acme_look" / "soft.yaml").write_text(text + "\n")
    with pytest.raises(ContractError, match=found) if found else contextlib.nullcontext():
        check_look("acme_look:soft.yaml")
    with pytest.raises(ContractError, match=r"no file 'gone\.yaml'"):
        check_look("acme_look:gone.yaml")


def test_a_plugin_may_bring_nothing_but_a_kind(module: Callable[[str], str]) -> None:
    made = "Kind(name='paper', plural='papers', doc='`paper()`: what for.')"
    head = "from clipig_core import hookimpl\nfrom clipig_core.extension.kinds import Kind\n"
    check_plugin(module(f"{head}@hookimpl\ndef clipig_kinds(): return {{'paper': {made}}}"))


# Lazy transforms


class Source(Views):
    def __init__(self, source: Views) -> None:
        self.source, self.shape, self.dtype, self.device = source, source.shape, source.dtype, source.device

    def read(self, columns: Axis, rows: Axis) -> Tensor:
        return self.source.read(self.across(columns), rows)

    def across(self, columns: Axis) -> Axis:
        return Axis(self.shape[3] - 1 - columns.index, columns.span)


class KeepsStart(Source):
    def across(self, columns: Axis) -> Axis:
        return Axis(self.shape[3] - 1 - columns.index, columns.span, columns.start)


class ReadsAll(Source):
    def read(self, columns: Axis, rows: Axis) -> Tensor:  # noqa: ARG002
        return self.source.pixels()


class Wider(Source):
    def __init__(self, source: Views) -> None:
        super().__init__(source)
        self.shape = torch.Size((*source.shape[:3], source.shape[3] + 1))

    def pixels(self) -> Tensor:
        return self.source.pixels()


@lazy
def mirrored(images: Views) -> Views:
    """Swap left and right."""
    return Source(images)


def test_lazy_transforms_pass() -> None:
    check_transform(mirrored)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (KeepsStart, "that are not those at this place.*an Axis has a `start` only if"),
        (ReadsAll, "that are not those at this place"),
        (Wider, "whose shape, dtype and device are not those of their pixels"),
    ],
)
def test_wrong_lazy_transforms(kind: type[Source], found: str) -> None:
    @lazy
    def wrong(images: Views) -> Views:
        """Wrong."""
        return kind(images)

    with pytest.raises(ContractError, match=f"wrong: .*{found}"):
        check_transform(wrong)
