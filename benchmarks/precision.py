"""What number formats and compiling change: the time of an epoch, and the picture."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.cases import encoder_of
from benchmarks.session import Session
from benchmarks.tables import Rows, Table
from clipig_core.engine.run import Run
from clipig_core.errors import RunError
from clipig_core.imaging.images import to_png
from clipig_core.runner.files import Output, save
from clipig_photo.model import photo

SHIFTED = """
    resolution: 224
    targets:
      - batch_size: {batch}
        features:
          - text: a strawberry
        transforms:
          - random_shift: 0 1
    """

STRAWBERRY = Path(__file__).parent.parent / "examples" / "strawberry.yaml"

WAYS: dict[str, dict[str, Any]] = {
    "float32": {"precision": "float32"},
    "bfloat16": {"precision": "bfloat16"},
    "float16": {"precision": "float16"},
    "auto, compile: true": {"compile": True},
}

SLOW = 15.0
"""Seconds of an epoch after which there is no second one."""


def measure(session: Session) -> Iterator[Table]:
    """Seconds of an epoch in each format, and how far the pictures are apart."""
    # What earlier runs compiled would be found again.
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(session.folder / "compiled")
    yield Table(
        "precision",
        "Seconds of an epoch, ViT-B/32, 224x224. `gain` is float32 / this. `first s` is the first epoch, "
        "which compiles if that is asked for.",
        rows(session),
    )
    yield Table(
        "precision: photo models",
        "Seconds of a forward and backward pass of photo-lite0 for 3 views of a side. `gain` is float32 / bfloat16.",
        photo_rows(session),
    )
    yield Table(
        "precision: pictures",
        "100 epochs of examples/strawberry.yaml (emoji model). `difference` is the mean absolute difference of the "
        "pixels, from 0 to 1, to the first row; `similarity` is that of the whole picture and the text, by the model "
        "in float32. `chunk: 5` changes nothing but the last bits of sums in float32.",
        pictures(session),
    )


def rows(session: Session) -> Rows:
    """A row for each format and batch size."""
    found: Rows = {}
    for batch in session.some((1, 5, 20)):
        for name, settings in WAYS.items():
            seconds, first = epoch(session, SHIFTED.format(batch=batch), settings)
            exact = found.get(f"float32, batch {batch}", {"epoch s": seconds})["epoch s"]
            gain = exact / seconds if isinstance(exact, float) and seconds else None
            found[f"{name}, batch {batch}"] = {"epoch s": seconds, "gain": gain, "first s": first}
    return found


def photo_rows(session: Session) -> Rows:
    """A row for each side of the views."""
    device = torch.device(session.device)
    found: Rows = {}
    encoders = {
        name: photo("photo-lite0", device, getattr(torch, name)).encode_image for name in ("float32", "bfloat16")
    }
    for side in session.some((96, 160, 224)):
        views = torch.rand(3, 3, side, side, device=device, requires_grad=True)
        works = {name: functools.partial(there_and_back, encode, views) for name, encode in encoders.items()}
        seconds = session.medians(works, seconds=3)
        found[f"{side} px"] = {**seconds, "gain": seconds["float32"] / seconds["bfloat16"]}
    return found


def there_and_back(encode: Callable[[Tensor], Tensor], views: Tensor) -> None:
    """A forward and a backward pass to the views."""
    torch.autograd.grad(encode(views).sum(), views)


def epoch(session: Session, config: str, settings: dict[str, Any]) -> tuple[float | None, float | None]:
    """Seconds of an epoch, and of the first one; None if the machine cannot do it."""
    torch.compiler.reset()
    run = session.run(config, **settings)
    try:
        first = session.clock(run.step)
    except RunError:  # there is nothing to compile with
        return None, None
    if first > SLOW and "compile" not in settings:
        return first, first
    return session.medians({"epoch": run.step}, seconds=3, least=3)["epoch"], first


def pictures(session: Session) -> Rows:
    """A row for each picture; the chunk changes rounding alone, another seed everything but the config."""
    text, epochs = STRAWBERRY.read_text(), 2 if session.quick else 100
    ways: dict[str, dict[str, Any]] = {
        "float32": {"precision": "float32"},
        "bfloat16": {"precision": "bfloat16"},
        "float32, chunk: 5": {"precision": "float32", "chunk": 5},
        "float32, another seed": {"precision": "float32", "seed": 2},
    }
    runs = {name: session.run(text, "emoji", epochs=epochs, **settings) for name, settings in ways.items()}
    images = {name: finished(run) for name, run in runs.items()}
    exact, first = runs["float32"], images["float32"]
    if session.pictures:
        output = Output.claim(f"{session.pictures}/", "precision")
        output.make_folder()
        save(output.image, to_png(torch.cat([first, images["bfloat16"]], dim=3)))
        output.release()
    return {
        name: {"difference": float((image - first).abs().mean()), "similarity": similarity(exact, image)}
        for name, image in images.items()
    }


def finished(run: Run) -> Tensor:
    """[1, 3, H, W] in [0, 1] after all epochs."""
    for _ in run:
        pass
    return run.result()


def similarity(run: Run, image: Tensor) -> float:
    """In percent, of an image and the first feature of a run."""
    return 100 * float(encoder_of(run).features(image)[0] @ run.targets[0].features[0].vector)
