"""Reading, fetching and encoding images."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from clipig_core.errors import InputError, RunError
from clipig_core.fetch import FetchError, fetch

MAX_PIXELS = 200_000_000
MAX_DOWNLOAD = 100_000_000
MAX_SECONDS = 120.0


def read_image(location: str) -> Tensor:
    """[3, H, W] in [0, 1] of an image file or http(s) URL, upright, on white where it is transparent.

    Raises:
        InputError: it cannot be fetched or read, is no image, or has more than `MAX_PIXELS` pixels.
    """
    path = _cached(location) if location.lower().startswith(("http://", "https://")) else Path(location)
    try:
        with (
            warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
            Image.open(path) as file,
        ):
            if file.width * file.height > MAX_PIXELS:
                raise InputError(f"'{location}' has {file.width}x{file.height} pixels; at most {MAX_PIXELS:,} are read")
            upright: Image.Image = ImageOps.exif_transpose(file)
            if upright.mode.startswith("I;16"):  # Pillow would cut 16 bits of grey off at 255
                upright = Image.fromarray((np.asarray(upright) // 257).astype(np.uint8))
            image = upright.convert("RGBA")
    except UnidentifiedImageError:
        raise InputError(f"'{location}' is not an image in a format that Pillow reads") from None
    except InputError:
        raise
    except Exception as error:  # every decoder has its own exceptions for a file that is broken
        raise InputError(f"cannot read the image '{location}': {error}") from None
    white = Image.new("RGBA", image.size, "white")
    pixels = np.asarray(Image.alpha_composite(white, image).convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


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
