"""After a sweep: a judge rates its pictures, and the best are painted larger, each from the picture that it was."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clipig_core import InputError
from clipig_core.kit import Document, Node, Place, Plan, Registry, check
from clipig_sweep.folder import Folder
from clipig_sweep.judge import Judge, models_of, painted, texts_of
from clipig_sweep.plan import Job, changed, digest

JUDGES = ("photo-lite1", "photo-lite0", "emoji")

log = logging.getLogger("clipig")


@dataclass(frozen=True)
class Refinement:
    """How a sweep goes on."""

    base: Document
    registry: Registry
    judge: str | None
    keep: int
    enlarge: float

    def best(self, jobs: Sequence[Job], folder: Folder) -> list[Job]:
        """The jobs with the best pictures. Each record gets its `rating`: the mean similarity to the job's own texts.

        Raises:
            InputError: there is no such judge.
            RunError: a record cannot be written.
        """
        plans = {job.id: check(changed(self.base, job.changes).filled(), self.registry) for job in jobs}
        painters = set().union(*map(models_of, plans.values()))
        name = self.judge or next((one for one in JUDGES if not painted(one, painters)), JUDGES[0])
        if painted(name, painters):
            log.warning("the judge '%s' painted some of these pictures itself; a model likes its own work", name)
        judge, ratings = Judge(name, self.registry), {}
        for job in filter(folder.done, jobs):
            record = folder.records[job.id]
            rating = _rating(judge, plans[job.id], folder.path / record["picture"])
            if rating is not None:
                ratings[job.id] = rating
                if (record.get("rating"), record.get("judge")) != (rating, name):
                    folder.store({**record, "rating": rating, "judge": name})
        return sorted((job for job in jobs if job.id in ratings), key=lambda job: -ratings[job.id])[: self.keep]

    def larger(self, jobs: Sequence[Job], folder: Folder) -> list[Job]:
        """Jobs that start from the pictures of these, at a higher resolution."""
        return [self._larger(job, folder) for job in jobs]

    def _larger(self, job: Job, folder: Folder) -> Job:
        record = folder.records[job.id]
        size = [max(1, round(record[side] * self.enlarge)) for side in ("width", "height")]
        place = Place(str(folder.path / "sweep"))  # pictures are looked for beside it
        changes = {
            **job.changes,
            "init": Node.of({"image": record["picture"]}, place),
            "resolution": Node.of(size, place),
        }
        return Job(digest(changed(self.base, changes).filled()), f"{job.name}-{size[0]}x{size[1]}", changes)


def _rating(judge: Judge, plan: Plan, picture: Path) -> float | None:
    """None if the judge knows none of the words, or there are none."""
    try:
        wanted = [judge.text(text) for text in texts_of(plan)]
        found = judge.similarities(picture, wanted)
    except InputError as error:
        log.warning("not rated: %s", error)
        return None
    return round(sum(found) / len(found), 3) if found else None
