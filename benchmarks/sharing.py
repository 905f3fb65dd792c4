"""Several runs that go through the model together, beside one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.session import Session
from benchmarks.tables import Cell, Rows, Table
from clipig_core.engine.assembly import Models
from clipig_core.engine.run import Run
from clipig_core.engine.targets import TargetPass, picture_gradient
from clipig_core.language.schedule import Now

CONFIG = (
    "targets: [{{batch_size: {views}, features: [{{text: fox}}], transforms: [{{random_shift: 0 1}}, {{noise: .1}}]}}]"
)
CASES = (
    *(("emoji", 64, views) for views in (1, 4, 16)),
    *(("photo-lite0", 96, views) for views in (1, 4)),
    *(("photo-lite0", 224, views) for views in (1, 3)),
    *(("ViT-B/32", 224, views) for views in (1, 4)),
)
"""Model, side of the picture in pixels, and views in an epoch."""


def measure(session: Session) -> Iterator[Table]:
    """Seconds of an epoch of each run, of several that differ in their seeds."""
    rows: Rows = {}
    for model, side, views in CASES[:2] if session.quick else CASES:
        for count in session.some((4, 8)):
            rows[f"{model}, {side} px, {views} views, {count} runs"] = figures(session, model, side, views, count)
    yield Table(
        "sharing",
        "An epoch of several runs of one config, per run: one after the other (`apart`), or with the views of all in "
        "one pass of the model (`shared`), in turns; `gain` is apart / shared. `equal` says how many pictures are the "
        "same in both ways after three epochs, bit for bit.",
        rows,
    )


def figures(session: Session, model: str, side: int, views: int, count: int) -> dict[str, Cell]:
    """One row."""
    alone, shared = (several(session, model, side, views, count) for _ in range(2))
    for _ in range(3):
        advance(shared)
        apart(alone)
    equal = sum(bool(one.image.equal(other.image)) for one, other in zip(alone, shared, strict=True))
    found = session.medians({"apart": lambda: apart(alone), "shared": lambda: advance(shared)}, seconds=3, least=3)
    return {
        "apart s": found["apart"] / count,
        "shared s": found["shared"] / count,
        "gain": found["apart"] / found["shared"],
        "equal": f"{equal} of {count}",
    }


def several(session: Session, model: str, side: int, views: int, count: int) -> list[Run]:
    """Runs that differ in their seeds, with one model, as a worker has them."""
    models: Models = {}
    settings = {"model": session.model(model), "resolution": side}
    configs = [session.config(CONFIG.format(views=views), **settings, seed=seed) for seed in range(count)]
    return [Run(config, models=models) for config in configs]


def apart(runs: Sequence[Run]) -> None:
    """An epoch of each, one after the other."""
    for run in runs:
        advance([run])


def advance(runs: Sequence[Run]) -> None:
    """An epoch of all, with one pass of the model: what `Run.step` does, without its precautions."""
    begun = []
    for run in runs:
        run.optimizer.zero_grad(set_to_none=True)
        picture = run._picture()
        seen = picture.detach().requires_grad_()
        context = run._context(Now(run.epoch, run.epochs))
        begun.append((run, picture, seen, [TargetPass(target, seen, context) for target in run.targets]))
    (encoder,) = runs[0].encoders.values()
    encoder.learn([one for *_, passes in begun for one in passes])
    for run, picture, seen, passes in begun:
        for one in passes:
            one.finish()
        picture.backward(picture_gradient(passes, seen))
        run.optimizer.step()
        run.epoch += 1
