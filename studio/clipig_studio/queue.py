"""What waits, kept for the next start."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

Waiting = tuple[str, str, str]
"""What a job does, its name and its config."""


class Queue:
    """The kinds, names and configs of the jobs that wait, in a file.

    It lies in the user's cache, not in the folder of the pictures: what runs without being asked must not come with a
    folder of somebody else's.
    """

    def __init__(self, folder: Path) -> None:
        key = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        self.path = Path.home() / ".cache" / "clipig-studio" / f"{key}.json"

    def read(self) -> list[Waiting]:
        """What was written last; nothing if that cannot be read."""
        with contextlib.suppress(OSError, ValueError):
            return [(str(kind), str(name), str(text)) for kind, name, text in json.loads(self.path.read_bytes())]
        return []

    def write(self, waiting: Sequence[Waiting]) -> None:
        """Keep this; a disk that is full or read-only costs no run."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
            if waiting:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.write_text(json.dumps(waiting))
