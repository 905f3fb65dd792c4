"""Pictures in the formats of Pillow, with the config inside where a format has a place for it."""

from __future__ import annotations

import io
import logging
from typing import Annotated, Any, Literal

from PIL import Image, PngImagePlugin

from clipig_core import Param
from clipig_core.kit import exif

log = logging.getLogger("clipig")

Format = Literal["png", "jpg", "webp", "avif"]
Quality = Annotated[int, Param("0 is the smallest file, 100 the best picture.", min=0, max=100)]

NAMES = {"jpg": "JPEG"}
"""What Pillow calls a format, if it does not call it as its suffix."""

MOST_EXIF = 65_533
"""Bytes that fit into a JPEG."""


def encode(image: Image.Image, suffix: str, quality: int, text: str = "") -> bytes:
    """A picture as a file with this suffix, `text` inside."""
    file = io.BytesIO()
    image.save(file, NAMES.get(suffix, suffix), **_options(suffix, quality), **_inside(suffix, text))
    return file.getvalue()


def need(suffix: str) -> None:
    """Raises ValueError if this build of Pillow cannot write pictures with this suffix."""
    Image.init()
    if NAMES.get(suffix, suffix).upper() not in Image.SAVE:
        raise ValueError(f"this build of Pillow cannot write {suffix}")


def _options(suffix: str, quality: int) -> dict[str, Any]:
    if suffix == "png":
        return {}
    full_color = {"subsampling": "4:4:4"} if quality >= 90 and suffix in ("jpg", "avif") else {}
    return {"quality": quality, **full_color}


def _inside(suffix: str, text: str) -> dict[str, Any]:
    if not text:
        return {}
    if suffix == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("clipig", text, zip=True)
        return {"pnginfo": info}
    data = exif(text)
    if suffix == "jpg" and len(data) > MOST_EXIF:
        log.warning("the config has %d bytes, too many for a JPEG, and is not inside", len(data))
        return {}
    return {"exif": data}
