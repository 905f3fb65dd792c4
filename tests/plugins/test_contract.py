"""What every transform and constraint promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from clipig_core.hooks import KINDS
from clipig_core.registry import Component
from tests.plugins.components import CONSTRAINTS, FOR_ANY_SIZE, TRANSFORMS, Arguments, apply, built_in, images

EXAMPLES = {"transform": TRANSFORMS, "constraint": CONSTRAINTS}
COMPONENTS = [component for kind in EXAMPLES for component in built_in(kind)]
RANDOM = {
    ("transform", "bwnoise"),
    ("transform", "fnoise"),
    ("transform", "noise"),
    ("transform", "rnoise"),
    ("transform", "random_crop"),
    ("transform", "random_rotate"),
    ("transform", "random_scale"),
    ("transform", "random_shift"),
    ("transform", "random_translate"),
    ("constraint", "noise"),
}

every_component = pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: f"{c.kind}-{c.name}")
random_ones = pytest.mark.parametrize(
    "component", [c for c in COMPONENTS if (c.kind, c.name) in RANDOM], ids=lambda c: f"{c.kind}-{c.name}"
)


def example(component: Component) -> Arguments:
    return EXAMPLES[component.kind][component.name]


def test_every_example_belongs_to_a_component() -> None:
    for kind, examples in EXAMPLES.items():
        assert sorted(examples) == sorted(component.name for component in built_in(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_documented(kind: str) -> None:
    for component in built_in(kind):
        assert component.doc, component.describe()
        for declaration in component.params.values():
            assert declaration.param.doc.endswith("."), f"{component.describe()}: {declaration.name}"


@every_component
def test_random_flag(component: Component) -> None:
    assert component.random == ((component.kind, component.name) in RANDOM)


@every_component
def test_same_seed_same_result(component: Component) -> None:
    pixels = images(2, 8, 9)
    first, second = (apply(component, pixels, example(component), seed=3) for _ in range(2))
    assert torch.equal(first, second)
    if component.random:
        assert not torch.equal(first, apply(component, pixels, example(component), seed=4))


@every_component
def test_input_is_left_alone(component: Component) -> None:
    pixels = images(2, 8, 9)
    apply(component, pixels, example(component))
    assert torch.equal(pixels, images(2, 8, 9))


@every_component
def test_each_image_is_on_its_own(component: Component) -> None:
    """Other images in the batch change nothing."""
    pixels, arguments = images(4, 8, 9), example(component)
    together = apply(component, pixels, arguments)
    changed = pixels.clone()
    changed[1:] = 1 - changed[1:]
    assert torch.allclose(apply(component, changed, arguments)[0], together[0], atol=1e-6)
    if not component.random:
        alone = torch.cat([apply(component, one, arguments) for one in pixels.split(1)])
        assert torch.allclose(together, alone, atol=1e-5)


@random_ones
def test_randomness_is_drawn_for_each_image(component: Component) -> None:
    results = apply(component, images(1, 9, 11).expand(6, -1, -1, -1), example(component))
    assert len(results.unique(dim=0)) >= 5


@every_component
def test_views_that_share_memory(component: Component) -> None:
    """An expanded picture gives what copies of it give, and gets the same gradient."""
    found = []
    for share in (True, False):
        picture = images(1, 8, 9, torch.float64).requires_grad_()
        views = picture.expand(4, -1, -1, -1) if share else picture.repeat(4, 1, 1, 1)
        result = apply(component, views, example(component))
        result.square().sum().backward()
        found.append((result.detach(), picture.grad))
    (shared, gradient), (copied, wanted) = found
    assert torch.allclose(shared, copied, rtol=0, atol=1e-12)
    assert gradient is not None
    assert wanted is not None
    assert torch.allclose(gradient, wanted, rtol=1e-9, atol=1e-12)


@every_component
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 7), (7, 1), (640, 3)])
def test_odd_sizes(component: Component, width: int, height: int) -> None:
    pixels = images(2, height, width).requires_grad_()
    result = apply(component, pixels, FOR_ANY_SIZE.get(component.name, example(component)))
    if component.kind == "constraint":
        assert result.shape == (2,)
    else:
        assert result.shape[:2] == (2, 3)
        assert component.resizes or result.shape == pixels.shape
    assert result.isfinite().all()
    result.sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.isfinite().all()


@every_component
@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_plain_images(component: Component, level: float) -> None:
    """No spread, no edges, no noise to divide by."""
    pixels = torch.full((2, 3, 6, 7), level, requires_grad=True)
    result = apply(component, pixels, example(component))
    result.sum().backward()
    assert result.isfinite().all()
    assert pixels.grad is not None
    assert pixels.grad.isfinite().all()


GRADIENTS: list[tuple[Component, Arguments]] = [(c, {}) for c in COMPONENTS if c.name != "quantize"]
GRADIENTS += [(c, {"loss": loss}) for c in built_in("constraint") for loss in ("l1", "mse")]
GRADIENTS += [(c, {"mode": mode}) for c in built_in("transform") if c.name == "pad" for mode in ("fill", "edge")]


@pytest.mark.parametrize(("component", "more"), GRADIENTS, ids=[f"{c.kind}-{c.name}-{m}" for c, m in GRADIENTS])
def test_gradients(component: Component, more: Arguments) -> None:
    """They are those of the function, through every path; so a constraint pulls its changed copy as well."""
    pixels = images(2, 5, 6, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: apply(component, x, example(component) | more), [pixels])


class Operations(TorchDispatchMode):
    """Counts what is asked of the device, and refuses to read back from it."""

    READING = (
        torch.ops.aten._local_scalar_dense.default,
        torch.ops.aten.nonzero.default,
        torch.ops.aten.masked_select.default,
    )

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func not in self.READING, f"{func} waits for the device"
        self.count += 1
        return func(*args, **(kwargs or {}))


@every_component
def test_device_is_never_waited_for(component: Component) -> None:
    """And no loop runs over images: more of them ask for no more operations."""
    counts = []
    for batch in (2, 5):
        pixels = images(batch, 8, 9)
        with Operations() as operations:
            apply(component, pixels, example(component))
        counts.append(operations.count)
    assert counts[0] == counts[1] > 0
