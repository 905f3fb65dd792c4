"""The pictures and configs of the folder, under ids: no name that comes from outside ever becomes a path."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

MOST = 1000
THUMBNAIL = 320


@dataclass(frozen=True)
class Picture:
    """A PNG file of the folder as it was at a time: its id, and the config inside, if clipig made it."""

    id: str
    path: Path
    time: float
    size: tuple[int, int]
    config: str

    def summary(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.path.stem, "time": self.time, "size": self.size, "made": bool(self.config)}


class Pictures:
    """The folder's pictures, newest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Picture] = {}

    def listed(self, word: str = "") -> list[dict[str, Any]]:
        """Those whose name or config has a word; looks at the folder anew."""
        found = {}
        for path in self.folder.glob("*.png"):
            if path.is_file() and not path.is_symlink() and (status := path.stat()).st_size:
                key = hashlib.sha256(path.name.encode()).hexdigest()[:16]
                picture = self._known.get(key)
                if not picture or picture.time != status.st_mtime:
                    picture = read(key, path, status.st_mtime)
                if picture:
                    found[key] = picture
        self._known = dict(sorted(found.items(), key=lambda item: -item[1].time)[:MOST])
        word = word.casefold()
        shown = self._known.values()
        return [one.summary() for one in shown if word in one.path.stem.casefold() or word in one.config.casefold()]

    def __getitem__(self, key: str) -> Picture:
        """The picture of an id; LookupError if it is not in the folder any more."""
        if key not in self._known:
            self.listed()
        return self._known[key]

    def configs(self) -> dict[str, str]:
        """The YAML files that belong to no picture, by name."""
        found = sorted(path for path in self.folder.glob("*.yaml") if path.is_file() and not path.is_symlink())
        alone = [path for path in found if not path.with_suffix(".png").exists() and path.stat().st_size < 256_000]
        return {path.name: path.read_text("utf-8", errors="replace") for path in alone[:MOST]}


def read(key: str, path: Path, time: float) -> Picture | None:
    """A picture with its config; None if it is none, or half written."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return Picture(key, path, time, image.size, config_in(image))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def opened(content: bytes) -> str:
    """The config inside of a PNG file.

    Raises:
        ValueError: there is none.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            text = config_in(image)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"this picture cannot be read: {error}") from None
    if not text:
        raise ValueError("this picture holds no config; it was not made by clipig")
    return text


def config_in(image: Image.Image) -> str:
    """What clipig wrote into it; empty if that is nothing."""
    text = image.info.get("clipig")
    return str(text) if isinstance(text, str) else ""


@lru_cache(maxsize=300)
def thumbnail(picture: Picture) -> bytes:
    """A small WebP of a picture."""
    with Image.open(picture.path, formats=["PNG"]) as image:
        small = image.convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    encoded = io.BytesIO()
    small.save(encoded, "WEBP", quality=85)
    return encoded.getvalue()
