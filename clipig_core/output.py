"""Names that are never overwritten, and files that appear whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from clipig_core.errors import InputError, RunError


class Output:
    """The pair of files that a run owns from its start: `<name>.png`, and `<name>.yaml` beside it."""

    def __init__(self, image: Path) -> None:
        self.image = image
        self.config = image.with_suffix(".yaml")

    @classmethod
    def claim(cls, output: str, stem: str) -> Output:
        """Reserve the first free name of `demo`, `demo-1`, `demo-2`, ...

        `output` is a directory (existing, or ending with a slash), where `stem` gives the name, or a `.png` filename.
        The files are created empty, so that two runs started together get two names.

        Raises:
            InputError: `output` is neither, or the directory cannot be written to.
        """
        try:
            folder, stem = _split(output, stem)
            folder.mkdir(parents=True, exist_ok=True)
            for name in _names(stem):
                files = cls(folder / f"{name}.png")
                if _create(files.config):
                    if _create(files.image):
                        return files
                    files.config.unlink()
        except (OSError, ValueError) as error:
            raise InputError(f"cannot write to '{output}': {getattr(error, 'strerror', None) or error}") from None
        raise AssertionError

    def release(self) -> None:
        """Give up what was never written."""
        for path in (self.image, self.config):
            _part(path).unlink(missing_ok=True)
            if path.exists() and path.stat().st_size == 0:
                path.unlink()


def check_name(output: str) -> None:
    """Raises ValueError if it is neither a directory nor a `.png` filename."""
    _split(output, "")


def _split(output: str, stem: str) -> tuple[Path, str]:
    """The directory and the name without ending."""
    path = os.path.expanduser(output)  # noqa: PTH111 - Path drops the slash at the end
    if path.endswith(("/", os.sep)) or os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises if it is too long
        return Path(path), stem
    if not path.lower().endswith(".png"):
        raise ValueError(f"'{output}' is neither a directory (ending with '/') nor a '.png' file")
    return Path(path).parent, Path(path).stem


def _names(stem: str) -> Iterator[str]:
    """`demo`, `demo-1`, `demo-2`, ...; for `demo-7` on from there."""
    yield stem
    base, dash, number = stem.rpartition("-")
    numbered = bool(base and dash and number.isdecimal())
    for following in count(int(number) + 1 if numbered else 1):
        yield f"{base if numbered else stem}-{following}"


def _create(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    return True


def _part(path: Path) -> Path:
    """Where the content of a file grows until it is whole."""
    return path.with_name(f".clipig-{os.getpid()}.part")


def save(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the new one, never half of it.

    Raises:
        RunError: it cannot be written; the old file is untouched.
    """
    part = _part(path)
    try:
        mode = path.stat().st_mode if path.exists() else 0o644
        part.write_bytes(content)
        part.chmod(mode)
        part.replace(path)
    except OSError as error:
        raise RunError(f"cannot write '{path}': {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):  # what went wrong before says more
            part.unlink(missing_ok=True)
