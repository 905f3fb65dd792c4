"""Lazy images are the same images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clipig_core.extension.registry import Registry
from clipig_core.imaging.views import Axis, Images, Pixels, Views, is_lazy, lazy, pixels

REGISTRY = Registry()
Move = tuple[str, dict[str, Any]]

fractions = st.floats(-1, 1)
moves: st.SearchStrategy[list[Move]] = st.lists(
    st.one_of(
        st.tuples(st.just("shift"), st.builds(lambda x, y: {"offset": (x, y)}, fractions, st.floats(-9, 9))),
        st.tuples(st.just("random_shift"), st.builds(lambda x: {"offset": (-x, x)}, fractions)),
        st.tuples(st.just("rotate"), st.builds(lambda a: {"degree": a}, st.floats(-400, 400))),
        st.tuples(
            st.just("random_rotate"), st.builds(lambda a: {"degree": (a, 20), "center": (0, 1)}, st.floats(-90, 90))
        ),
        st.tuples(st.just("random_scale"), st.builds(lambda a: {"scale": (a, 1.3)}, st.floats(0.3, 2))),
        st.tuples(st.just("random_translate"), st.builds(lambda x: {"offset": (x, 0.1)}, st.floats(0, 1))),
        st.tuples(st.just("center_crop"), st.builds(lambda x: {"size": (x, 5)}, st.integers(1, 5))),
        st.tuples(st.just("random_crop"), st.builds(lambda x: {"size": (5, x)}, st.integers(1, 5))),
        st.tuples(st.just("crop"), st.just({"xywh": (0.2, 0, 0.8, 5)})),
    ),
    min_size=1,
    max_size=5,
)


def moved(images: Images, chain: list[Move]) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    for name, arguments in chain:
        component = REGISTRY.find("transform", name)
        images = component.function(images, **arguments, **({"rng": rng} if component.random else {}))
    return pixels(images)


def outcome(start: Callable[[Tensor], Images], chain: list[Move]) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(2)
    picture = torch.rand(1, 3, 17, 23, generator=rng, dtype=torch.float64, requires_grad=True)
    result = moved(start(picture), chain)
    weights = torch.rand(result.shape, generator=rng, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((result * weights).sum(), picture)
    return result.detach(), gradient


@settings(deadline=None, max_examples=150)
@given(moves)
def test_a_lazy_chain_gives_the_pixels_and_gradients_of_one_that_computes_every_step(chain: list[Move]) -> None:
    """Crops that do not fit any more are refused by both alike."""
    try:
        wanted, wanted_gradient = outcome(lambda picture: picture.expand(4, -1, -1, -1), chain)
    except ValueError:
        with pytest.raises(ValueError, match="image"):
            outcome(lambda picture: Pixels(picture, 4), chain)
        return
    found, gradient = outcome(lambda picture: Pixels(picture, 4), chain)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-9)
    assert torch.allclose(gradient, wanted_gradient, rtol=0, atol=1e-9)


class Watched(Views):
    """Counts the pixels that are read."""

    def __init__(self, images: Tensor) -> None:
        self.inner, self.read_pixels = Pixels(images), 0
        self.shape, self.dtype, self.device = images.shape, images.dtype, images.device

    def read(self, columns: Axis, rows: Axis) -> Tensor:
        self.read_pixels += columns.index.shape[1] * rows.index.shape[1]
        return self.inner.read(columns, rows)


@pytest.mark.parametrize(
    ("chain", "most"),
    [
        ([("random_crop", {"size": (20, 10)})], 200),
        ([("random_shift", {"offset": (0, 1)}), ("center_crop", {"size": (20, 10)})], 200),
        ([("random_scale", {"scale": (0.5, 2)}), ("center_crop", {"size": (20, 10)})], 42 * 22),
        ([("random_rotate", {"degree": (-90, 90)}), ("center_crop", {"size": (20, 10)})], 32 * 32),
        ([("rotate", {"degree": 90}), ("center_crop", {"size": (20, 10)})], 13 * 23),
        ([("random_translate", {"offset": (1, 1)}), ("crop", {"xywh": (90, 90, 10, 10)})], 13 * 13),
    ],
)
def test_only_what_a_crop_leaves_is_read(chain: list[Move], most: int) -> None:
    watched = Watched(torch.rand(3, 3, 100, 100))
    result = moved(watched, chain)
    assert 0 < watched.read_pixels <= most
    assert watched.read_pixels < 100 * 100
    assert result.shape[0] == 3


def test_who_calls_a_lazy_transform_with_a_tensor_gets_a_tensor() -> None:
    class Negative(Pixels):
        def read(self, columns: Axis, rows: Axis) -> Tensor:
            return -super().read(columns, rows)

    @lazy
    def negative(images: Views, *, times: int) -> Views:
        return Negative(images.pixels() * times)

    images = torch.rand(2, 3, 4, 5)
    assert is_lazy(negative)
    assert torch.equal(negative(images, times=2), -2 * images)


def test_gradients_of_many_views_take_no_memory_for_each() -> None:
    """64 views of a large picture: expanded, their gradients would need 64 times its size."""
    picture = torch.rand(1, 3, 512, 512, requires_grad=True)
    shapes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: shapes.append(t.shape) or t, lambda t: t):  # type: ignore[func-returns-value]
        views = moved(Pixels(picture, 64), [("random_crop", {"size": (8, 8)})])
    (gradient,) = torch.autograd.grad(views.sum(), picture)
    assert gradient.sum() == 64 * 3 * 8 * 8
    assert max(shape.numel() for shape in shapes) <= 64 * 8
