"""The config inside of a picture: where formats have a place for it, and how it is read from there."""

from __future__ import annotations

import warnings
from pathlib import Path

MARK = "# clipig\n"
"""What the text begins with where others write texts, too."""

ASCII, UNICODE = b"ASCII\x00\x00\x00", b"UNICODE\x00"
"""How a comment in EXIF is written."""


def is_picture(head: bytes) -> bool:
    """Whether a file that begins with these bytes, at least 12, is a picture that can hold a config."""
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8")) or (
        (head[:4], head[8:12]) == (b"RIFF", b"WEBP") or head[4:11] == b"ftypavi"
    )


def comment(text: str) -> bytes:
    """A config as a comment, for formats that have comments: GIF, and JPEG."""
    return (MARK + text).encode() if text else b""


def exif(text: str) -> bytes:
    """EXIF data with a config as the user's comment."""
    from PIL import ExifTags, Image

    if not text:
        return b""
    text = MARK + text
    data = Image.Exif()
    written = ASCII + text.encode() if text.isascii() else UNICODE + text.encode("utf-16-be")
    data.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = written
    return data.tobytes()


def embedded(path: str | Path) -> str | None:
    """The config in a picture, or None if there is none.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    from PIL import ExifTags, Image

    with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
        text = image.info.get("clipig")
        if isinstance(text, str):
            return text
        written = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
        for found in (written, image.info.get("comment")):
            text = _decoded(found)
            if text.startswith(MARK):
                return text.removeprefix(MARK)
    return None


def _decoded(written: object) -> str:
    if not isinstance(written, bytes):
        return ""
    if written.startswith(UNICODE):
        return written.removeprefix(UNICODE).decode("utf-16-be", "replace")
    return written.removeprefix(ASCII).decode("utf-8", "replace")
