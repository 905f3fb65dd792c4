"""Reading, fetching and encoding images."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from clipig_core.downloads import FetchError, fetch
from clipig_core.errors import InputError, RunError
from clipig_core.imaging.resample import resample
from clipig_core.language.types import File, Files, Param

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
"""What people use. Pillow has decoders for many more, of which few were ever looked at by anybody who attacks them."""

MAX_PIXELS = 50_000_000
MAX_DOWNLOAD = 32 * 1024 * 1024
MAX_SECONDS = 120.0
_BAND = 1 << 20
"""So many pixels are converted at once."""


def read_image(location: str) -> Tensor:
    """[3, H, W] in [0, 1], sRGB, of an image file or http(s) URL, upright, on white where it is transparent.

    Of an animation it is the first frame. Whole numbers of more than 8 bits have 65535 as white, floats have 1.

    Raises:
        InputError: it cannot be fetched or read, is no image in one of the `FORMATS`, has more than `MAX_PIXELS`
            pixels, or values that are brighter than white or darker than black.
    """
    is_url = location.lower().startswith(("http://", "https://"))
    path = _cached(location) if is_url else Path(location)
    try:
        pixels = _decode(path)
    except Exception as error:  # every decoder has its own exceptions for a file that is broken
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            known = _begins(path)
            reason = "it is damaged" if known else f"it is not an image in one of the formats {', '.join(FORMATS)}"
        if is_url:
            path.unlink(missing_ok=True)  # next time the server may have something better
        raise InputError(f"cannot read the image '{location}': {reason}") from None
    return pixels.expand(3, -1, -1).contiguous()


def _begins(path: Path) -> bool:
    """Whether a file has the first bytes of an image."""
    with path.open("rb") as file:
        return file.read(4).startswith((b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*"))


class ImageFile(File):
    """An image file, which is read once, when its pixels are asked for."""

    @cached_property
    def pixels(self) -> Tensor:
        """[3, H, W] in [0, 1].

        Raises:
            InputError: as `read_image`.
        """
        return read_image(self)

    def resized(self, width: int, height: int) -> Tensor:
        """[3, height, width] in [0, 1], stretched if the shape is another."""
        return resample(self.pixels[None], width, height)[0].clamp(0, 1)


class _Pictures(Files):
    name = "path or URL of an image"

    def finish(self, item: object, param: Param) -> ImageFile:
        del param
        return ImageFile(item)

    def example(self) -> str:
        return "my-photo.jpg"


Picture = Annotated[ImageFile, _Pictures()]
"""For annotations: `Annotated[Picture, Param("What is laid over.")]`; the component gets an `ImageFile`."""


def _decode(path: Path) -> Tensor:
    """[3, H, W], or [1, H, W] for gray, in [0, 1]."""
    if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe would be waited for
        raise ValueError("it is no file")
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    # From a stream, as Pillow maps files with a name into memory, and garbles TIFFs that are turned by it.
    with (
        warnings.catch_warnings(action="ignore"),
        path.open("rb") as stream,
        Image.open(stream, formats=formats) as file,
    ):
        if file.width * file.height > MAX_PIXELS:
            raise ValueError(f"it has {file.width}x{file.height} pixels; at most {MAX_PIXELS:,} are read")
        upright: Image.Image = ImageOps.exif_transpose(file)
        return _deep_gray(upright) if upright.mode.startswith(("I", "F")) else _colors(upright)


def _colors(image: Image.Image) -> Tensor:
    """[3, H, W] in [0, 1], of a mode with 8 bits or fewer for each channel."""
    in_srgb = _converter(image)
    colors = torch.empty(3, image.height, image.width)
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        band = image.crop((0, top, image.width, bottom))
        band.info = image.info  # where a colour that is transparent stands
        if band.has_transparency_data:
            band = band.convert("RGBA")
            band = Image.alpha_composite(Image.new("RGBA", band.size, "white"), band)
        colors[:, top:bottom] = torch.from_numpy(np.array(in_srgb(band))).permute(2, 0, 1)
    return colors.div_(255)


def _converter(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What makes sRGB of a band: by the colour profile, as of phones, if there is one that says something else."""
    mode = "CMYK" if image.mode == "CMYK" else "RGB"
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        if "srgb" in ImageCms.getProfileDescription(profile).lower():  # or rounding would change what is right
            raise KeyError
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (KeyError, ImportError, OSError, TypeError, ImageCms.PyCMSError):
        return lambda band: band.convert("RGB")
    return lambda band: ImageCms.applyTransform(band.convert(mode), transform) or band


def _deep_gray(image: Image.Image) -> Tensor:
    """[1, H, W] in [0, 1], of a mode with more than 8 bits, which Pillow would cut off at 255.

    Raises ValueError if there are values outside of black and white, so that nobody knows what they mean.
    """
    white = 1 if image.mode == "F" else 65535
    values = torch.from_numpy(np.array(image, dtype=np.float32))[None]
    if not ((values >= 0) & (values <= white)).all():  # nan fails, too
        low, high = values.aminmax()
        raise ValueError(f"its values are from {low:g} to {high:g}, not 0 (black) to {white} (white)")
    return (values / white).where(values != image.info.get("transparency", -1), 1)


def _cached(url: str) -> Path:
    path = Path.home() / ".cache" / "img" / hashlib.md5(url.encode(), usedforsecurity=False).hexdigest()
    if not path.exists():
        try:
            fetch(url, path, max_bytes=MAX_DOWNLOAD, max_seconds=MAX_SECONDS)
        except FetchError as error:
            raise InputError(f"cannot fetch '{url}': {error}") from None
    return path


def to_image(image: Tensor) -> Image.Image:
    """[1, 3, H, W], clamped to [0, 1] and rounded to 8 bits, as a picture of Pillow.

    Raises:
        RunError: some of the values are not finite.
    """
    if not image.isfinite().all():
        raise RunError("the picture has values that are not finite; a smaller learnrate may help")
    return Image.fromarray((image[0].clamp(0, 1) * 255).round().to("cpu", torch.uint8).permute(1, 2, 0).numpy())


def to_png(image: Tensor, text: str = "") -> bytes:
    """[1, 3, H, W], clamped to [0, 1] and rounded to 8 bits, as PNG; `text` is a config that goes inside.

    Raises:
        RunError: some of the values are not finite.
    """
    info = PngImagePlugin.PngInfo()
    if text:
        info.add_itxt("clipig", text, zip=True)
    file = io.BytesIO()
    to_image(image).save(file, "PNG", pnginfo=info)
    return file.getvalue()
