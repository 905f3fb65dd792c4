"""Output names that are never overwritten, and files that appear whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

from clipig_core.config.sections import split_output
from clipig_core.errors import InputError, RunError

_Identity = tuple[int, int, int, int]
_ours: dict[str, _Identity] = {}
"""The files of this process, by their path, as they were when they were saved."""


class Output:
    """The pair of files of a run: `<name>.png`, and `<name>.yaml` beside it, which appear when they are saved first.

    Until then nothing is there, not even their folder, so that a run that ends early leaves nothing. Among the runs of
    a machine the name is taken from the start.
    """

    def __init__(self, image: Path) -> None:
        self.image = image
        self.config = image.with_suffix(".yaml")
        self.saved = False
        self._release: Callable[[], object] = lambda: None

    @classmethod
    def claim(cls, output: str, stem: str, others: Callable[[Path], Iterable[Path]] = lambda _: ()) -> Output:
        """Take the name of an output, under which nothing is there.

        For a directory (existing, or ending with a slash) it is the first free one of `stem`, `stem-1`, `stem-2`, ...;
        a `.png` filename is taken as it is, or refused. `others` are the files that are written beside such a picture,
        given its path without ending; a name is free only if they are not there either.

        Raises:
            InputError: `output` is neither, the directory cannot be written to, or the file is there.
        """
        try:
            folder, given = split_output(output)
            wanted = folder / (given or stem)
            candidates = [folder / f"{wanted.name}.yaml", *others(wanted)]
            _try_out(max(candidates, key=lambda path: len(os.fsencode(path.name))))  # as names can be too long
            for name in [given] if given else _names(stem):
                files = cls(folder / f"{name}.png")
                beside = [] if given else [files.config]
                taken = next(filter(_exists, [files.image, *beside, *others(folder / name)]), None)
                if not taken and files._take():
                    return files
            raise _is_there(taken) if taken else InputError(f"another run is about to write '{files.image}'")
        except (OSError, ValueError) as error:
            raise InputError(f"cannot write to '{output}': {getattr(error, 'strerror', None) or error}") from None

    @classmethod
    def again(cls, image: Path, before: Iterable[Path] = (), others: Iterable[Path] = ()) -> Output:
        """Take the name of a picture whose files are there, as a run goes on with them.

        `before` are the files that were written beside the picture until now, `others` those that will be.

        Raises:
            InputError: a run that has not ended writes them, or one of `others` is somebody else's.
        """
        ours = [*before]
        for path in others:
            if path not in ours and _exists(path):
                raise InputError(f"'{path}' exists, is not of the run that is gone on with, and is not replaced")
        files = cls(image)
        if not files._take():
            raise InputError(f"another run writes '{image}'")
        for path in (files.image, files.config, *ours):
            adopt(path)
        return files

    def make_folder(self) -> None:
        """Raises RunError if there is none and it cannot be made."""
        try:
            self.image.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write '{self.image}': {error.strerror}") from None

    def save(self, png: bytes, config: bytes) -> None:
        """Write both files. If somebody else's file has the name of the config, it is only inside of the picture.

        Raises:
            RunError: the picture cannot be written.
        """
        if not self.saved:  # a folder that was there and is gone may be that of a disk
            self.make_folder()
        save(self.image, png)
        self.saved = True
        if replaceable(self.config):
            save(self.config, config)

    def save_elsewhere(self, png: bytes, config: bytes) -> Output:
        """Write both files to the next best place: the current directory, home, or the one for temporary files.

        Raises:
            RunError: none of them takes it.
        """
        for folder in (Path(), Path.home(), Path(tempfile.gettempdir())):
            with contextlib.suppress(InputError, RunError):
                other = Output.claim(f"{folder}/", self.image.stem)
                other.save(png, config)
                return other
        raise RunError("no place is left for the picture")

    def release(self) -> None:
        """Give up the name, which happens anyway when nobody has this object any more."""
        self._release()

    def _take(self) -> bool:
        """Take the name among the runs of this machine, until the process ends, however it ends.

        Where the kernel has no such names, two runs that are started together may choose the same one; the second to
        save its picture then saves it elsewhere.
        """
        if sys.platform != "linux":
            return True
        digest = hashlib.sha256(os.fsencode(self.image.resolve())).hexdigest()
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._release = weakref.finalize(self, name.close)
        try:
            name.bind(f"\0clipig {digest}")
        except OSError:
            self._release()
            return False
        return True


def check_free(output: str) -> None:
    """Find out early, before anything is loaded, that `output` names a picture that is there.

    Raises:
        InputError: it is. What else is wrong with it is left to `Output.claim`.
    """
    with contextlib.suppress(OSError, ValueError):
        folder, name = split_output(output)
        if name and _exists(folder / f"{name}.png"):
            raise _is_there(folder / f"{name}.png")


def _is_there(path: Path) -> InputError:
    return InputError(f"'{path}' exists, and is not replaced; name another file, or a directory")


def _names(stem: str) -> Iterator[str]:
    """`demo`, `demo-1`, `demo-2`, ...; for `demo-7` on from there."""
    yield stem
    base, dash, number = stem.rpartition("-")
    numbered = bool(base and dash and number.isdecimal())
    for following in count(int(number) + 1 if numbered else 1):
        yield f"{base if numbered else stem}-{following}"


def _try_out(path: Path) -> None:
    """Raises OSError if no file of this name can be made. Nothing is left of the trial, nor of folders made for it."""
    made: list[Path] = []
    try:
        for missing in reversed([folder for folder in path.parents if not folder.exists()]):
            missing.mkdir()
            made.append(missing)
        _exists(path)
        part, handle = _part(path.parent)
        os.close(handle)
        part.unlink()
    finally:
        for one in reversed(made):
            with contextlib.suppress(OSError):  # somebody else uses it by now
                one.rmdir()


def save(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the new one, never half of it, also after a loss of power.

    Only what this process saved there is replaced, if nobody has changed it since.

    Raises:
        RunError: it cannot be written, or somebody else's file is there; that file is untouched.
    """
    try:
        part, handle = _part(path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _put(part, path)
        finally:
            with contextlib.suppress(OSError):  # what went wrong before says more
                part.unlink(missing_ok=True)
    except FileExistsError:
        raise RunError(f"cannot write '{path}': another program's file is there, which is not replaced") from None
    except OSError as error:
        raise RunError(f"cannot write '{path}': {error.strerror}") from None


def adopt(path: Path) -> None:
    """Let `save` replace what is at a path, as if this process had saved it."""
    with contextlib.suppress(FileNotFoundError):
        _ours[os.path.abspath(path)] = _identity(path)  # noqa: PTH100 - resolve() would follow a link


def replaceable(path: Path) -> bool:
    """Whether `save` may write there: nothing is there, or what this process saved."""
    try:
        return _ours.get(os.path.abspath(path)) == _identity(path)  # noqa: PTH100
    except (FileNotFoundError, NotADirectoryError):
        return True


def _part(folder: Path) -> tuple[Path, int]:
    """A new file with a name that no other process has, also if its number or its random numbers are the same."""
    part = folder / f".clipig-{secrets.token_hex(8)}.part"
    return part, os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)


def _put(part: Path, path: Path) -> None:
    """Give a finished file its name. Raises FileExistsError if that is the name of somebody else's."""
    if not replaceable(path):
        raise FileExistsError
    if _exists(path):
        part.chmod(path.stat().st_mode)
        part.replace(path)
    else:
        _put_first(part, path)
    adopt(path)


def _put_first(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)  # which fails if the name is taken in this moment, as a rename does not
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        part.replace(path)


def _exists(path: Path) -> bool:
    """Whether something has this name, a link that leads nowhere included."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _identity(path: Path) -> _Identity:
    found = path.lstat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
