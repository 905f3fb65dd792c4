"""The built-in components, and arguments for each that show what it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipig_core.extension.registry import Component, Registry
from clipig_core.imaging.images import ImageFile

Arguments = dict[str, Any]

LEVELS = (0.2, 0.5, 0.7)


class Mirrored:
    """A component in a parameter, as its owner gets it."""

    def __call__(self, images: Tensor, **_: Any) -> Tensor:
        return images.flip(3)

    def __repr__(self) -> str:
        return "mirrored"


TRANSFORMS: dict[str, Arguments] = {
    "add": {"color": (0.1, -0.2, 0.3)},
    "blur": {"kernel_size": (3, 5)},
    "border": {"size": (1, 2), "color": LEVELS},
    "bwnoise": {"std": 0.1},
    "center_crop": {"size": (3, 2)},
    "clamp": {"range": (0.3, 0.6)},
    "contrast": {"factor": 0.7},
    "crop": {"xywh": (1, 0.25, 0.5, 3)},
    "cutouts": {"size": (4, 3), "part": (0.4, 0.9)},
    "edge": {"amount": (1, 2, 3)},
    "fnoise": {"std": (0.01, 0.02, 0.03)},
    "jitter": {},
    "less_purple": {"amount": 0.8},
    "less_tint": {},
    "mask": {"image": ImageFile(Path(__file__).parents[2] / "examples" / "boat.png")},
    "mean": {"mean": LEVELS},
    "mul": {"color": (0.5, 1.5, -0.2)},
    "noise": {"std": (0.1, 0.2, 0.3)},
    "pad": {"size": (2, 1), "mode": "wrap"},
    "periodic": {},
    "quantize": {"step": (0.1, 0.25, 0.3)},
    "random_apply": {"transform": Mirrored()},
    "random_crop": {"size": (3, 2)},
    "random_flip": {},
    "random_look": {"size": (5, 4), "flip": True},
    "random_noise": {},
    "random_rotate": {"degree": (-90, 90), "center": (0.3, 0.7)},
    "random_scale": {"scale": (0.5, 2)},
    "random_shift": {"offset": (0, 1)},
    "random_translate": {"offset": (0.5, 0.5)},
    "repeat": {"count": (2, 3)},
    "resize": {"size": (4, 9)},
    "rnoise": {"std": LEVELS, "resolution": (3, 2)},
    "rotate": {"degree": 30, "center": (0.4, 0.6)},
    "saturation": {"factor": 0.3},
    "shift": {"offset": (0.4, -2)},
    "smooth": {"edge": 0.2},
    "stretch": {"ends": 0.1},
    "unsharp": {"amount": 2},
    "white_balance": {},
}

CONSTRAINTS: dict[str, Arguments] = {
    "blur": {"kernel_size": (3, 5)},
    "border": {"size": (1, 2), "color": LEVELS},
    "chroma": {},
    "color": {"color": LEVELS},
    "contrast": {"above": (0.9, 0.8, 0.7)},
    "edge_mean": {"above": (0.9, 0.8, 0.7), "kernel_size": (3, 5), "sigma": (1, 2)},
    "mean": {"below": (0.1, 0.2, 0.05)},
    "noise": {"std": (0.1, 0.2, 0.3)},
    "normalize": {"min": (0.2, 0.1, 0.3), "max": (0.6, 0.7, 0.9)},
    "range": {"low": 0.2, "high": 0.6},
    "rim": {"size": 3},
    "symmetry": {"size": 3},
    "saturation": {"above": (0.5, 0.6, 0.7)},
    "std": {"below": (0.05, 0.1, 0.15)},
    "variation": {},
}

FOR_ANY_SIZE: dict[str, Arguments] = {
    "blur": {"kernel_size": (1, 1), "sigma": (1, 1)},
    "center_crop": {"size": (1, 1)},
    "crop": {"xywh": (0, 0, 1, 1)},
    "edge": {"kernel_size": (1, 1)},
    "edge_mean": {"above": LEVELS, "kernel_size": (1, 1)},
    "random_crop": {"size": (1, 1)},
}
"""In place of those above, where these do not fit into a single pixel."""

STEPS: dict[str, Arguments] = {name: {"differentiable": False} for name in ("mask", "quantize")}

REGISTRY = Registry()


def built_in(kind: str) -> list[Component]:
    return [c for plugin in REGISTRY.plugins if plugin.built_in for c in plugin.components if c.kind == kind]


def losses_of(component: Component) -> list[Arguments]:
    """Arguments for each kind of loss of a constraint."""
    return [{"loss": loss} for loss in ("l2", "l1")] if "loss" in component.params else [{}]


def _cases() -> Iterator[tuple[Component, Arguments]]:
    for component in built_in("transform"):
        yield component, TRANSFORMS[component.name] | STEPS.get(component.name, {})
    for component in built_in("constraint"):
        for loss in losses_of(component):
            yield component, CONSTRAINTS[component.name] | loss
    for kind in ("loss", "optimizer", "canvas"):
        for component in built_in(kind):
            yield component, {}
    yield find("transform", "pad"), {"size": (2, 1), "mode": "fill", "color": LEVELS}
    yield find("transform", "pad"), {"size": (2, 1), "mode": "edge"}
    for outside in ("black", "mirror", "repeat", "edge", "plain"):
        yield find("transform", "random_look"), {"size": (4, 5), "outside": outside, "scale": (0.5, 3)}
    yield find("transform", "random_look"), {"size": (4, 5), "supersample": 3}
    yield find("transform", "random_look"), {"random_size": (5, 8)}
    yield find("canvas", "natural"), {"planes": 1, "gain": 1}
    yield find("canvas", "fourier"), {"decay": 0.5, "gain": 2}
    yield find("canvas", "pyramid"), {"planes": 1}
    yield find("canvas", "pyramid"), {"planes": 3}


def find(kind: str, name: str) -> Component:
    return REGISTRY.find(kind, name)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(batch: int, height: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Random images, always the same."""
    return torch.rand(batch, 3, height, width, generator=generator(1), dtype=torch.float64).to(dtype)


def apply(component: Component, pixels: Tensor, arguments: Arguments, seed: int = 0) -> Tensor:
    rng = {"rng": generator(seed)} if component.random else {}
    result: Tensor = component.function(pixels, **arguments, **rng)
    return result


def apply_transform(name: str, pixels: Tensor, **arguments: Any) -> Tensor:
    return apply(find("transform", name), pixels, arguments)


def apply_constraint(name: str, pixels: Tensor, **arguments: Any) -> Tensor:
    return apply(find("constraint", name), pixels, arguments)


CASES = list(_cases())
"""What is to be checked, with the arguments of the check."""
