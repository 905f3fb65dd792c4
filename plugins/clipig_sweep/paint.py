"""Painting one picture of a sweep, in the process of a worker."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import logging
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from clipig_core import ClipigError
from clipig_core.kit import Document, Models, Registry, Run, check, execute, inside, outputs, thumbnail, to_png
from clipig_sweep.plan import Job, changed

THUMBNAIL = 192
STEM = "picture"

_models: Models = {}
"""Of this process: a worker loads each once."""


@functools.cache
def _registry() -> Registry:
    return Registry()


@dataclass
class Painted:
    """What came of a job: a row of the table, files by the ends of their names, and what was logged.

    The picture is `.png`, if there is one; others come from the outputs of the config.
    """

    row: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    log: str = ""


@dataclass(frozen=True)
class Painter:
    """Paints jobs, which are changes of one document. It can be pickled."""

    base: Document
    folder: Path = field(default_factory=Path.cwd)
    """Where the sweep was started. Files are looked for from there, in whichever folder a worker began."""

    def __call__(self, job: Job) -> Painted:
        """The picture of a job; what is wrong with it is in the row, as `error`."""
        start, painted = time.monotonic(), Painted()
        with contextlib.suppress(OSError):  # a machine without it may have all that is needed
            os.chdir(self.folder)
        with _logged() as lines:
            try:
                self._paint(job, painted)
            except Exception as error:
                reason = str(error) if isinstance(error, ClipigError) else repr(error)
                painted.row |= {"status": "failed", "error": reason}
                lines.append("".join(traceback.format_exception(error)))
        painted.row["seconds"] = round(time.monotonic() - start, 2)
        painted.log = "\n".join(lines)
        return painted

    def _paint(self, job: Job, painted: Painted) -> None:
        plan = check(changed(self.base, job.changes).filled(), _registry())
        run = Run(plan, models=_models)
        with TemporaryDirectory(prefix="clipig-") as folder:
            result = execute(run, outputs(plan, Path(folder) / STEM))
            painted.files = {
                str(path.relative_to(folder)).removeprefix(STEM): path.read_bytes()
                for path in Path(folder).rglob("*")
                if path.is_file()
            }
        error = next((one for one in (result.error, *result.failures) if one), None)
        painted.row |= {"status": "failed", "error": str(error)} if error else {"status": "done"}
        painted.files[".png"] = to_png(result.image, inside(run, result.image))
        width, height = run.resolution
        painted.row |= {
            "loss": _rounded(result.loss),
            "similarity": _rounded(result.similarity),
            "width": width,
            "height": height,
            "thumbnail": small_url(painted.files[".png"]),
        }


def _rounded(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.6g}")


def small_url(png: bytes) -> str:
    """A small picture of a picture, as a URL that holds it."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        thumbnail(image, min(THUMBNAIL, max(image.size))).save(file, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


@contextmanager
def _logged() -> Iterator[list[str]]:
    """What clipig logs inside, line by line."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("clipig")
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
