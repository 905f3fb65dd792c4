"""How much memory an epoch takes: the views, and one chunk of them in the encoder."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.precision import SHIFTED
from benchmarks.session import Session
from benchmarks.tables import Rows, Table


def measure(session: Session) -> Iterator[Table]:
    """Peak memory over the batch size."""
    rows: Rows = {}
    for batch in session.some((8, 64, 512)):
        found = session.apart(SHIFTED.format(batch=batch), "ViT-B/32")
        rows[f"batch {batch}"] = {
            "chunk": found["chunk"],
            "epoch s": found["epoch_s"],
            "views MB": batch * 3 * 224 * 224 * 4 / 1e6,
            "loaded MB": found["loaded_mb"],
            "peak MB": found["peak_mb"],
            "added MB": found["peak_mb"] - found["loaded_mb"],
        }
    yield Table(
        "memory",
        "ViT-B/32, 224x224, `chunk: auto`, each in a process of its own. `views MB` is all views as pixels, "
        "`loaded MB` the process before the first epoch, `peak MB` the most that epochs make of it, "
        "`added MB` the difference.",
        rows,
    )
