from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from clipig_core.config.sections import Init
from clipig_core.engine.canvas import Canvas, cover, first_pixels, resample, resize
from clipig_core.errors import InputError
from clipig_core.imaging.images import read_image
from clipig_core.language.types import File

from .support import REGISTRY, image_file

CPU = torch.device("cpu")
CANVASES = [
    ("rgb", {}),
    ("pyramid", {}),
    ("pyramid", {"planes": 1}),
    ("pyramid", {"planes": 3}),
    ("natural", {}),
    ("fourier", {}),
]


def picture(width: int, height: int, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 0.9 + 0.05


@pytest.fixture(params=CANVASES, ids=[f"{name}{more or ''}" for name, more in CANVASES])
def canvas(request: pytest.FixtureRequest) -> Canvas:
    name, more = request.param
    made: Canvas = REGISTRY.find("canvas", name).function(20, 12, CPU, **more)
    return made


def test_the_picture_has_the_resolution(canvas: Canvas) -> None:
    assert canvas.image().shape == (1, 3, 12, 20)


def test_what_is_written_is_the_picture(canvas: Canvas) -> None:
    for seed in range(2):
        with torch.no_grad():
            canvas.write(picture(20, 12, seed))
        torch.testing.assert_close(canvas.image().detach(), picture(20, 12, seed), atol=1e-4, rtol=0)


def test_black_and_white_can_be_written_and_trained(canvas: Canvas) -> None:
    wanted = (picture(20, 12) > 0.5).float()
    with torch.no_grad():
        canvas.write(wanted)
    assert (canvas.image().detach() - wanted).abs().max() < 2e-3
    canvas.image().sum().backward()
    for parameter in canvas.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_gradients_reach_every_parameter(canvas: Canvas) -> None:
    with torch.no_grad():
        canvas.write(picture(20, 12))
    (canvas.image() * picture(20, 12, 1)).sum().backward()
    for parameter in canvas.parameters():
        assert parameter.is_leaf
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_writing_does_not_share_memory(canvas: Canvas) -> None:
    image = picture(20, 12)
    with torch.no_grad():
        canvas.write(image)
        image.zero_()
    assert canvas.image().mean() > 0.3


def trained(canvas: Canvas) -> torch.optim.Adam:
    """Some steps towards white, so that there are moments."""
    optimizer = torch.optim.Adam(canvas.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        (1 - canvas.image()).square().sum().backward()
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("interpolation", ["cubic", "linear", "nearest"])
def test_resize_keeps_parameters_moments_and_what_is_seen(canvas: Canvas, interpolation: str) -> None:
    smooth = resample(picture(3, 2), 20, 12, "linear")
    with torch.no_grad():
        canvas.write(smooth)
    optimizer = trained(canvas)
    before, parameters = canvas.image().detach(), list(canvas.parameters())
    resize(canvas, optimizer, 40, 24, interpolation)
    assert canvas.image().shape == (1, 3, 24, 40)
    assert [id(p) for p in canvas.parameters()] == [id(p) for p in parameters]
    for parameter in parameters:
        assert parameter.requires_grad
        state = optimizer.state[parameter]
        if hasattr(canvas, "remap"):
            assert not state  # it begins afresh
            continue
        assert state["exp_avg"].shape == state["exp_avg_sq"].shape == parameter.shape
        assert state["exp_avg_sq"].min() >= 0
        assert state["exp_avg"].abs().sum() > 0
    assert (resample(canvas.image().detach(), 20, 12) - before).abs().mean() < 0.06
    darker = canvas.image().mean().item()
    optimizer.zero_grad()
    (1 - canvas.image()).square().sum().backward()
    optimizer.step()
    assert canvas.image().mean().item() > darker


def test_resized_squares_of_gradients_never_become_negative() -> None:
    canvas: Canvas = REGISTRY.find("canvas", "rgb").function(8, 8, CPU)
    optimizer = trained(canvas)
    (pixels,) = canvas.parameters()
    spikes = torch.zeros_like(pixels)
    spikes[..., ::3, ::3] = 1
    optimizer.state[pixels]["exp_avg_sq"] = spikes
    resize(canvas, optimizer, 21, 21, "cubic")
    assert optimizer.state[pixels]["exp_avg_sq"].min() >= 0


def test_interpolations_differ() -> None:
    image = picture(4, 4)
    found = [resample(image, 9, 9, name) for name in ("cubic", "linear", "nearest")]
    assert not torch.allclose(found[0], found[1])
    assert set(found[2].flatten().tolist()) == set(image.flatten().tolist())


def pixels(width: int = 64, height: int = 48, adjust: bool = False, seed: int = 0, **given: Any) -> Tensor:
    init = Init()
    vars(init).update(given)
    return first_pixels(width, height, torch.Generator().manual_seed(seed), init, adjust, CPU)


def test_noise_has_the_mean_and_std_of_each_channel() -> None:
    found = pixels(mean=(0.3, 0.5, 0.7), std=(0.01, 0.05, 0.1))
    assert found.shape == (1, 3, 48, 64)
    torch.testing.assert_close(found.mean((0, 2, 3)), torch.tensor([0.3, 0.5, 0.7]), atol=0.01, rtol=0)
    torch.testing.assert_close(found.std((0, 2, 3)), torch.tensor([0.01, 0.05, 0.1]), atol=0.01, rtol=0)
    assert torch.equal(pixels(seed=3), pixels(seed=3))
    assert not torch.equal(pixels(seed=3), pixels(seed=4))


def test_noise_is_clamped() -> None:
    found = pixels(std=(5.0, 5.0, 5.0))
    assert (found.min().item(), found.max().item()) == (0, 1)


def test_noise_of_another_resolution_is_coarser() -> None:
    def roughness(image: Tensor) -> float:
        return (image[..., 1:] - image[..., :-1]).abs().mean().item()

    coarse = pixels(resolution=(8, 6))
    assert coarse.shape == (1, 3, 48, 64)
    assert roughness(coarse) < roughness(pixels()) / 3
    first = pixels(8, 6)
    torch.testing.assert_close(coarse, resample(first, 64, 48).clamp(0, 1))


@pytest.mark.parametrize(("width", "height"), [(10, 10), (20, 10), (10, 30), (7, 3), (60, 60)])
def test_an_image_is_scaled_to_cover_and_cropped_around_the_centre(tmp_path: Path, width: int, height: int) -> None:
    path = str(image_file(tmp_path / "a.png", 20, 10))
    found = pixels(width, height, image=path)
    assert found.shape == (1, 3, height, width)
    image = read_image(path)
    if (width, height) == (10, 10):
        torch.testing.assert_close(found[0], image[:, :, 5:15])
    if (width, height) == (20, 10):
        torch.testing.assert_close(found[0], image)


def test_cover_keeps_the_aspect_ratio() -> None:
    image = torch.zeros(3, 40, 80)
    image[:, 10:30, 30:50] = 1  # a square in the middle
    found = cover(image, 30, 30)[0, 0] > 0.5
    rows, columns = found.any(1).sum().item(), found.any(0).sum().item()
    assert abs(rows - columns) <= 1
    assert rows == pytest.approx(15, abs=1)


def test_mean_and_std_change_an_image_only_if_they_are_given(tmp_path: Path) -> None:
    path = str(image_file(tmp_path / "a.png", 8, 8))
    image = read_image(path)[None]
    torch.testing.assert_close(pixels(8, 8, image=path), image)
    found = pixels(8, 8, adjust=True, image=path, mean=(0.1, 0.2, 0.9), std=(0.5, 0.5, 0.5))
    wanted = (image * 0.5 + torch.tensor([0.1, 0.2, 0.9])[None, :, None, None]).clamp(0, 1)
    torch.testing.assert_close(found, wanted)


def test_an_image_at_another_resolution_first(tmp_path: Path) -> None:
    path = str(image_file(tmp_path / "a.png", 40, 40))
    found = pixels(40, 40, image=path, resolution=(4, 4))
    torch.testing.assert_close(found, resample(pixels(4, 4, image=path), 40, 40).clamp(0, 1))


def test_image_tensor_is_used_as_it_is() -> None:
    image = picture(5, 4)
    torch.testing.assert_close(pixels(5, 4, adjust=True, image_tensor=image[0].tolist()), image)
    assert pixels(10, 8, image_tensor=image[0].tolist()).shape == (1, 3, 8, 10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_an_image_tensor_in_a_file(tmp_path: Path, dtype: type) -> None:
    image: Any = np.linspace(0, 1, 3 * 4 * 5).reshape(3, 4, 5).astype(dtype)
    np.save(tmp_path / "a.npy", image)
    found = pixels(5, 4, image_tensor=File(tmp_path / "a.npy"))
    torch.testing.assert_close(found, torch.from_numpy(image.astype(np.float32))[None])


@pytest.mark.parametrize("content", ["objects", "whole numbers", "cut", "text", "several", "many"])
def test_a_file_that_is_no_image_tensor(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, image = tmp_path / "a.npy", np.zeros((3, 4, 5))
    if content == "several":
        with path.open("wb") as file:
            np.savez(file, image)
    else:
        objects, whole = np.array([{}], dtype=object), image.astype(int)
        np.save(path, {"objects": objects, "whole numbers": whole}.get(content, image))
    if content == "cut":
        path.write_bytes(path.read_bytes()[:200])
    if content == "text":
        path.write_text("0.5")
    if content == "many":
        monkeypatch.setattr("clipig_core.engine.canvas.MAX_PIXELS", 3)
    with pytest.raises(InputError, match=r"init.image_tensor"):
        pixels(image_tensor=File(path))


@pytest.mark.parametrize("nested", [[], [1, 2], [[[1.0]]], [[["a"]]] * 3, [[[1], [1, 2]]] * 3, [[[float("nan")]]] * 3])
def test_an_image_tensor_of_another_shape_is_refused(nested: Any) -> None:
    with pytest.raises(InputError, match=r"init.image_tensor"):
        pixels(image_tensor=nested)
