"""The components of the photo recipe, beside the formulas that it was measured with."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clipig_core import InputError
from clipig_core.errors import Place
from clipig_core.imaging.resample import resample
from clipig_core.language.nodes import Node
from tests.plugins.components import apply, apply_constraint, apply_transform, find, generator, images

LUMINANCE = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def smooth(batch: int, height: int, width: int) -> Tensor:
    """Pictures without grain, in [.1, .9]."""
    return resample(images(batch, 5, 5), width, height).clamp(0, 1) * 0.8 + 0.1


# Looks.


def affine(
    image: Tensor,
    n: int,
    res: int,
    scale: tuple[float, float],
    over: float,
    turn: float,
    plain: bool,
    aa: int,
    flip: bool,
) -> Tensor:
    """The measured formula, for one square picture, with the same order of random numbers."""
    g = generator()
    s = torch.rand(n, generator=g) * (scale[1] - scale[0]) + scale[0]
    a = (torch.rand(n, generator=g) * 2 - 1) * turn * math.pi / 180
    room = (1 - s).clamp(min=0) + over
    tx = (torch.rand(n, generator=g) * 2 - 1) * room
    ty = (torch.rand(n, generator=g) * 2 - 1) * room
    fl = torch.where(torch.rand(n, generator=g) < 0.5, -1.0, 1.0) if flip else torch.ones(n)
    rows = torch.stack([s * a.cos() * fl, -s * a.sin(), tx], 1), torch.stack([s * a.sin() * fl, s * a.cos(), ty], 1)
    grid = F.affine_grid(torch.stack(rows, 1), [n, 3, res * aa, res * aa], align_corners=False)
    if plain:
        both = torch.cat([image, torch.ones_like(image[:, :1])], 1).expand(n, -1, -1, -1)
        seen = F.grid_sample(both, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        seen = seen[:, :3] + (1 - seen[:, 3:]) * (torch.rand(n, 3, 1, 1, generator=g) * 0.6 + 0.2)
    else:
        whole = image.expand(n, -1, -1, -1)
        seen = F.grid_sample(whole, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return F.avg_pool2d(seen, aa) if aa > 1 else seen


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("samples", [1, 2])
def test_a_look_is_what_was_measured(plain: bool, flip: bool, samples: int) -> None:
    picture = images(1, 20, 20)
    wanted = affine(picture, 9, 14, (0.6, 1.8), 0.2, 12, plain, samples, flip)
    found = apply_transform(
        "random_look",
        picture.expand(9, -1, -1, -1),
        size=(14, 14),
        scale=(0.6, 1.8),
        overlap=0.2,
        degree=(-12, 12),
        flip=flip,
        outside="plain" if plain else "edge",
        supersample=samples,
    )
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=0)


def look(pixels: Tensor, **arguments: Any) -> Tensor:
    """Without chance, if `arguments` do not ask for it."""
    still: dict[str, Any] = {"scale": (1, 1), "overlap": 0, "degree": (0, 0), "outside": "black"}
    return apply_transform("random_look", pixels, **still | arguments)


def test_a_look_at_all_is_the_picture() -> None:
    pixels = images(2, 6, 9)
    assert torch.allclose(look(pixels), pixels, atol=1e-5)
    both = look(pixels.expand(2, -1, -1, -1), flip=True)
    for view, one in zip(both, pixels, strict=True):
        assert any(torch.allclose(view, kind, atol=1e-5) for kind in (one, one.flip(2)))


def test_a_look_turns_counter_clockwise() -> None:
    pixels = images(2, 6, 6)
    assert torch.allclose(look(pixels, degree=(90, 90)), torch.rot90(pixels, 1, (2, 3)), atol=1e-5)


def test_a_square_look_at_a_wide_picture_is_not_distorted() -> None:
    """A ramp in pixels keeps its slope, and all places along the longer side are seen."""
    ramp = torch.arange(60.0).expand(400, 3, 20, 60)
    views = look(ramp, size=(20, 20), degree=(0, 0))
    assert torch.allclose(views.diff(dim=3), torch.tensor(1.0), atol=1e-3)
    left = views[:, 0, 5, 0]
    assert left.min() >= -1e-3
    assert left.min() < 3
    assert left.max() > 37
    assert left.max() <= 40 + 1e-3
    down = look(torch.arange(20.0)[:, None].expand(4, 3, 20, 60), size=(20, 20))
    assert torch.allclose(down[0, 0, :, 7], torch.arange(20.0), atol=1e-3)


def test_what_is_around_a_look() -> None:
    """At scale 3 the picture is in the middle ninth."""
    pixels = images(1, 4, 6)
    for outside, wanted in {
        "black": F.pad(pixels, (6, 6, 4, 4)),
        "edge": F.pad(pixels, (6, 6, 4, 4), mode="replicate"),
        "repeat": pixels.repeat(1, 1, 3, 3),
        "mirror": torch.cat([pixels.flip(2), pixels, pixels.flip(2)], 2).repeat(1, 1, 1, 3),
    }.items():
        if outside == "mirror":
            wanted[..., :6], wanted[..., 12:] = wanted[..., :6].flip(3), wanted[..., 12:].flip(3)
        seen = look(pixels, size=(18, 12), scale=(3, 3), outside=outside)
        # The room of a view that is larger than the picture is none, so it is in the middle.
        torch.testing.assert_close(seen, wanted, atol=1e-5, rtol=0, msg=outside)
    plain = look(pixels.expand(50, -1, -1, -1), size=(18, 12), scale=(3, 3), outside="plain")
    torch.testing.assert_close(plain[:, :, 4:8, 6:12], pixels.expand(50, -1, -1, -1), atol=1e-5, rtol=0)
    colors = plain[:, :, :1, :1]
    assert torch.allclose(plain[:, :, :4], colors.expand(-1, -1, 4, 18), atol=1e-5)
    assert colors.min() >= 0.2
    assert colors.max() <= 0.8
    assert colors.std() > 0.1


def test_repeating_looks_join_at_the_edges() -> None:
    """Half a pixel beyond the edge is the mean of the two sides."""
    pixels = torch.tensor([0.0, 1, 2, 5]).expand(1, 3, 1, 4)
    rows = look(pixels, size=(24, 6), scale=(3, 3), outside="repeat")[0, 0, 3]
    assert float(rows[7:9].mean()) == pytest.approx(2.5, abs=1e-3)


def test_random_sizes_are_those_of_all_views_and_cover_their_range() -> None:
    pixels, sizes = images(2, 12, 12), []
    for seed in range(200):
        views = apply(find("transform", "random_look"), pixels, {"random_size": (8, 11)}, seed)
        assert views.shape[2] == views.shape[3]
        sizes.append(views.shape[2])
    assert {size: sizes.count(size) > 25 for size in set(sizes)} == dict.fromkeys((8, 9, 10, 11), True)


def test_random_sizes_change_from_call_to_call() -> None:
    rng, function = generator(), find("transform", "random_look").function
    assert len({function(images(1, 6, 6), random_size=(1, 64), rng=rng).shape[2] for _ in range(8)}) > 4


def test_sizes_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="either a size or a random_size"):
        look(images(1, 6, 6), size=(4, 4), random_size=(3, 4))
    with pytest.raises(ValueError, match="5, is above the largest, 4"):
        look(images(1, 6, 6), random_size=(5, 4))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 9), st.integers(1, 9), st.floats(0.1, 4))
@settings(deadline=None, max_examples=50)
def test_looks_mix_what_they_see(width: int, height: int, to: int, tall: int, scale: float) -> None:
    """A bilinear view never leaves the range of the picture, and sees plain ones as they are."""
    pixels = images(2, height, width)
    for outside in ("edge", "mirror", "repeat"):
        views = look(pixels, size=(to, tall), scale=(0.1, scale), degree=(-180, 180), outside=outside, flip=True)
        assert views.shape == (2, 3, tall, to)
        assert views.min() >= pixels.min() - 1e-5
        assert views.max() <= pixels.max() + 1e-5


def test_cutouts_are_sections_of_all_sizes() -> None:
    """Of a ramp; its slope tells the side, its mean the place."""
    ramp = torch.arange(40.0).expand(800, 3, 20, 40)
    views = apply_transform("cutouts", ramp, size=(10, 10), part=(0.5, 1))[:, 0]
    sides = views.diff(dim=2).mean((1, 2)) * 10
    assert sides.min() == pytest.approx(10, abs=0.3)
    assert sides.max() == pytest.approx(20, abs=0.3)
    assert float(sides.mean()) == pytest.approx(15, abs=0.5)
    middle = views.mean((1, 2))
    assert (middle - sides / 2 >= -0.6).all()
    assert (middle + sides / 2 <= 39.6).all()
    assert middle.min() < 8
    assert middle.max() > 31
    small = apply_transform("cutouts", ramp, size=(10, 10), part=(0.5, 1), power=4)[:, 0].diff(dim=2).mean((1, 2)) * 10
    assert float(small.mean()) == pytest.approx(10 + 10 / 5, abs=0.5)


def test_cutouts_average_what_they_shrink() -> None:
    """Lines of one pixel become gray, wherever the section begins."""
    lines = (torch.arange(64) % 2).float().expand(8, 3, 64, 64)
    views = apply_transform("cutouts", lines, size=(8, 8), part=(1, 1))
    assert torch.allclose(views, torch.tensor(0.5), atol=1e-4)


def test_flips() -> None:
    pixels = images(1, 4, 5).expand(400, -1, -1, -1)
    views = apply_transform("random_flip", pixels)
    flipped = (views == pixels.flip(3)).flatten(1).all(1)
    assert ((views == pixels).flatten(1).all(1) != flipped).all()
    assert 150 < flipped.sum() < 250
    assert torch.equal(apply_transform("random_flip", pixels, probability=1), pixels.flip(3))
    assert torch.equal(apply_transform("random_flip", pixels, probability=0), pixels)


# Colours and noise of views.


def test_jitter_is_what_was_measured() -> None:
    pixels, j, g = images(5, 4, 6), 0.2, generator()

    def r(channels: int) -> Tensor:
        return torch.rand(5, channels, 1, 1, generator=g) * 2 - 1

    wanted = (pixels - 0.5) * (1 + j * r(1)) + 0.5 + j * 0.25 * r(3) + j * 0.5 * r(1)
    torch.testing.assert_close(apply_transform("jitter", pixels), wanted)
    none = {"contrast": 0, "channels": 0, "brightness": 0}
    torch.testing.assert_close(apply_transform("jitter", pixels, **none), pixels)


def test_random_noise_is_what_was_measured() -> None:
    pixels, g = images(5, 4, 6), generator()
    wanted = pixels + 0.15 * torch.rand(5, 1, 1, 1, generator=g) * torch.randn(pixels.shape, generator=g)
    torch.testing.assert_close(apply_transform("random_noise", pixels, std=(0, 0.15)), wanted)
    drawn = apply_transform("random_noise", torch.zeros(400, 3, 30, 30), std=(0.1, 0.3)).std((1, 2, 3))
    assert 0.09 < drawn.min() < 0.12
    assert 0.28 < drawn.max() < 0.31
    assert float(drawn.mean()) == pytest.approx(0.2, abs=0.01)


# Constraints.


def tvh(x: Tensor, eps: float, cw: float) -> Tensor:
    """The measured formula."""
    opponent = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [0.5, 0, -0.5], [0.25, -0.5, 0.25]])
    x = torch.einsum("oc,bchw->bohw", opponent * torch.tensor([[1.0], [cw], [cw]]) * 1.5, x)
    dx = F.pad(x[..., 1:] - x[..., :-1], (0, 1))
    dy = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
    return ((dx * dx + dy * dy).sum(1) + eps * eps).sqrt()


def test_variation_is_what_was_measured() -> None:
    pixels = images(2, 32, 32)
    wanted = 45 * 32 / 160 * tvh(pixels, 0.02, 3).mean((1, 2))
    torch.testing.assert_close(apply_constraint("variation", pixels), wanted)
    wanted = 45 * math.sqrt(8 * 18) / 160 * tvh(images(2, 8, 18), 0.1, 1).mean((1, 2))
    torch.testing.assert_close(apply_constraint("variation", images(2, 8, 18), color=1, eps=0.1), wanted)


def test_variation_is_nearly_the_same_at_all_sizes() -> None:
    small, large = (resample(images(1, 4, 4), side, side, "linear") for side in (80, 160))
    found = [float(apply_constraint("variation", picture, eps=1e-4)) for picture in (small, large)]
    assert found[0] == pytest.approx(found[1], rel=0.03)


def test_variation_counts_edges_by_their_height_and_length() -> None:
    """One gray step of height 1 between two columns: sqrt((1.5)^2 + eps^2) in one of eight."""
    step = (torch.arange(8) > 3).float().expand(1, 3, 8, 8)
    wanted = 45 * 8 / 160 * (math.hypot(1.5, 0.02) + 7 * 0.02) / 8
    assert float(apply_constraint("variation", step)) == pytest.approx(wanted, rel=1e-5)


def test_chroma_color_and_range_are_what_was_measured() -> None:
    pixels = images(3, 6, 7)
    for index, x in enumerate(pixels.split(1)):
        chroma = 8 * ((x - x.mean(1, keepdim=True)) ** 2).mean()
        torch.testing.assert_close(apply_constraint("chroma", pixels)[index], chroma)
        balance = 100 * ((x.mean((2, 3)) - torch.tensor([[0.485, 0.465, 0.43]])) ** 2).sum()
        torch.testing.assert_close(apply_constraint("color", pixels)[index], balance)
        beyond = 100 * ((x - 0.06).clamp(max=0) ** 2 + (x - 0.94).clamp(min=0) ** 2).mean()
        torch.testing.assert_close(apply_constraint("range", pixels)[index], beyond)
    assert not apply_constraint("range", pixels, low=0.0, high=1.0).any()
    with pytest.raises(ValueError, match=r"0\.9, is above the highest, 0\.1"):
        apply_constraint("range", pixels, low=0.9, high=0.1)


def rim(x: Tensor, inner: float) -> Tensor:
    """The measured formula."""
    y = torch.linspace(-1, 1, x.shape[2])
    mask = ((torch.sqrt(y[:, None] ** 2 + y[None] ** 2) - inner) / 0.35).clamp(0, 1)
    box = F.avg_pool2d(F.pad(x, (6,) * 4, mode="reflect"), 13, 1)
    return 100 * (mask * ((x - box) ** 2)).mean((1, 2, 3))


def test_rim_is_what_was_measured() -> None:
    for side in (16, 100):
        pixels = images(2, side, side)
        torch.testing.assert_close(apply_constraint("rim", pixels), rim(pixels, 0.7), rtol=1e-4, atol=0)
        torch.testing.assert_close(apply_constraint("rim", pixels, inner=0.2), rim(pixels, 0.2), rtol=1e-4, atol=0)


def test_large_rims_are_those_of_small_pictures() -> None:
    """Pictures that are too large for matrices go another way."""
    wide = images(1, 8, 4100)
    tall = wide.transpose(2, 3).contiguous()
    narrow = apply_constraint("rim", wide[:, :, :, :4096], size=5)
    assert float(apply_constraint("rim", wide, size=5)) == pytest.approx(float(narrow), rel=0.01)
    torch.testing.assert_close(apply_constraint("rim", wide, size=5), apply_constraint("rim", tall, size=5))


def test_the_middle_may_be_rough() -> None:
    pixels = torch.full((1, 3, 64, 64), 0.5)
    pixels[:, :, 26:38, 26:38] = images(1, 12, 12)
    assert float(apply_constraint("rim", pixels)) == pytest.approx(0, abs=1e-6)
    assert float(apply_constraint("rim", pixels.roll(30, 3))) > 0.1
    assert float(apply_constraint("rim", pixels.roll(8, 3))) == pytest.approx(0, abs=1e-6)
    assert float(apply_constraint("rim", pixels.roll(8, 3), inner=0.1)) > 0.1


def test_symmetry_is_the_mean_square_between_an_image_and_its_reflection() -> None:
    pixels = images(2, 20, 31)
    light = F.pad(pixels.mean(1, keepdim=True), (2,) * 4, mode="reflect").unfold(2, 5, 1).unfold(3, 5, 1).mean((4, 5))
    for axis, dimension in (("vertical", 3), ("horizontal", 2)):
        expected = 1000 * (light - light.flip(dimension)).square().mean((1, 2, 3))
        torch.testing.assert_close(apply_constraint("symmetry", pixels, axis=axis), expected)


def test_symmetry_leaves_colours_and_reflected_shapes_alone() -> None:
    half = images(1, 24, 12)
    for axis, dimension in (("vertical", 3), ("horizontal", 2)):
        whole = torch.cat([half, half.flip(dimension)], dimension)
        assert float(apply_constraint("symmetry", whole, axis=axis)) == pytest.approx(0, abs=1e-6)
    red_and_blue = torch.zeros(1, 3, 24, 24)
    red_and_blue[:, 0, :, :12] = red_and_blue[:, 2, :, 12:] = 0.9
    assert float(apply_constraint("symmetry", red_and_blue)) == pytest.approx(0, abs=1e-6)
    assert float(apply_constraint("symmetry", red_and_blue[:, :1].expand(-1, 3, -1, -1))) > 100


# Finishing.


def finished(x: Tensor) -> Tensor:
    """The measured formula: [3, H, W] with white balance, stretched, sharpened, without purple."""
    sharp, sigma, core, strength, wb = 0.9, 1.5, 0.01, 0.6, 0.3
    x = x[None]
    m = x.mean((2, 3), keepdim=True)
    x = x * (m.mean() / m) ** wb
    y = (x * LUMINANCE).sum(1, keepdim=True)
    lo, hi = torch.quantile(y.flatten(), 0.005), torch.quantile(y.flatten(), 0.995)
    a = 1 + strength * ((0.96 / (hi - lo)).clamp(1, 1.6) - 1)
    mid = lo + (hi - lo) / 2
    x = (x - mid) * a + (mid + strength * (0.5 - mid) * 0.5)
    y = (x * LUMINANCE).sum(1, keepdim=True)
    d = y - gauss(y, sigma)
    d = d.sign() * (d.abs() - core).clamp(min=0)
    r, g, b = (x + sharp * d)[0]
    e = (torch.minimum(r, b) - g - 0.02).clamp(min=0) * 0.55
    return torch.stack([r - e * 0.35, g + e * 0.65, b - e * 0.35]).clamp(0, 1)


def gauss(x: Tensor, s: float) -> Tensor:
    r = int(3 * s + 0.5)
    k = torch.exp(-(torch.arange(-r, r + 1.0) ** 2) / (2 * s * s))
    k = k / k.sum()
    x = F.conv2d(F.pad(x, (r,) * 4, mode="reflect"), k.view(1, 1, 1, -1))
    return F.conv2d(x, k.view(1, 1, -1, 1))


def test_finishing_is_what_was_measured() -> None:
    pixels = smooth(4, 40, 50) * torch.tensor([1.0, 0.7, 0.9])[:, None, None]
    found = pixels
    for name in ("white_balance", "stretch", "unsharp", "less_purple"):
        found = apply_transform(name, found)
    wanted = torch.stack([finished(one) for one in pixels])
    torch.testing.assert_close(found.clamp(0, 1), wanted, atol=1e-5, rtol=0)
    assert (found - pixels).abs().mean() > 0.02


def test_finishing_by_nothing_changes_nothing() -> None:
    pixels = images(2, 8, 9)
    for name, arguments in {
        "white_balance": {"strength": 0},
        "stretch": {"strength": 0},
        "unsharp": {"amount": 0},
        "less_purple": {"amount": 0},
        "less_tint": {"amount": 0},
        "periodic": {"strength": 0},
        "smooth": {"size": 1},
    }.items():
        torch.testing.assert_close(apply_transform(name, pixels, **arguments), pixels)


def test_white_balance_by_all_makes_the_mean_gray() -> None:
    means = apply_transform("white_balance", images(3, 8, 9) * 0.6 + 0.1, strength=1).mean((2, 3))
    torch.testing.assert_close(means, means.mean(1, keepdim=True).expand(3, 3))


def test_a_full_stretch_reaches_black_and_white() -> None:
    gray = torch.linspace(0.3, 0.9, 100).view(1, 1, 10, 10).expand(1, 3, 10, 10)
    found = apply_transform("stretch", gray, strength=1, ends=0)
    assert float(found.max() - found.min()) == pytest.approx(0.96, rel=1e-4)
    assert float(found.mean()) == pytest.approx(0.55, rel=1e-4)  # of .6, halfway to .5


def test_quantiles_are_those_of_torch() -> None:
    from clipig_color.finish import _quantiles

    values = images(2, 7, 9).flatten(1)
    for part in (0.0, 0.005, 0.1, 0.49):
        low, high = _quantiles(values, part)
        torch.testing.assert_close(low.flatten(), torch.quantile(values, part, 1))
        torch.testing.assert_close(high.flatten(), torch.quantile(values, 1 - part, 1))


def test_purple_is_limited_and_nothing_else() -> None:
    pixels = torch.tensor([[0.7, 0.3, 0.6], [0.7, 0.3, 0.1], [0.2, 0.8, 0.3], [0.5, 0.5, 0.5]]).view(4, 3, 1, 1)
    found = apply_transform("less_purple", pixels, amount=1, tolerance=0)
    torch.testing.assert_close(found[0].flatten(), torch.tensor([0.595, 0.495, 0.495]))
    assert torch.equal(found[1:], pixels[1:])


def test_faint_tints_go_and_strong_colours_stay() -> None:
    faint, strong, gray = (
        torch.tensor(color).view(1, 3, 1, 1) for color in ([0.48, 0.52, 0.5], [0.9, 0.3, 0.2], [0.4] * 3)
    )
    left, kept, none = (apply_transform("less_tint", color, amount=0.15) for color in (faint, strong, gray))
    assert float((left - 0.5).norm()) < 0.3 * float((faint - 0.5).norm())
    assert 1 < float((kept - kept.mean()).norm() / (strong - strong.mean()).norm()) < 1.4
    torch.testing.assert_close(none, gray)
    for before, after in ((faint, left), (strong, kept)):
        torch.testing.assert_close(after.mean(), before.mean())


def test_opposite_edges_meet() -> None:
    """A wave that goes round stays; a ramp becomes flat where its ends meet."""
    rows, columns = torch.arange(24.0)[:, None], torch.arange(36.0)
    wave = (0.5 + 0.2 * torch.sin(torch.pi * (columns / 9 + rows / 6))).expand(2, 3, 24, 36)
    assert float((apply_transform("periodic", wave) - wave).abs().mean()) < 0.02
    ramp = wave + 0.01 * columns + 0.02 * rows
    found = apply_transform("periodic", ramp)
    torch.testing.assert_close(found.mean((2, 3)), ramp.mean((2, 3)))
    for side in (2, 3):
        seam, before = ((one.select(side, 0) - one.select(side, -1)).abs().mean() for one in (found, ramp))
        assert seam < 1.5 * found.diff(dim=side).abs().mean()
        assert seam < 0.4 * before


def test_smoothing_removes_a_ripple_and_keeps_an_edge() -> None:
    """As a guided filter of torch's own means."""
    columns = torch.arange(40.0)
    pixels = (0.3 + 0.4 * (columns >= 20) + 0.02 * torch.sin(2.5 * columns)).expand(1, 3, 30, 40).clone()
    pixels[:, 2] *= 0.8
    found = apply_transform("smooth", pixels, edge=0.08, size=5)

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(values, (2, 2, 2, 2), mode="reflect"), 5, 1)

    guide = (pixels * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    slope = mean(pixels * guide) - mean(pixels) * mean(guide)
    slope = slope / (mean(guide**2) - mean(guide) ** 2 + 0.08**2)
    wanted = mean(slope) * guide + mean(mean(pixels) - slope * mean(guide))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert found[:, 0, :, 4:16].std() < 0.3 * pixels[:, 0, :, 4:16].std()
    before, after = (one[0, 0, 10, 21:24].mean() - one[0, 0, 10, 16:19].mean() for one in (pixels, found))
    assert after > 0.85 * before


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("cutouts", "part", [0.5, 1.1]),
        ("cutouts", "part", 0),
        ("cutouts", "power", 0),
        ("jitter", "contrast", -0.1),
        ("less_purple", "amount", 1.1),
        ("less_tint", "amount", -0.1),
        ("random_flip", "probability", 1.1),
        ("random_look", "outside", "wrap"),
        ("random_look", "overlap", -0.1),
        ("random_look", "random_size", [0, 4]),
        ("random_look", "scale", [0, 1]),
        ("random_look", "supersample", 0),
        ("random_noise", "std", [-0.1, 0.1]),
        ("periodic", "strength", 1.1),
        ("smooth", "edge", 0),
        ("stretch", "ends", 0.5),
        ("stretch", "most", 0.9),
        ("unsharp", "sigma", 0),
        ("white_balance", "strength", 1.1),
    ],
)
def test_senseless_parameters_are_refused(name: str, parameter: str, value: object) -> None:
    with pytest.raises(InputError):
        find("transform", name).params[parameter].convert(Node.of(value, Place("test")))
