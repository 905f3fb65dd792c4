"""What features and constraints did in each epoch, as a table."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any, Literal

from clipig_core import Param, RunError
from clipig_core.kit import Background, Result, Rhythm, Run, Step

COLUMNS = ("epoch", "seconds", "target", "kind", "name", "weight", "loss", "count", "similarity")


def log(
    target_file: Path,
    format: Annotated[
        Literal["csv", "jsonl"], Param("csv: a row for each part and epoch. jsonl: a JSON object for each epoch.")
    ] = "csv",
    every: Annotated[int | float, Param("Every so many epochs (int) or seconds (float).", above=0)] = 1,
) -> Log:
    """Losses, weights and similarities of features and constraints in each epoch, as NAME.csv or NAME.jsonl.

    Example: jsonl
    """
    return Log(Path(f"{target_file}.{format}"), every)


class Log:
    """An observer that writes a line as soon as its epoch is over."""

    def __init__(self, file: Path, every: int | float) -> None:
        self.file, self.files = file, [file]
        self.rhythm = Rhythm(every)
        self.background = Background(self.write, room=1000)  # they are small
        self.stream: IO[str] | None = None

    def begin(self, run: Run) -> None:
        """What a run that is resumed does again is cut off."""
        self.run, self.resumed = run, run.epoch > 0
        if self.resumed and self.file.exists():
            with self._writing():
                cut(self.file, run.epoch)

    def step(self, step: Step) -> None:
        if self.rhythm.due(self.run.done) or self.run.complete:
            self.background.put((step, self.run.seconds, self.run.resolution))

    def end(self, _result: Result) -> None:
        try:
            self.background.finish()
        finally:
            if self.stream:
                self.stream.close()

    def write(self, moment: tuple[Step, float, tuple[int, int]]) -> None:
        """Raises RunError if the disk is full, or somebody else's file is there."""
        found = measured(*moment)
        with self._writing():
            if self.stream is None:
                mode = "a" if self.resumed else "x"
                self.stream = self.file.open(mode, encoding="utf-8", newline="", buffering=1)
            if self.file.suffix == ".jsonl":
                self.stream.write(json.dumps(found, ensure_ascii=False) + "\n")
                return
            table = csv.writer(self.stream)
            if not self.file.stat().st_size:
                table.writerow(COLUMNS)
            table.writerows(rows(found))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """What cannot be written ends the log, and leaves no empty file."""
        try:
            yield
        except OSError as error:
            if self.stream:
                with contextlib.suppress(OSError):
                    self.stream.close()
                with contextlib.suppress(OSError):
                    if not self.file.stat().st_size:
                        self.file.unlink()
                self.stream = None
            raise RunError(f"cannot write '{self.file}': {error.strerror or error}") from None


def cut(file: Path, epoch: int) -> None:
    """Keep what a log has of the epochs before this one, without a last row that is not whole."""
    with file.open("r+", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        text = stream.read()
        found = _objects(text) if file.suffix == ".jsonl" else _table(text)
        kept = 0
        for number, end in found:
            if number >= epoch:
                break
            kept = end
        stream.truncate(len(text[:kept].encode(errors="surrogateescape")))


def _objects(text: str) -> Iterator[tuple[int, int]]:
    """The epoch of each whole line, and where that ends."""
    end = 0
    for line in io.StringIO(text):
        end += len(line)
        with contextlib.suppress(ValueError, LookupError, TypeError):
            if line.endswith("\n"):
                yield int(json.loads(line)["epoch"]), end


def _table(text: str) -> Iterator[tuple[int, int]]:
    """The epoch of each whole row, -1 for the one of the columns, and where that ends; names may have several lines."""
    read: list[int] = [0]

    def lines() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            read[0] += len(line)
            yield line

    for row in csv.reader(lines()):
        if len(row) == len(COLUMNS) and text[read[0] - 1] == "\n":
            yield int(row[0]) if row[0].isdecimal() else -1, read[0]


def measured(step: Step, seconds: float, resolution: tuple[int, int]) -> dict[str, Any]:
    """All numbers of an epoch. Waits for the device."""
    targets = [
        {
            "name": target.name,
            "weight": _mean(target.weight),
            "loss": float(target.loss.sum()),
            "parts": [
                {
                    "kind": terms.kind,
                    "name": term.name,
                    "weight": _mean(term.weight),
                    "loss": _mean(term.loss),
                    "count": round(float(term.count) * target.multiplicity),
                    "similarity": None if term.similarity is None else _mean(term.similarity),
                }
                for terms in target.terms
                for term in terms.single()
            ],
        }
        for target in step.targets
    ]
    return {
        "epoch": step.epoch,
        "seconds": round(seconds, 3),
        "resolution": resolution,
        "learnrate": step.learnrate,
        "loss": step.loss,
        "similarity": step.similarity,
        "targets": targets,
    }


def rows(found: dict[str, Any]) -> Iterator[list[Any]]:
    """A row for each feature and constraint, and one for the run, whose loss is the sum that is minimised."""
    epoch, seconds = found["epoch"], found["seconds"]
    yield [epoch, seconds, "", "run", "", "", found["loss"], "", found["similarity"]]
    for target in found["targets"]:
        for part in target["parts"]:
            yield [epoch, seconds, target["name"], *(part[column] for column in COLUMNS[3:])]


def _mean(tensor: Any) -> float:
    return float(tensor.mean())
