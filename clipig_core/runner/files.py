"""Output names that are never overwritten, and files that appear whole."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

from clipig_core.config import split_output
from clipig_core.errors import InputError, RunError


class Output:
    """The pair of files that a run owns from its start: `<name>.png`, and `<name>.yaml` beside it."""

    def __init__(self, image: Path) -> None:
        self.image = image
        self.config = image.with_suffix(".yaml")

    @classmethod
    def claim(
        cls, output: str, stem: str, mark: str = "", others: Callable[[Path], Iterable[Path]] = lambda _: ()
    ) -> Output:
        """Reserve the first free name of `demo`, `demo-1`, `demo-2`, ...

        `output` is a directory (existing, or ending with a slash), where `stem` gives the name, or a `.png` filename.
        `mark` is put behind the name.
        `others` are the files that are written beside such a picture, given its path without ending; a name is free
        only if they are not there. The two files are created empty, so that runs started together get two names.

        Raises:
            InputError: `output` is neither, or the directory cannot be written to.
        """
        try:
            folder, given = split_output(output)
            stem = (given or stem) + mark
            folder.mkdir(parents=True, exist_ok=True)
            for name in _names(stem):
                if any(path.exists() for path in others(folder / name)):
                    continue
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
            if path.exists() and path.stat().st_size == 0:
                path.unlink()


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


def save(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the new one, never half of it, also after a loss of power.

    Raises:
        RunError: it cannot be written; the old file is untouched.
    """
    try:
        mode = path.stat().st_mode if path.exists() else 0o644
        handle, part = tempfile.mkstemp(prefix=".clipig-", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(part).chmod(mode)
            Path(part).replace(path)
        finally:
            with contextlib.suppress(OSError):  # what went wrong before says more
                Path(part).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot write '{path}': {error.strerror}") from None
