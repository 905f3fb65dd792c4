"""What the statistics of a run say, in words, and what to try next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from statistics import fmean, median

from clipig_core.engine.run import Run
from clipig_core.engine.statistics import Row

DOMINANT = 0.75
"""Share of a target's loss from which a constraint decides more than what the picture should show: three to one."""
FEWEST = 16
"""Parts of a run that are needed to see how it went."""


def of_run(run: Run) -> list[str]:
    """The verdict on a run, as it is now."""
    used = (one.use for target in run.plan.targets for one in target.constraints)
    return verdict(run.statistics.rows(), {use.name: use.component.entry.excess for use in used})


def verdict(rows: Sequence[Row], excess: Mapping[str, str] | None = None) -> list[str]:
    """Sentences on a run, each with what to try; none if there is nothing to say.

    `excess` has a word for constraints, by name: what a picture is that obeys too much of it.
    """
    sentences = []
    for _, found in groupby(rows, lambda row: row.index):
        target = [*found]
        several = len({row.index for row in rows}) > 1
        where = f" of target '{target[0].target}'" if several else ""
        sentences += [*_strong(target, where, excess or {}), *_never_chosen(target, where)]
    return [*sentences, *_trend(rows)]


def _strong(target: Sequence[Row], where: str, excess: Mapping[str, str]) -> Iterable[str]:
    """A constraint that decides more than the features beside it; with half the loss, they would be on a par."""
    if not any(row.kind == "feature" for row in target):
        return
    for row in target:
        if row.kind == "constraint" and row.share > DOMINANT:
            weight = f"{row.weight * (1 - row.share) / row.share:.1g}"
            much = f"the {row.name} constraint was {100 * row.share:.0f} % of the loss{where}"
            much = f"{excess[row.name]}: {much}" if excess.get(row.name) else f"{much}, more than what is wanted"
            yield f"{much}; try weight {weight.removeprefix('0')}"


def _never_chosen(target: Sequence[Row], where: str) -> Iterable[str]:
    for row in target:
        if row.kind == "feature" and row.count == 0:
            yield f"'{row.name}'{where} was never chosen in {row.views} views; a larger scale makes it a candidate"


def _trend(rows: Sequence[Row]) -> Iterable[str]:
    """Whether the losses still fell in the end, or when they ceased to."""
    course = total(rows)
    if len(course) < FEWEST:
        return
    ends, losses = zip(*course, strict=True)
    noise = median(abs(a - 2 * b + c) for a, b, c in zip(losses, losses[1:], losses[2:], strict=False))
    quarter = len(losses) // 4
    fall = max(losses) - min(losses)
    if _fell(losses, quarter) > max(noise, 0.05 * fall) and _fell(losses, quarter // 2) > 0.01 * fall:
        yield "still improving: more epochs will help"
        return
    smooth = [fmean(losses[max(0, i - 1) : i + 2]) for i in range(len(losses))]
    enough = min(smooth) + max(noise, 0.005 * fall)
    ceased = next(i for i, loss in enumerate(smooth) if loss <= enough)
    if ceased < len(losses) - quarter:
        yield f"nothing improved after epoch {ends[ceased]}; fewer would do, or a larger learnrate"


def _fell(losses: Sequence[float], span: int) -> float:
    """How much smaller the last losses are than as many before them."""
    return fmean(losses[-2 * span : -span]) - fmean(losses[-span:])


def total(rows: Sequence[Row]) -> list[tuple[int, float]]:
    """How the weighted losses went, all targets alike, of what took part to the end: (number of epochs, loss).

    Each loss counts by its share, so that a weight that changes in time is no change of the picture.
    """
    end = max((row.course[-1][0] for row in rows if row.course), default=0)
    lasting = [row for row in rows if row.course and row.course[-1][0] == end and row.loss and row.share]
    common = set.intersection(*({epochs for epochs, _ in row.course} for row in lasting)) if lasting else set()
    return [(epochs, sum(_counted(row) * dict(row.course)[epochs] for row in lasting)) for epochs in sorted(common)]


def _counted(row: Row) -> float:
    """The factor of a row's loss by which its mean is its share; negative for what is pushed away."""
    return (row.share if row.weight >= 0 else -row.share) / row.loss
