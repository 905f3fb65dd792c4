"""Which pictures somebody likes best, kept in their folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path

MOST = 1000
LARGEST = 2_000_000
"""Bytes of so many names, whatever is in them."""


class Favourites:
    """Names of pictures, in a file. Whatever is in that file, names from it are compared, and never opened."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / ".favourites.json"
        self.names = self._read()

    def _read(self) -> set[str]:
        with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
            if self.path.is_file() and not self.path.is_symlink() and self.path.stat().st_size < LARGEST:
                return {str(name) for name in json.loads(self.path.read_bytes())}
        return set()

    def mark(self, name: str, wanted: bool) -> None:
        """Add or take away a picture.

        Raises:
            ValueError: there are too many, or the folder takes no file.
        """
        if wanted and len(self.names) >= MOST:
            raise ValueError(f"there are {MOST:,} favourites already")
        names = self.names | {name} if wanted else self.names - {name}
        part = self.path.with_name(f".favourites-{secrets.token_hex(8)}.part")
        try:
            with part.open("x") as file:  # never through a link
                json.dump(sorted(names), file, indent=0)
            os.replace(part, self.path)  # noqa: PTH105 - of what may be a link, too
        except OSError as error:
            part.unlink(missing_ok=True)
            raise ValueError(f"the favourites cannot be kept: {error.strerror}") from None
        self.names = names
