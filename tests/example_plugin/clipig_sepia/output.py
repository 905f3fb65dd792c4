"""The output `proof`."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated, Any

import torch.nn.functional as F
from clipig_core import Param
from clipig_core.kit import to_png

WHITE = (1.0, 1.0, 1.0)


def proof(
    target_file: Path, margin: Annotated[int, Param("Width of the margin in pixels.", min=1, max=999)] = 16
) -> Proof:
    """The finished picture on a sheet of `paper`, with a margin, as NAME-proof.png.

    Example: 8
    """
    return Proof(Path(f"{target_file}-proof.png"), margin)


class Proof:
    """An observer of a run, which waits for its end."""

    def __init__(self, file: Path, margin: int) -> None:
        self.file, self.margin, self.color = file, margin, WHITE
        self.files = [file]

    def begin(self, run: Any) -> None:
        use = run.plan.choices.get("paper")
        if use:
            self.color = use.component.function(**use.arguments({}, random.Random(0)))

    def step(self, step: Any) -> None:
        """A proof shows nothing of the way."""

    def end(self, result: Any) -> None:
        inside = F.pad(result.image, (self.margin,) * 4, value=float("nan"))
        sheet = inside.new_tensor(self.color)[:, None, None].expand_as(inside)
        self.file.write_bytes(to_png(inside.where(~inside.isnan(), sheet)))
