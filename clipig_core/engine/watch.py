"""Values that are not finite, noticed without waiting for the device, and what was there before them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

log = logging.getLogger("clipig")


class NotFiniteError(Exception):
    """An epoch made values that are not finite."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"epoch {epoch} is not finite")
        self.epoch = epoch


class Watch:
    """Looks at what epochs make, and keeps what some tensors were before the last ones.

    A CPU says at once that something is not finite. The answer of another device is read when the next epoch has begun,
    so that it never waits for work (`late`). What is looked at are sums, which are not finite if one of their values is
    not, and take a small part of the time of a test of each.
    """

    def __init__(self, late: bool) -> None:
        self.late = late
        self._sums: list[Tensor] = []
        self._unread: list[_Answer] = []
        self._kept: list[tuple[int, list[Tensor]]] = []

    def keep(self, epoch: int, tensors: Sequence[Tensor]) -> None:
        """Remember what tensors are before an epoch."""
        self._epoch = epoch
        buffers = self._kept.pop(0)[1] if len(self._kept) > self.late else []
        if [one.shape for one in buffers] != [one.shape for one in tensors]:
            buffers = [one.detach().clone() for one in tensors]
        for buffer, one in zip(buffers, tensors, strict=True):
            buffer.copy_(one.detach())
        self._kept.append((epoch, buffers))

    def kept(self, epoch: int) -> list[Tensor]:
        """What the tensors were before one of the last epochs; nothing if that is not known."""
        return next((tensors for known, tensors in self._kept if known == epoch), [])

    def forget(self) -> None:
        """What was seen; nothing of it holds any more."""
        self._sums, self._unread, self._kept = [], [], []

    def look(self, tensors: Sequence[Tensor]) -> None:
        """Look at what the epoch makes.

        Raises:
            NotFiniteError: some of it is not finite, and the device says so at once.
        """
        sums = [one.detach().sum().abs().float() for one in tensors]
        if self.late:
            self._sums += sums
        elif not all(math.isfinite(one.item()) for one in sums):
            raise NotFiniteError(self._epoch)

    def finished(self) -> None:
        """The epoch is over."""
        if self._sums:
            self._unread.append(_Answer(self._epoch, torch.stack(self._sums).sum()))
        self._sums = []

    def wait(self, leaving: int = 0) -> None:
        """Until it is known of all epochs, except of so many, that they were finite.

        Raises:
            NotFiniteError: one was not.
        """
        while len(self._unread) > leaving:
            answer = self._unread[0]
            if not answer.finite():
                raise NotFiniteError(answer.epoch)
            del self._unread[0]


class Bounds:
    """Warns once of a picture whose values have all been 0 or 1 for long: nothing that is wanted moves them any more.

    It is looked at every `EVERY` epochs, and asked when it is looked at again, when the answer has long been there.
    """

    EVERY = 25
    LONG = 75
    EDGE = 1 / 510
    """What is nearer to a bound is saved as the bound."""

    def __init__(self) -> None:
        self._stuck: Tensor | None = None
        self._epochs = 0

    def look(self, epoch: int, picture: Callable[[], Tensor]) -> None:
        """`picture` [1, 3, H, W] is made if it is time for it."""
        if epoch % self.EVERY or self._epochs >= self.LONG:
            return
        if self._stuck is not None:
            self._epochs = self._epochs + self.EVERY if self._stuck else 0
        values = picture()
        self._stuck = ((values < self.EDGE) | (values > 1 - self.EDGE)).all()
        if self._epochs >= self.LONG:
            message = "all values of the picture have been at their bounds for %d epochs; a smaller learnrate may help"
            log.warning(message, self._epochs)


class _Answer:
    """Of a device, which is on its way."""

    def __init__(self, epoch: int, total: Tensor) -> None:
        self.epoch = epoch
        self._total = total.to("cpu", non_blocking=True) if total.is_cuda else total
        self._there = torch.cuda.Event() if total.is_cuda else None
        if self._there:
            self._there.record()

    def finite(self) -> bool:
        """Waits for this epoch, and for nothing that was begun after it."""
        if self._there:
            self._there.synchronize()
        return math.isfinite(self._total.item())
