"""Saving pictures while the run goes on."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from torch import Tensor

from clipig_core.imaging.images import to_png
from clipig_core.output import Output, save


class Saver:
    """Writes a picture and its config from a thread of its own, so that the run waits for no compression and no disk.

    What goes wrong is raised by the next `save`, or by `wait`.
    """

    def __init__(self, output: Output) -> None:
        self.output = output
        self._thread = ThreadPoolExecutor(1, "saver")
        self._last: Future[None] | None = None

    def __enter__(self) -> Saver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()

    def save(self, image: Tensor, text: str) -> None:
        """Begin to save [1, 3, H, W], which must not change any more, with its config.

        Raises:
            RunError: the picture before this could not be saved.
        """
        self.wait()
        self._last = self._thread.submit(self._write, image, text)

    def wait(self) -> None:
        """Until everything is saved.

        Raises:
            RunError: a file cannot be written, or the picture has values that are not finite.
        """
        last, self._last = self._last, None
        if last:
            last.result()

    def _write(self, image: Tensor, text: str) -> None:
        png = to_png(image, {"clipig": text})
        save(self.output.image, png)
        save(self.output.config, text.encode())
