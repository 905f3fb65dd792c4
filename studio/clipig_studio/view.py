"""What the page sees of a run: its picture at most four times a second, and its numbers."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from clipig_core.kit import Observer

if TYPE_CHECKING:
    from torch import Tensor

    from clipig_core.kit import Result, Run, Step

SECONDS = 0.25
LONGEST = 1024
"""Pixels of the longer side; larger pictures are shown smaller."""


class View(Observer):
    """Follows a run, and sends a message `step` now and then, always from its newest state.

    Encoding takes place in a thread of its own, and the next frame waits for the last one, so that the run does not.
    """

    def __init__(self, send: Callable[..., None]) -> None:
        self.send = send
        self.wanted = True
        """Whether the next epoch is to be shown, however soon it is."""
        self._thread = ThreadPoolExecutor(1, "view")
        self._encoding: Future[None] | None = None
        self._shown = 0.0

    def begin(self, run: Run) -> None:
        self.run = run
        self.restart()

    def restart(self) -> None:
        """Measure the rate from now on: the run was paused, or is another one."""
        self._since = (time.monotonic(), self.run.epoch)

    def step(self, step: Step) -> None:
        busy = self._encoding and not self._encoding.done()
        if self.wanted or (not busy and time.monotonic() - self._shown >= SECONDS):
            self.show(step)

    def end(self, result: Result) -> None:
        if self.run.last:
            self.show(self.run.last)
        self.picture(result.image)
        self.settle()
        self._thread.shutdown()

    def show(self, step: Step) -> None:
        """Send an epoch with its picture."""
        self.wanted, self._shown = False, time.monotonic()
        run = self.run
        rate = max(step.epoch + 1 - self._since[1], 1) / max(self._shown - self._since[0], 1e-3)
        numbers = {
            "epoch": step.epoch + 1,
            "epochs": run.epochs,
            "left": (run.epochs - step.epoch - 1) / rate,
            "rate": rate,
            "size": list(run.resolution),
            "values": {"loss": step.loss, **terms(step)},
        }
        self.picture(step.image, **numbers)

    def picture(self, image: Tensor, **numbers: Any) -> None:
        """Send a picture [1, 3, H, W] in [0, 1], without waiting for it to be encoded."""
        self._encoding = self._thread.submit(self._encode, image, numbers)

    def settle(self) -> None:
        """Wait until the last picture is sent."""
        if self._encoding:
            self._encoding.result()

    def _encode(self, image: Tensor, numbers: dict[str, Any]) -> None:
        self.send("step", frame=to_webp(image), **numbers)


def terms(step: Step) -> dict[str, float]:
    """The similarity of each feature and the loss of each constraint; the mean over the views."""
    found: dict[str, float] = {}
    for target in step.targets:
        values = {f"{one.name}": one.similarity for one in target.features if one.similarity is not None}
        values |= {f"{one.name} (loss)": one.loss for one in target.constraints}
        for name, value in values.items():
            key = f"{target.name}: {name}"
            found[f"{key} ({target.index})" if key in found else key] = float(value.mean())
    return found


def to_webp(image: Tensor) -> bytes:
    """[1, 3, H, W] in [0, 1], small enough to be shown."""
    from PIL import Image

    pixels = (image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    picture = Image.fromarray(pixels)
    picture.thumbnail((LONGEST, LONGEST))
    encoded = io.BytesIO()
    picture.save(encoded, "WEBP", quality=90, method=2)
    return encoded.getvalue()
