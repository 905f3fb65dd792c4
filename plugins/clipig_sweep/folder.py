"""The folder of a sweep: pictures, a record of each job, and the tables and pages that are made of these."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipig_core import InputError
from clipig_core.kit import adopt, printable, save
from clipig_sweep.page import page
from clipig_sweep.plan import Job

Row = dict[str, Any]

DONE, FAILED, MISSING = "done", "failed", "missing"
FIGURES = ("loss", "similarity", "rating", "seconds")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a text a formula, in programs that open a CSV file."""


class Folder:
    """Where a sweep lives. Each job has a record, which is written last: a job without one has not been done.

    A record holds the columns of the tables, and `id`, `parameters` and `thumbnail`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pictures, self.jobs = path / "pictures", path / "jobs"
        self.records: dict[str, Row] = {}
        self._owners: dict[str, str] = {}
        """Of pictures: the ids of their jobs, by their names in small letters."""

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Make it if it is not there, read what is, and keep other sweeps out of it. Without a job it vanishes again.

        Raises:
            InputError: it cannot be written to, is something else than the folder of a sweep, or another one uses it.
        """
        new = not self.path.exists()
        try:
            if not new and not self.jobs.is_dir() and any(self.path.iterdir()):
                raise InputError(f"'{self.path}' is there, and is not the folder of a sweep; name another one with -o")
            for folder in (self.pictures, self.jobs):
                folder.mkdir(parents=True, exist_ok=True)
            lock = (self.jobs / ".lock").open("w")
        except OSError as error:
            raise InputError(f"cannot write to '{self.path}': {error.strerror}") from None
        with lock:
            if not _locked(lock.fileno()):
                raise InputError(f"another sweep is at work in '{self.path}'; wait for it, or name another folder")
            self.read()
            for part in [*self.path.glob(".clipig-*.part"), *self.path.glob("*/.clipig-*.part")]:
                part.unlink(missing_ok=True)  # of one that was killed
            try:
                yield
            finally:
                if new and not self.records:
                    self._vanish()

    def _vanish(self) -> None:
        with contextlib.suppress(OSError):  # somebody has put something there
            (self.jobs / ".lock").unlink()
            for folder in (self.pictures, self.jobs, self.path):
                folder.rmdir()

    def read(self) -> None:
        """The records that are there; what cannot be read is a job that has not been done."""
        for path in self.jobs.glob("*.json"):
            with contextlib.suppress(OSError, ValueError):
                record = json.loads(path.read_bytes())
                if isinstance(record, dict) and record.get("id") == path.stem:
                    self._remember(record)

    def done(self, job: Job) -> bool:
        """Whether its record and its picture are there."""
        record = self.records.get(job.id)
        return bool(record and record["status"] == DONE and (self.path / record["picture"]).is_file())

    def add(self, job: Job, row: Row, files: Mapping[str, bytes], log: str) -> Row:
        """Write what came of a job: files, by the ends of their names, its log, and then its record, which it returns.

        Raises:
            RunError: they cannot be written.
        """
        record = {"id": job.id, "name": job.name, "parameters": job.values, "picture": "", **row}
        picture = self._picture(job)
        for end, content in files.items():
            path = self.path / f"{picture.removesuffix('.png')}{end}"
            path.parent.mkdir(exist_ok=True)
            write(path, content)
        if ".png" in files:
            record["picture"] = picture
        if record["status"] == FAILED:
            record |= {"error": _harmless(record["error"]), "log": f"jobs/{job.id}.log"}
            write(self.path / record["log"], f"{record['error']}\n\n{_harmless(log)}\n".encode())
        else:
            (self.jobs / f"{job.id}.log").unlink(missing_ok=True)
        self.store(record)
        return record

    def store(self, record: Row) -> None:
        """Write a record. Raises RunError if it cannot be written."""
        write(self.jobs / f"{record['id']}.json", json.dumps(record, ensure_ascii=False).encode())
        self._remember(record)

    def _remember(self, record: Row) -> None:
        self.records[record["id"]] = record
        self._owners[record["picture"].lower()] = record["id"]

    def _picture(self, job: Job) -> str:
        """A name that no other job has, also where capital and small letters are the same."""
        path = f"pictures/{job.name}.png"
        return path if self._owners.get(path.lower(), job.id) == job.id else f"pictures/{job.name}-{job.id}.png"

    def rows(self, jobs: Sequence[Job]) -> list[Row]:
        """The records of these jobs, in their order, also of those that are missing; then all others of the folder."""
        rows = [
            self.records.get(job.id)
            or {"id": job.id, "name": job.name, "parameters": job.values, "picture": "", "status": MISSING}
            for job in jobs
        ]
        known = {row["id"] for row in rows}
        return rows + [self.records[other] for other in sorted(self.records.keys() - known)]

    def write_tables(self, jobs: Sequence[Job], title: str) -> None:
        """`results.csv`, `results.jsonl` and `index.html`. Raises RunError if they cannot be written."""
        rows = self.rows(jobs)
        lines = [{key: value for key, value in row.items() if key != "thumbnail"} for row in rows]
        jsonl = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write(self.path / "results.jsonl", jsonl.encode())
        write(self.path / "results.csv", _csv(rows).encode())
        write(self.path / "index.html", page(title, rows).encode())


def write(path: Path, content: bytes) -> None:
    """Write a file whole, or not at all, also where another process has left one: all that lies here is the sweep's.

    Raises:
        RunError: it cannot be written.
    """
    adopt(path)
    save(path, content)


def _harmless(text: str) -> str:
    """Lines without what a terminal would obey."""
    return "\n".join(map(printable, text.splitlines()))


def _locked(file: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows has none, and is trusted
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _csv(rows: Sequence[Row]) -> str:
    keys = list(dict.fromkeys(key for row in rows for key in row["parameters"]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "status", *keys, *FIGURES, "picture", "error"])
    for row in rows:
        cells = [row["name"], row["status"], *(row["parameters"].get(key) for key in keys)]
        cells += [*(row.get(figure) for figure in FIGURES), row["picture"], row.get("error")]
        writer.writerow(map(cell, cells))
    return text.getvalue()


def cell(value: object) -> object:
    """Texts that a spreadsheet would run are quoted, as these programs do it; lists and mappings are JSON."""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
