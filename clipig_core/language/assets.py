"""Files that a config names, by name and content, so that a config means the same on another machine.

`boat.png#sha256:9f86...` is the file `boat.png` with this content. It is looked for beside the config and in the
current directory, and then where this machine has seen it last.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterable
from pathlib import Path

_HASHED = re.compile(r"(?P<name>.+)#sha256:(?P<digest>[0-9a-f]{64})")


def hashed(path: str | Path, name: str = "") -> str:
    """How a file is written with its content; this machine remembers where it is.

    Raises:
        OSError: it cannot be read.
    """
    path = Path(path).absolute()
    digest = digest_of(path)
    _remember(digest, path)
    return f"{name or path.name}#sha256:{digest}"


def bare(written: str) -> str:
    """The name without the content."""
    match = _HASHED.fullmatch(written)
    return match["name"] if match else written


def find(written: str, folders: Iterable[Path]) -> Path:
    """The file of a name, in the first of some folders that has it.

    Raises:
        ValueError: there is none, or none with the right content.
    """
    match = _HASHED.fullmatch(written)
    candidates = [folder / Path(bare(written)).expanduser() for folder in folders if _usable(folder, written)]
    if match:
        candidates += _remembered(match["digest"])
    present = [path.absolute() for path in candidates if _is_file(path)]
    found = [path for path in present if not match or digest_of(path) == match["digest"]]
    if found:
        return found[0]
    if present:
        raise ValueError(f"the file '{bare(written)}' is not the one that is meant: its content is another")
    raise ValueError(f"there is no file '{bare(written)}'")


def digest_of(path: Path) -> str:
    """SHA-256 of the content, in hexadecimal."""
    state = path.stat()
    return _digest(path, state.st_mtime_ns, state.st_size)


@functools.cache
def _digest(path: Path, _changed: int, _size: int) -> str:
    import hashlib  # here, as it costs a tenth of the time that help and listings need

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _usable(_folder: Path, written: str) -> bool:
    with contextlib.suppress(RuntimeError):  # a home that is not there
        Path(bare(written)).expanduser()
        return True
    return False


def _is_file(path: Path) -> bool:
    with contextlib.suppress(OSError):  # names that are too long
        return path.is_file()
    return False


def _index(digest: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "clipig" / "assets" / digest


def _remember(digest: str, path: Path) -> None:
    with contextlib.suppress(OSError, RuntimeError):  # a cache that cannot be written
        index = _index(digest)
        if not index.exists() or index.read_text("utf-8") != str(path):
            index.parent.mkdir(parents=True, exist_ok=True)
            index.write_text(str(path), "utf-8")


def _remembered(digest: str) -> list[Path]:
    with contextlib.suppress(OSError, RuntimeError, UnicodeError):
        return [Path(_index(digest).read_text("utf-8"))]
    return []
