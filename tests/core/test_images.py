from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clipig_core import images
from clipig_core.errors import InputError
from clipig_core.fetch import FetchError
from clipig_core.images import read_image, to_png

from .support import image_file


def gradient() -> Image.Image:
    return Image.fromarray(np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3))


def test_pixels_are_what_the_file_holds(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.png")
    found = read_image(str(tmp_path / "a.png"))
    wanted = torch.arange(5 * 7 * 3).reshape(5, 7, 3).permute(2, 0, 1) / 255
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "F"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tiff"
    gradient().convert(mode).save(path) if mode != "P" else gradient().quantize().save(tmp_path / "a.gif")
    found = read_image(str(path if path.exists() else tmp_path / "a.gif"))
    assert found.shape == (3, 5, 7)
    grey = np.asarray(gradient().convert("L"), dtype=np.float32) / 255
    if mode != "1":
        assert (found.mean(0) - torch.from_numpy(grey)).abs().max() < 0.06


def test_sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(np.linspace(0, 65535, 35).astype(np.uint16).reshape(5, 7)).save(tmp_path / "a.png")
    found = read_image(str(tmp_path / "a.png"))
    torch.testing.assert_close(found[0].flatten(), torch.linspace(0, 1, 35), atol=0.01, rtol=0)


def test_transparency_is_white(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert read_image(str(tmp_path / "a.png")).min() == 1


def test_photographs_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    gradient().save(tmp_path / "a.png", exif=exif)
    assert read_image(str(tmp_path / "a.png")).shape == (3, 7, 5)


def test_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(InputError, match="not an image in a format"):
        read_image(str(tmp_path / "a.png"))
    with pytest.raises(InputError, match="cannot read the image"):
        read_image(str(tmp_path / "gone.png"))


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gradient().save(tmp_path / "a.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 34)
    with pytest.raises(InputError, match="7x5 pixels; at most 34"):
        read_image(str(tmp_path / "a.png"))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "DDS", "ICO"])
def test_broken_files_are_images_or_input_errors(tmp_path: Path, format: str) -> None:  # noqa: A002
    file = io.BytesIO()
    gradient().resize((40, 40)).save(file, format)
    rng = random.Random(5)
    for _ in range(60):
        content = bytearray(file.getvalue()[: rng.randrange(1, len(file.getvalue()))])
        for _ in range(3):
            content[rng.randrange(min(len(content), 150))] = rng.randrange(256)
        (tmp_path / "a").write_bytes(content)
        try:
            found = read_image(str(tmp_path / "a"))
        except InputError:
            continue
        assert found.shape[0] == 3


def test_urls_are_fetched_once_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = image_file(tmp_path / "source.png", 6, 4)
    fetched: list[str] = []

    def fetch(url: str, target: Path, **more: Any) -> None:
        fetched.append(url)
        target.parent.mkdir(parents=True)
        target.write_bytes(source.read_bytes())

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(images, "fetch", fetch)
    url = "https://example.org/a.png?x=ü"
    assert torch.equal(read_image(url), read_image(str(source)))
    assert torch.equal(read_image(url), read_image(str(source)))
    assert fetched == [url]
    assert (tmp_path / ".cache" / "img" / hashlib.md5(url.encode()).hexdigest()).exists()  # noqa: S324


def test_a_url_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(url: str, target: Path, **more: Any) -> None:
        raise FetchError("no route")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(images, "fetch", fetch)
    with pytest.raises(InputError, match=r"cannot fetch 'http://example.org/a.png': no route"):
        read_image("http://example.org/a.png")


def test_png_holds_pixels_and_texts() -> None:
    image = torch.tensor([-1.0, 0, 0.5, 1, 2, 0.999])[None, None, None].expand(1, 3, 2, 6)
    file = Image.open(io.BytesIO(to_png(image, {"clipig": "name: ü\n# ☂"})))
    assert file.mode == "RGB"
    assert file.info["clipig"] == "name: ü\n# ☂"
    assert np.asarray(file)[1, :, 2].tolist() == [0, 0, 128, 255, 255, 255]


def test_what_is_written_can_be_read() -> None:
    image = torch.rand(1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    again = read_image_bytes(to_png(image, {}))
    assert (again - image[0]).abs().max() <= 0.5 / 255 + 1e-6


def read_image_bytes(content: bytes) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(io.BytesIO(content)), dtype=np.float32) / 255).permute(2, 0, 1)
