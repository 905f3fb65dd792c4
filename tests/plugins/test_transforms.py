"""What each transform does, by numbers that can be checked by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clipig_core import InputError
from clipig_core.errors import Place
from clipig_core.imaging.images import ImageFile
from clipig_core.language.nodes import Node
from tests.plugins.components import TRANSFORMS, apply, apply_transform, built_in, find, images

RESIZING = {"center_crop", "crop", "cutouts", "pad", "random_crop", "random_look", "repeat", "resize"}


def counting(height: int, width: int, batch: int = 1) -> Tensor:
    """0, 1, 2 ... from left to right, then from top to bottom, in all channels."""
    numbers = torch.arange(float(height * width)).view(1, 1, height, width)
    return numbers.repeat(batch, 3, 1, 1)


@pytest.mark.parametrize("component", built_in("transform"), ids=lambda c: c.name)
def test_resizing_flag(component: Any) -> None:
    assert component.resizes == (component.name in RESIZING)
    resized = apply(component, images(1, 8, 9), TRANSFORMS[component.name]).shape[-2:] != (8, 9)
    assert resized == component.resizes


# Positions.


def test_shift_goes_right_and_down() -> None:
    pixels = torch.zeros(1, 3, 4, 6)
    pixels[:, :, 0, 0] = 1
    for offset, (x, y) in {
        (2, 1): (2, 1),
        (0.5, 0.25): (3, 1),
        (0.5, 0): (3, 0),
        (-1, -2): (5, 2),
        (1, 1): (1, 1),
        (-0.3, 0.9): (5, 3),  # -1.8 and 3.6, truncated
        (8, 5): (2, 1),
    }.items():
        moved = apply_transform("shift", pixels, offset=offset)
        assert moved.sum() == 3
        assert (moved[0, :, y, x] == 1).all(), offset


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None, max_examples=50)
def test_shift_and_back(x: int, y: int, width: int, height: int) -> None:
    pixels = counting(height, width)
    x, y = x + (x == 0) * width, y + (y == 0) * height
    there = apply_transform("shift", pixels, offset=(x, y))
    assert torch.equal(apply_transform("shift", there, offset=(-x, -y)), pixels)


def test_random_shift_covers_all_positions_evenly() -> None:
    pixels = counting(3, 5).expand(6000, -1, -1, -1)
    moved = apply_transform("random_shift", pixels, offset=(0, 1))
    counts = moved[:, 0, 0, 0].long().bincount(minlength=15)
    assert (counts - 400).abs().max() < 5 * math.sqrt(400)
    assert torch.equal(moved[0].flatten().sort().values, pixels[0].flatten().sort().values)


def test_random_shift_by_pixels_stays_in_range() -> None:
    pixels = counting(10, 10).expand(500, -1, -1, -1)
    corner = apply_transform("random_shift", pixels, offset=(2, 5, -3, -1.5))[:, 0, 0, 0].long()
    assert set((-corner % 10).tolist()) == {2, 3, 4}
    assert set((corner // 10).tolist()) == {1, 2}


def test_random_crop_takes_all_positions_evenly() -> None:
    pixels = counting(4, 5).expand(6000, -1, -1, -1)
    corner = apply_transform("random_crop", pixels, size=(3, 3))[:, 0, 0, 0].long()
    counts = corner.bincount(minlength=20).view(4, 5)
    assert (counts[:2, :3] - 1000).abs().max() < 5 * math.sqrt(1000)
    assert counts.sum() == counts[:2, :3].sum()


def test_random_crop_is_a_section() -> None:
    pixels = counting(4, 5, batch=8)
    for section in apply_transform("random_crop", pixels, size=(3, 2)):
        left_top = section[0, 0, 0]
        assert torch.equal(section, left_top + torch.tensor([[0, 1, 2], [5, 6, 7]]).expand(3, -1, -1))


def test_crop_takes_fractions_and_pixels() -> None:
    pixels = counting(4, 8)
    assert torch.equal(apply_transform("crop", pixels, xywh=(0.25, 0.5, 0.5, 0.25)), pixels[:, :, 2:3, 2:6])
    assert torch.equal(apply_transform("crop", pixels, xywh=(3, 1, 2, 3)), pixels[:, :, 1:4, 3:5])
    assert torch.equal(apply_transform("crop", pixels, xywh=(0, 0, 8, 4)), pixels)
    assert torch.equal(apply_transform("crop", pixels, xywh=(0.3, 0, 1, 1)), pixels[:, :, :1, 2:3])


def test_center_crop() -> None:
    pixels = counting(6, 8)
    assert torch.equal(apply_transform("center_crop", pixels, size=(4, 2)), pixels[:, :, 2:4, 2:6])


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from(["fill", "edge", "wrap"]),
)
@settings(deadline=None, max_examples=60)
def test_pad_keeps_the_middle(width: int, height: int, x: int, y: int, mode: str) -> None:
    pixels = counting(height, width)
    padded = apply_transform("pad", pixels, size=(x, y), color=(-1, -2, -3), mode=mode)
    assert padded.shape == (1, 3, height + 2 * y, width + 2 * x)
    assert torch.equal(padded[:, :, y : y + height, x : x + width], pixels)
    corner = {
        "fill": torch.tensor([-1.0, -2.0, -3.0]) if x or y else pixels[0, :, 0, 0],
        "edge": pixels[0, :, 0, 0],
        "wrap": pixels[0, :, -y % height, -x % width],
    }[mode]
    assert torch.equal(padded[0, :, 0, 0], corner)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 4), st.integers(0, 4))
@settings(deadline=None, max_examples=40)
def test_border_covers_the_outermost_pixels(width: int, height: int, x: int, y: int) -> None:
    pixels = counting(height, width)
    drawn = apply_transform("border", pixels, size=(x, y), color=(-1, -2, -3))
    inner = (slice(None), slice(None), slice(y, max(y, height - y)), slice(x, max(x, width - x)))
    assert torch.equal(drawn[inner], pixels[inner])
    left = pixels[inner].numel()
    assert (drawn < 0).sum() == pixels.numel() - left


def test_a_mask_lets_gradients_through_where_it_is_white(tmp_path: Path) -> None:
    pixels = np.array([[255, 0], [128, 0]], dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "mask.png")
    picture = images(2, 4, 6).requires_grad_()
    seen = apply_transform("mask", picture, image=ImageFile(tmp_path / "mask.png"))
    assert torch.equal(seen, picture)
    (gradient,) = torch.autograd.grad(seen.sum(), picture)
    assert gradient[:, :, 0, 0].eq(1).all()
    assert gradient[:, :, :, 5].eq(0).all()
    assert torch.allclose(gradient[:, :, 3, 0], torch.tensor(128 / 255), atol=0.1)


def test_repeat() -> None:
    assert torch.equal(
        apply_transform("repeat", counting(1, 2), count=(2, 3))[0, 0], torch.tensor([[0.0, 1, 0, 1]] * 3)
    )


def test_resize_takes_width_first() -> None:
    assert apply_transform("resize", counting(4, 4), size=(2, 3)).shape == (1, 3, 3, 2)
    assert torch.allclose(apply_transform("resize", counting(4, 4), size=(1, 1)), torch.tensor(7.5))


def test_rotate_is_counter_clockwise() -> None:
    pixels = images(2, 6, 6)
    for degree, quarters in ((90, 1), (180, 2), (-90, 3), (360, 0)):
        turned = apply_transform("rotate", pixels, degree=degree)
        assert torch.allclose(turned, torch.rot90(pixels, quarters, (2, 3)), atol=1e-5)


def test_rotate_around_a_corner() -> None:
    """A quarter to the left around the bottom left corner moves the picture out of sight."""
    pixels = torch.ones(1, 3, 4, 4)
    assert apply_transform("rotate", pixels, degree=90, center=(0, 1)).abs().max() < 1e-5
    assert torch.allclose(apply_transform("rotate", pixels, degree=90, center=(1, 1))[0, 0, 3, 3], torch.tensor(0.0))
    wide = torch.zeros(1, 3, 4, 8)
    wide[:, :, 3, 2] = 1  # two and a half pixels right of the corner
    assert torch.allclose(
        apply_transform("rotate", wide, degree=90, center=(0, 1))[0, 0, 1, :2], torch.zeros(2), atol=1e-5
    )
    assert torch.allclose(
        apply_transform("rotate", wide, degree=90, center=(0.125, 1))[0, 0, 2, 0], torch.tensor(1.0), atol=1e-5
    )


def test_random_rotate_draws_angle_and_center() -> None:
    pixels = images(3, 6, 6)
    fixed = apply_transform("random_rotate", pixels, degree=(90, 90))
    assert torch.allclose(fixed, torch.rot90(pixels, 1, (2, 3)), atol=1e-5)
    around = apply_transform("random_rotate", pixels, degree=(30, 30), center=(0.2, 0.2))
    assert torch.allclose(around, apply_transform("rotate", pixels, degree=30, center=(0.2, 0.2)), atol=1e-5)


def test_random_rotate_covers_its_range() -> None:
    """Seen by a bright bar that reaches from the centre to the right."""
    pixels = torch.zeros(1, 3, 41, 41)
    pixels[:, :, 20, 21:] = 1
    turned = apply_transform("random_rotate", pixels.expand(300, -1, -1, -1), degree=(0, 90))[:, 0]
    y, x = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(41.0) - 20, indexing="ij")
    angles = torch.atan2(-(turned * y).sum((1, 2)), (turned * x).sum((1, 2))).rad2deg()
    assert angles.min() > -1
    assert angles.min() < 5
    assert angles.max() > 85
    assert angles.max() < 91
    assert float(angles.mean()) == pytest.approx(45, abs=8)


def test_random_scale() -> None:
    pixels = torch.ones(2, 3, 8, 8)
    half = torch.zeros(2, 3, 8, 8)
    half[:, :, 2:6, 2:6] = 1
    assert torch.allclose(apply_transform("random_scale", pixels, scale=(0.5, 0.5)), half)
    assert torch.allclose(apply_transform("random_scale", images(2, 5, 7), scale=(1, 1)), images(2, 5, 7), atol=1e-5)
    areas = apply_transform("random_scale", torch.ones(400, 3, 40, 40), scale=(0.5, 1))[:, 0].mean((1, 2)).sqrt()
    assert areas.min() == pytest.approx(0.5, abs=0.03)
    assert areas.max() == pytest.approx(1, abs=0.03)


def test_random_translate() -> None:
    """A ramp tells by how much it moved; halfway down it is not black."""
    ramp = torch.arange(101.0).expand(500, 3, 5, 101)
    moved = 50 - apply_transform("random_translate", ramp, offset=(0.25, 0))[:, 0, 2, 50]
    assert moved.abs().max() <= 25.25 + 1e-3
    assert moved.min() < -24
    assert moved.max() > 24
    assert abs(moved.mean()) < 3
    down = apply_transform("random_translate", torch.ones(200, 3, 8, 8), offset=(0, 0.5))[:, 0]
    assert torch.equal(down[:, :, :1].expand(-1, -1, 8), down)
    assert {bool(first > last) for first, last in zip(down[:, 0, 0], down[:, 7, 0], strict=True)} == {True, False}


# Colours.


@given(st.floats(-1, 2), st.floats(0, 1))
@settings(deadline=None, max_examples=40)
def test_clamp(low: float, more: float) -> None:
    clamped = apply_transform("clamp", images(1, 4, 5), range=(low, low + more))
    assert clamped.min() >= torch.tensor(low)
    assert clamped.max() <= torch.tensor(low + more)
    inside = (images(1, 4, 5) >= low) & (images(1, 4, 5) <= low + more)
    assert torch.equal(clamped[inside], images(1, 4, 5)[inside])


@given(st.floats(0.01, 3))
@settings(deadline=None, max_examples=40)
def test_quantize_rounds_down_to_steps(step: float) -> None:
    pixels = images(1, 4, 5)
    quantized = apply_transform("quantize", pixels, step=(step, step, step))
    steps = quantized / step
    assert torch.allclose(steps, steps.round(), atol=1e-3)
    assert (quantized <= pixels + 1e-6).all()
    assert (pixels - quantized < step + 1e-6).all()


def test_add_and_mul() -> None:
    pixels = torch.full((1, 3, 2, 2), 0.5)
    assert torch.equal(apply_transform("add", pixels, color=(1, 0, -0.5))[0, :, 0, 0], torch.tensor([1.5, 0.5, 0.0]))
    assert torch.equal(apply_transform("mul", pixels, color=(2, 0, -1))[0, :, 1, 1], torch.tensor([1.0, 0.0, -0.5]))


def test_mean_is_set_for_each_channel_of_each_image() -> None:
    pixels = images(3, 4, 5)
    shifted = apply_transform("mean", pixels, mean=(0.2, 0.5, 0.9))
    assert torch.allclose(shifted.mean((2, 3)), torch.tensor([0.2, 0.5, 0.9]).expand(3, 3))
    assert torch.allclose(shifted.std((2, 3)), pixels.std((2, 3)))


def test_saturation_and_contrast_at_zero_and_one() -> None:
    pixels = images(2, 4, 5)
    gray = (pixels * torch.tensor([0.2989, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    assert torch.allclose(apply_transform("saturation", pixels, factor=0), gray.expand(-1, 3, -1, -1))
    level = gray.mean((2, 3), keepdim=True).expand(pixels.shape)
    assert torch.allclose(apply_transform("contrast", pixels, factor=0), level)
    for name in ("saturation", "contrast"):
        assert torch.allclose(apply_transform(name, pixels, factor=1), pixels)
    assert torch.allclose(apply_transform("contrast", pixels, factor=0.5), (pixels + level) / 2)


# Filters.


def test_blur_spreads_a_point() -> None:
    """With sigma 0.8 for a window of 3, as the reference says."""
    pixels = torch.zeros(1, 3, 5, 5)
    pixels[:, :, 2, 2] = 1
    blurred = apply_transform("blur", pixels)
    side = math.exp(-1 / (2 * 0.8**2))
    centre = 1 / (1 + 2 * side)
    assert float(blurred[0, 0, 2, 2]) == pytest.approx(centre**2, rel=1e-5)
    assert float(blurred[0, 0, 2, 3]) == pytest.approx(centre**2 * side, rel=1e-5)
    assert float(blurred[0, 0, 2, 4]) == 0


def test_even_windows_are_raised() -> None:
    pixels = images(1, 8, 8)
    even = apply_transform("blur", pixels, kernel_size=(2, 4))
    assert torch.equal(even, apply_transform("blur", pixels, kernel_size=(3, 5)))
    assert torch.equal(apply_transform("blur", pixels, kernel_size=(0, 0)), pixels)
    assert torch.equal(apply_transform("blur", pixels, sigma=(0, 0)), pixels)


def test_edge_leaves_what_the_blur_takes() -> None:
    pixels = images(2, 8, 8)
    wanted = (pixels - apply_transform("blur", pixels, kernel_size=(5, 3))).abs()
    found = apply_transform("edge", pixels, kernel_size=(5, 3), amount=(1, 2, -3))
    assert torch.allclose(found, wanted * torch.tensor([1.0, 2.0, -3.0])[:, None, None])


# Noise.


def noise_of(name: str, width: int, **arguments: Any) -> Tensor:
    return apply_transform(name, torch.full((4, 3, width, width), 0.5), **arguments) - 0.5


def test_noise_has_its_deviation_in_each_channel() -> None:
    drawn = noise_of("noise", 100, std=(0.1, 0.2, 0.0))
    assert torch.allclose(drawn.std((0, 2, 3)), torch.tensor([0.1, 0.2, 0.0]), rtol=0.02)
    assert drawn.mean().abs() < 0.002
    red, green = drawn[:, 0].flatten(), drawn[:, 1].flatten()
    assert torch.corrcoef(torch.stack([red, green]))[0, 1].abs() < 0.03


def test_bwnoise_is_gray() -> None:
    drawn = noise_of("bwnoise", 100, std=0.3)
    assert torch.equal(drawn, drawn[:, :1].expand(-1, 3, -1, -1))
    assert float(drawn.std()) == pytest.approx(0.3, rel=0.02)


def test_rnoise_has_another_resolution() -> None:
    same = noise_of("rnoise", 100, std=(0.1, 0.2, 0.3), resolution=(100, 100))
    assert torch.allclose(same.std((0, 2, 3)), torch.tensor([0.1, 0.2, 0.3]), rtol=0.02)
    stripes = noise_of("rnoise", 100, std=(1, 1, 1), resolution=(100, 1))
    assert (stripes.std(2) < 1e-6).all()
    assert (stripes.std(3) > 0.5).all()
    slope = noise_of("rnoise", 100, std=(1, 1, 1), resolution=(2, 1))
    assert slope.diff(dim=3).abs().max() < 0.1  # linear, without a step in the middle


def test_fnoise_is_noise_of_the_spectrum() -> None:
    """Of the channel as one row: all waves but the first and last count twice, in both parts."""
    drawn = noise_of("fnoise", 224, std=(0.1, 0.2, 0.0))
    count = 224 * 224
    deviation = 15 * math.sqrt(2 * count - 2) / count
    assert torch.allclose(drawn.std((0, 2, 3)), deviation * torch.tensor([0.1, 0.2, 0.0]), rtol=0.02, atol=1e-6)
    waves = torch.fft.rfft(drawn[:, 0].flatten(1))[..., 1:-1]
    for part in (waves.real, waves.imag):
        assert float(part.std()) == pytest.approx(1.5, rel=0.02)


@pytest.mark.parametrize(
    ("name", "arguments", "left", "top"),
    [
        ("crop", {"xywh": (3, 2, 6, 5)}, 3, 2),
        ("crop", {"xywh": (0.5, 0, 4, 5)}, 3, 0),
        ("center_crop", {"size": (10, 3)}, -2, 1),
        ("center_crop", {"size": (8, 11)}, -1, -3),
    ],
)
def test_a_crop_beyond_the_image_is_filled_with_black(name: str, arguments: Any, left: int, top: int) -> None:
    image = images(2, 5, 6) * 0.5 + 0.5
    found = apply_transform(name, image, **arguments)
    for y in range(found.shape[2]):
        for x in range(found.shape[3]):
            inside = 0 <= y + top < 5 and 0 <= x + left < 6
            wanted = image[:, :, y + top, x + left] if inside else torch.zeros(2, 3)
            assert torch.equal(found[:, :, y, x], wanted)


# Refusals.


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("blur", "kernel_size", -1),
        ("blur", "sigma", -0.1),
        ("border", "size", -1),
        ("bwnoise", "std", -0.1),
        ("center_crop", "size", 0),
        ("contrast", "factor", -0.1),
        ("crop", "xywh", [-1, 0, 1, 1]),
        ("edge", "kernel_size", -1),
        ("fnoise", "std", -0.1),
        ("noise", "std", [0.1, 0.1, -0.1]),
        ("pad", "size", -1),
        ("pad", "mode", "mirror"),
        ("quantize", "step", 0),
        ("quantize", "step", [0.1, 0.1, -0.1]),
        ("random_crop", "size", 0),
        ("random_scale", "scale", [0, 1]),
        ("random_translate", "offset", -0.1),
        ("random_translate", "offset", 1.1),
        ("repeat", "count", 0),
        ("resize", "size", [0, 5]),
        ("rnoise", "resolution", 0),
        ("rnoise", "std", -1),
        ("saturation", "factor", -0.1),
    ],
)
def test_senseless_parameters_are_refused(name: str, parameter: str, value: object) -> None:
    with pytest.raises(InputError):
        find("transform", name).params[parameter].convert(Node.of(value, Place("test")))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("blur", {"kernel_size": (3, 11)}, "3x11 is too large for an image of 6x5"),
        ("clamp", {"range": (0.6, 0.4)}, "0.6, is above the highest, 0.4"),
        ("crop", {"xywh": (6, 0, 7, 5)}, "7x5 at 6, 0 holds nothing of an image of 6x5"),
        ("crop", {"xywh": (0, 0, 0.1, 5)}, "0x5 at 0, 0 holds nothing"),
        ("crop", {"xywh": (9, 9, 1, 1)}, "1x1 at 9, 9 holds nothing"),
        ("edge", {"kernel_size": (13, 3)}, "13x3 is too large"),
        ("random_crop", {"size": (6, 6)}, "6x6 does not fit into an image of 6x5"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        apply_transform(name, images(1, 5, 6), **arguments)


def test_large_images_are_blurred_as_small_ones_are() -> None:
    picture = images(1, 40, 1025)
    whole = find("transform", "blur").function(picture, (9, 5), (1.5, 0.8))
    part = find("transform", "blur").function(picture[:, :, :, :1000], (9, 5), (1.5, 0.8))
    torch.testing.assert_close(whole[:, :, :, :990], part[:, :, :, :990], rtol=0, atol=1e-6)


def test_gradients_of_overlapping_views_are_the_same_every_time() -> None:
    picture, weights = torch.rand(1, 3, 128, 128), torch.randn(8, 3, 96, 96)
    seen = []
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    for _ in range(5):
        pixels = picture.clone().requires_grad_()
        rng = torch.Generator().manual_seed(1)
        views = find("transform", "random_crop").function(pixels.expand(8, -1, -1, -1), (96, 96), rng=rng)
        (views * weights).sum().backward()
        seen.append(pixels.grad)
    torch.set_num_threads(threads)
    assert all(torch.equal(seen[0], other) for other in seen[1:])  # type: ignore[arg-type]
