"""What every built-in component promises: the contract of its kind, and some more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from clipig_clip.encoder import CLIP
from clipig_core import testing
from clipig_core.extension.kinds import KINDS
from clipig_core.extension.registry import Component
from tests.core.support import image_file
from tests.plugins.components import (
    CASES,
    CONSTRAINTS,
    FOR_ANY_SIZE,
    REGISTRY,
    TRANSFORMS,
    Arguments,
    apply,
    built_in,
    find,
    images,
)

EXAMPLES = {"transform": TRANSFORMS, "constraint": CONSTRAINTS}
COMPONENTS = [component for kind in EXAMPLES for component in built_in(kind)]
RANDOM = {
    ("transform", "bwnoise"),
    ("transform", "cutouts"),
    ("transform", "fnoise"),
    ("transform", "jitter"),
    ("transform", "random_apply"),
    ("transform", "noise"),
    ("transform", "rnoise"),
    ("transform", "random_crop"),
    ("transform", "random_flip"),
    ("transform", "random_look"),
    ("transform", "random_noise"),
    ("transform", "random_rotate"),
    ("transform", "random_scale"),
    ("transform", "random_shift"),
    ("transform", "random_translate"),
    ("constraint", "noise"),
}

every_component = pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: f"{c.kind}-{c.name}")


@pytest.mark.parametrize(("component", "arguments"), CASES, ids=[f"{c.kind}-{c.name}-{more}" for c, more in CASES])
def test_contract(component: Component, arguments: Arguments) -> None:
    check: Any = getattr(testing, f"check_{component.kind}")
    check(component.function, **arguments)


def test_text() -> None:
    testing.check_feature(find("feature", "text").function, "a strawberry")


def test_image(tmp_path: Path) -> None:
    testing.check_feature(find("feature", "image").function, str(image_file(tmp_path / "wide.png", 30, 10)))


def test_emoji() -> None:
    testing.check_model(find("model", "emoji").function, "emoji")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_checkpoints(suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = CLIP(32, 64, 1, 64, 32, 12, 49408, 64, 1, 1).state_dict()  # a ViT: 64x64 pixels, 12 tokens
    path = tmp_path / f"tiny{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    testing.check_model(find("model", suffix).function, str(path), activation="quickgelu")


@pytest.mark.parametrize("name", [plugin.name for plugin in REGISTRY.plugins if plugin.built_in])
def test_plugins(name: str) -> None:
    testing.check_plugin(f"clipig_{name}")


def test_every_example_belongs_to_a_component() -> None:
    for kind, examples in EXAMPLES.items():
        assert sorted(examples) == sorted(component.name for component in built_in(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_descriptions_are_sentences(kind: str) -> None:
    for component in built_in(kind):
        for declaration in component.params.values():
            assert declaration.param.doc.endswith("."), f"{component.describe()}: {declaration.name}"


@every_component
def test_random_flag(component: Component) -> None:
    assert component.random == ((component.kind, component.name) in RANDOM)


@pytest.mark.parametrize("component", [c for c in COMPONENTS if c.random], ids=lambda c: f"{c.kind}-{c.name}")
def test_hardly_any_two_views_are_the_same(component: Component) -> None:
    views = images(1, 9, 11).expand(6, -1, -1, -1)
    results = apply(component, views, EXAMPLES[component.kind][component.name])
    assert len(results.unique(dim=0)) >= (2 if component.name in ("random_apply", "random_flip") else 5)


@every_component
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 7), (7, 1), (640, 3)])
def test_no_size_is_refused(component: Component, width: int, height: int) -> None:
    """As long as the parameters fit."""
    arguments = FOR_ANY_SIZE.get(component.name, EXAMPLES[component.kind][component.name])
    pixels = images(2, height, width).requires_grad_()
    result = apply(component, pixels, arguments)
    assert result.isfinite().all()
    result.sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.isfinite().all()
