from __future__ import annotations

import hashlib
import io
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from clipig_core.downloads import FetchError
from clipig_core.errors import InputError
from clipig_core.imaging import images
from clipig_core.imaging.images import read_image, to_png

from .support import image_file


def gradient() -> Image.Image:
    return Image.fromarray(np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3))


def test_pixels_are_what_the_file_holds(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.png")
    found = read_image(str(tmp_path / "a.png"))
    wanted = torch.arange(5 * 7 * 3).reshape(5, 7, 3).permute(2, 0, 1) / 255
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    original = Image.new("RGB", (7, 5), (255, 0, 102)) if mode != "1" else Image.new("RGB", (7, 5), "white")
    original.convert(mode).save(tmp_path / "a.tiff")
    gray = (0.2989 * 255 + 0.114 * 102) / 255
    wanted = {"1": (1.0, 1.0, 1.0), "L": (gray, gray, gray), "LA": (gray, gray, gray)}.get(mode, (1, 0, 0.4))
    found = read_image(str(tmp_path / "a.tiff"))
    torch.testing.assert_close(found, torch.tensor(wanted)[:, None, None].expand(3, 5, 7), atol=0.015, rtol=0)


def test_lab_becomes_rgb(tmp_path: Path) -> None:
    Image.new("LAB", (2, 2), (255, 128, 128)).save(tmp_path / "a.tiff")
    assert read_image(str(tmp_path / "a.tiff")).min() > 0.98


def profile(description: bytes = b"xRGB") -> bytes:
    """sRGB with red and green swapped, and another name."""
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = content.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    return swapped.replace("sRGB".encode("utf-16-be"), description.decode().encode("utf-16-be"))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tiff"])
@pytest.mark.parametrize(
    ("icc", "wanted"), [(profile(), [0.0, 1, 0]), (profile(b"sRGB"), [1.0, 0, 0]), (b"broken", [1.0, 0, 0])]
)
def test_colors_are_those_of_the_profile(tmp_path: Path, name: str, icc: bytes, wanted: list[float]) -> None:
    Image.new("RGB", (5, 4), (255, 0, 0)).save(tmp_path / name, icc_profile=icc, quality=100)
    found = read_image(str(tmp_path / name))
    torch.testing.assert_close(found.mean((1, 2)), torch.tensor(wanted), atol=0.02, rtol=0)


def test_a_profile_does_not_disturb_what_is_transparent(tmp_path: Path) -> None:
    Image.new("RGBA", (5, 4), (255, 0, 0, 0)).save(tmp_path / "a.png", icc_profile=profile())
    assert read_image(str(tmp_path / "a.png")).min() > 0.99


DEEP = {
    "16.png": lambda levels: (levels * 65535).round().astype(np.uint16),
    "16.tiff": lambda levels: (levels * 65535).round().astype(np.uint16),
    "16b.tiff": lambda levels: (levels * 65535).round().astype(">u2"),
    "32.tiff": lambda levels: (levels * 65535).round().astype(np.int32),  # Pillow reads 16 bits of PGM like this
    "float.tiff": lambda levels: levels.astype(np.float32),
}


@pytest.mark.parametrize("name", DEEP)
def test_more_than_eight_bits(tmp_path: Path, name: str) -> None:
    levels = np.linspace(0, 1, 35).reshape(5, 7)
    Image.fromarray(DEEP[name](levels)).save(tmp_path / name)
    found = read_image(str(tmp_path / name))
    torch.testing.assert_close(found, torch.from_numpy(levels).float().expand(3, 5, 7), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0, 70000]], np.int32), r"its values are from 0 to 70000, not 0 \(black\) to 65535 \(white\)"),
        (np.array([[-1, 5]], np.int32), "from -1 to 5"),
        (np.array([[0, 255]], np.float32), r"its values are from 0 to 255, not 0 \(black\) to 1 \(white\)"),
        (np.array([[0.5, np.nan]], np.float32), "from nan to nan"),
        (np.array([[0.5, np.inf]], np.float32), "to inf"),
    ],
)
def test_values_of_unknown_meaning_are_refused(tmp_path: Path, values: Any, message: str) -> None:
    Image.fromarray(values).save(tmp_path / "a.tiff")
    with pytest.raises(InputError, match=message):
        read_image(str(tmp_path / "a.tiff"))


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "I;16"])
def test_a_transparent_color_is_white(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(np.array([[0, 9]], np.uint16)) if mode == "I;16" else Image.new(mode, (2, 1))
    picture.putpixel((1, 0), 9 if mode != "RGB" else (9, 9, 9))
    picture.save(tmp_path / "a.png", transparency=0 if mode != "RGB" else (0, 0, 0))
    found = read_image(str(tmp_path / "a.png"))
    assert found[:, 0, 0].tolist() == [1, 1, 1]
    assert found[:, 0, 1].max() < 0.1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_white(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0)).convert(mode)
    picture.putalpha(Image.fromarray(np.array([[0, 51]], np.uint8)))
    picture.save(tmp_path / "a.tiff")
    found = read_image(str(tmp_path / "a.tiff"))
    torch.testing.assert_close(found[:, 0], torch.tensor([1, 0.8]).expand(3, 2), atol=1e-3, rtol=0)


UPRIGHT = {  # what the camera stored, for the orientations of EXIF, of a picture that is 1 2 3 / 4 5 6
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[3, 6], [2, 5], [1, 4]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[4, 1], [5, 2], [6, 3]],
}


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_photographs_are_upright(tmp_path: Path, orientation: int, format: str) -> None:  # noqa: A002
    stored = np.array(UPRIGHT[orientation], np.uint8).repeat(16, 0).repeat(16, 1) * 40
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a", format, exif=exif)
    found = read_image(str(tmp_path / "a"))[0, 8::16, 8::16] * 255 / 40
    assert found.round().tolist() == [[1, 2, 3], [4, 5, 6]]


def test_broken_metadata_do_no_harm(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12garbage")
    assert read_image(str(tmp_path / "a.jpg")).shape == (3, 5, 7)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_show_their_first_frame(tmp_path: Path, format: str) -> None:  # noqa: A002
    red, blue = (Image.new("RGB", (8, 8), color) for color in ("red", "blue"))
    red.save(tmp_path / "a", format, save_all=True, append_images=[blue])
    with Image.open(tmp_path / "a") as file:
        assert file.n_frames == 2  # type: ignore[attr-defined]
    assert (read_image(str(tmp_path / "a")).mean((1, 2)) > 0.9).tolist() == [True, False, False]


@pytest.mark.parametrize("format", ["EPS", "PPM", "TGA", "DDS", "ICO", "PCX", "JPEG2000", "SGI"])
def test_only_formats_that_people_use(tmp_path: Path, format: str) -> None:  # noqa: A002
    """Few have ever looked for holes in the others; PostScript is even handed to an interpreter."""
    gradient().save(tmp_path / "a.png", format)
    with pytest.raises(InputError, match="not an image in one of the formats PNG, JPEG, WEBP"):
        read_image(str(tmp_path / "a.png"))


@pytest.mark.parametrize("place", ["IHDR", "IDAT"])
def test_a_png_with_a_wrong_checksum_is_damaged(tmp_path: Path, place: str) -> None:
    path = image_file(tmp_path / "a.png", 40, 40)
    content = bytearray(path.read_bytes())
    content[content.index(place.encode()) + 8] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png': (it is damaged|broken data stream)"):
        read_image(str(path))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(InputError, match="it is no file"):
        read_image(str(tmp_path / "a.png"))


def test_bands_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    whole = read_image(str(tmp_path / "a.png"))
    monkeypatch.setattr(images, "_BAND", 15)
    assert read_image(str(tmp_path / "a.png")).equal(whole)


def test_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(InputError, match="not an image in one of the formats"):
        read_image(str(tmp_path / "a.png"))
    with pytest.raises(InputError, match=r"cannot read the image '.*gone.png': No such file"):
        read_image(str(tmp_path / "gone.png"))
    with pytest.raises(InputError, match="Is a directory"):
        read_image(str(tmp_path))


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gradient().save(tmp_path / "a.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 34)
    with pytest.raises(InputError, match="7x5 pixels; at most 34"):
        read_image(str(tmp_path / "a.png"))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_half_a_file_is_no_image(tmp_path: Path, format: str) -> None:  # noqa: A002
    gradient().resize((80, 80)).save(tmp_path / "a", format)
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cannot read the image"):
        read_image(str(tmp_path / "a"))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
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


def test_what_a_url_sends_instead_of_an_image_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [b"<html>come back later</html>", image_file(tmp_path / "source.png", 6, 4).read_bytes()]

    def fetch(url: str, target: Path, **more: Any) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(answers.pop(0))

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(images, "fetch", fetch)
    with pytest.raises(InputError, match=r"'http://example.org/a.png': it is not an image"):
        read_image("http://example.org/a.png")
    assert read_image("http://example.org/a.png").shape == (3, 4, 6)


def test_png_holds_pixels_and_texts() -> None:
    image = torch.tensor([-1.0, 0, 0.5, 1, 2, 0.999])[None, None, None].expand(1, 3, 2, 6)
    file = Image.open(io.BytesIO(to_png(image, "name: ü\n# ☂")))
    assert file.mode == "RGB"
    assert file.info["clipig"] == "name: ü\n# ☂"
    assert np.asarray(file)[1, :, 2].tolist() == [0, 0, 128, 255, 255, 255]


def test_what_is_written_can_be_read() -> None:
    image = torch.rand(1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    again = read_image_bytes(to_png(image))
    assert (again - image[0]).abs().max() <= 0.5 / 255 + 1e-6


def read_image_bytes(content: bytes) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(io.BytesIO(content)), dtype=np.float32) / 255).permute(2, 0, 1)
