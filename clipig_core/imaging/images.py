"""Reading, fetching and encoding images."""

from __future__ import annotations

import hashlib
import io
import warnings
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from clipig_core.downloads import FetchError, fetch
from clipig_core.errors import InputError, RunError
from clipig_core.imaging.resample import resample
from clipig_core.language.types import File, Files, Param

MAX_PIXELS = 150_000_000  # Pillow's own limit is a little above
MAX_DOWNLOAD = 100_000_000
MAX_SECONDS = 120.0


def read_image(location: str) -> Tensor:
    """[3, H, W] in [0, 1] of an image file or http(s) URL, upright, on white where it is transparent.

    Of an animation it is the first frame. Whole numbers of more than 8 bits have 65535 as white, floats have 1.

    Raises:
        InputError: it cannot be fetched or read, is no image, has more than `MAX_PIXELS` pixels, or values that are
            brighter than white or darker than black.
    """
    is_url = location.lower().startswith(("http://", "https://"))
    path = _cached(location) if is_url else Path(location)
    try:
        pixels = _decode(path)
    except Exception as error:  # every decoder has its own exceptions for a file that is broken
        if is_url:
            path.unlink(missing_ok=True)  # next time the server may have something better
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = "it is not an image in a format that Pillow reads"
        raise InputError(f"cannot read the image '{location}': {reason}") from None
    return pixels.expand(3, -1, -1).contiguous()


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

    def finish(self, item: Any, param: Param) -> ImageFile:
        del param
        return ImageFile(item)

    def example(self) -> str:
        return "my-photo.jpg"


Picture = Annotated[ImageFile, _Pictures()]
"""For annotations: `Annotated[Picture, Param("What is laid over.")]`; the component gets an `ImageFile`."""


def _decode(path: Path) -> Tensor:
    """[3, H, W], or [1, H, W] for gray, in [0, 1]."""
    # From a stream, as Pillow maps files with a name into memory, and garbles TIFFs that are turned by it.
    with warnings.catch_warnings(action="ignore"), path.open("rb") as stream, Image.open(stream) as file:
        if file.format == "EPS":
            raise ValueError("Pillow would run it as a program, as PostScript is one; save it as PNG")
        if file.width * file.height > MAX_PIXELS:
            raise ValueError(f"it has {file.width}x{file.height} pixels; at most {MAX_PIXELS:,} are read")
        upright: Image.Image = ImageOps.exif_transpose(file)
        return _deep_gray(upright) if upright.mode.startswith(("I", "F")) else _colors(upright)


def _colors(image: Image.Image) -> Tensor:
    """[3, H, W] in [0, 1], of a mode with 8 bits or fewer for each channel."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1) / 255


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


def to_png(image: Tensor, texts: dict[str, str]) -> bytes:
    """[1, 3, H, W], clamped to [0, 1] and rounded to 8 bits, as PNG with text fields.

    Raises:
        RunError: some of the values are not finite.
    """
    if not image.isfinite().all():
        raise RunError("the picture has values that are not finite; a smaller learnrate may help")
    pixels = (image[0].clamp(0, 1) * 255).round().to("cpu", torch.uint8).permute(1, 2, 0).numpy()
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text, zip=True)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=info)
    return file.getvalue()
