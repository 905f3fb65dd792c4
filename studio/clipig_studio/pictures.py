"""The pictures and configs of the folder, under ids: no name that comes from outside ever becomes a path."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from clipig_studio.favourites import Favourites

MOST = 1000
THUMBNAIL = 320
MASK = 2048
LARGEST = 256_000_000
"""Bytes of a file that is shown."""
FILMS = {".webp": "image/webp", ".gif": "image/gif"}
"""Suffixes of moving pictures that browsers show like others."""


@dataclass(frozen=True)
class Picture:
    """A PNG file of the folder as it was at a time: its id, and the config inside, if clipig made it."""

    id: str
    path: Path
    time: float
    size: tuple[int, int]
    config: str

    @property
    def film(self) -> Path | None:
        """How it grew, if that is beside it."""
        beside = filter(regular, map(self.path.with_suffix, FILMS))
        return next((path for path in beside if path.stat().st_size < LARGEST), None)

    @property
    def resumable(self) -> bool:
        """Whether its run can be gone on with."""
        return regular(self.path.with_suffix(".checkpoint"))

    def summary(self, favourites: Collection[str] = ()) -> dict[str, Any]:
        about = {"id": self.id, "name": self.path.stem, "time": self.time, "size": self.size, "made": bool(self.config)}
        can = {"film": self.film is not None, "resumable": self.resumable}
        return {**about, **can, "favourite": self.path.name in favourites}


class Pictures:
    """The folder's pictures, newest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.favourites = Favourites(folder)
        self._known: dict[str, Picture] = {}

    def listed(self, word: str = "", favourites: bool = False) -> list[dict[str, Any]]:
        """Those whose name or config has a word, or only those that are favourites."""
        word, liked = word.casefold(), self.favourites.names
        shown = [one for one in self.all() if word in one.path.stem.casefold() or word in one.config.casefold()]
        return [one.summary(liked) for one in shown if not favourites or one.path.name in liked]

    def all(self) -> Collection[Picture]:
        """The pictures; looks at the folder anew."""
        found = {}
        for path in self.folder.glob("*.png"):
            if regular(path) and 0 < (status := path.stat()).st_size < LARGEST:
                key = hashlib.sha256(path.name.encode()).hexdigest()[:16]
                picture = self._known.get(key)
                if not picture or picture.time != status.st_mtime:
                    picture = read(key, path, status.st_mtime)
                if picture:
                    found[key] = picture
        self._known = dict(sorted(found.items(), key=lambda item: -item[1].time)[:MOST])
        return self._known.values()

    def __getitem__(self, key: str) -> Picture:
        """The picture of an id; LookupError if it is not in the folder any more."""
        if key not in self._known:
            self.all()
        return self._known[key]

    def configs(self) -> dict[str, str]:
        """The YAML files that belong to no picture, by name."""
        found = sorted(filter(regular, self.folder.glob("*.yaml")))
        alone = [path for path in found if not path.with_suffix(".png").exists() and path.stat().st_size < 256_000]
        return {path.name: path.read_text("utf-8", errors="replace") for path in alone[:MOST]}


def regular(path: Path) -> bool:
    """Whether a file is there, and no link, which may lead out of the folder."""
    return path.is_file() and not path.is_symlink()


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
        raise ValueError(f"this picture cannot be read: {reason(error)}") from None
    if not text:
        raise ValueError("this picture holds no config; it was not made by clipig")
    return text


def keep_mask(folder: Path, content: bytes) -> str:
    """Write a painted PNG below a folder, as gray pixels and nothing else, under a name made of them; returns that.

    Raises:
        ValueError: it is no such picture, too large, or cannot be written.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if max(image.size) > MASK:
                raise ValueError(f"it has more than {MASK} pixels at a side")
            gray = image.convert("L")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"this mask cannot be read: {reason(error)}") from None
    key = hashlib.sha256(repr(gray.size).encode() + gray.tobytes()).hexdigest()[:16]
    path = folder / "masks" / f"{key}.png"
    try:
        path.parent.mkdir(exist_ok=True)
        if path.parent.is_symlink():
            raise ValueError("the folder 'masks' is a link, which is not followed")
        if not path.exists():
            with path.open("xb") as file:
                gray.save(file, "PNG")
    except OSError as error:
        raise ValueError(f"this mask cannot be kept: {error.strerror}") from None
    return f"masks/{path.name}"


def reason(error: Exception) -> str:
    """Why a file cannot be read, for people."""
    return "it is no PNG, or a damaged one" if isinstance(error, UnidentifiedImageError) else str(error)


def config_in(image: Image.Image) -> str:
    """What clipig wrote into it; empty if that is nothing."""
    text = image.info.get("clipig")
    return str(text) if isinstance(text, str) else ""


def film(picture: Picture) -> tuple[str, bytes]:
    """The suffix and the content of a picture's film.

    Raises:
        LookupError: there is none.
    """
    path = picture.film
    if not path:
        raise LookupError(picture.id)
    return path.suffix, path.read_bytes()


@lru_cache(maxsize=300)
def thumbnail(picture: Picture) -> bytes:
    """A small WebP of a picture."""
    with Image.open(picture.path, formats=["PNG"]) as image:
        small = image.convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    encoded = io.BytesIO()
    small.save(encoded, "WEBP", quality=85)
    return encoded.getvalue()
