"""What targets, features and constraints did over a run, summed up on the device and read only when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from clipig_core.engine.state import whole
from clipig_core.engine.targets import TargetResult, TermResults

if TYPE_CHECKING:
    from clipig_core.engine.run import Step

Columns = tuple[tuple[int, str], ...]
Key = TypeVar("Key")

MOMENTS = 32
"""Into how many parts a run is divided, to see how losses went."""


@dataclass
class _Sums:
    """Sums over the epochs in which these features, or this constraint, took part.

    `sums` are [5, R]: weight, count, weighted loss, loss, similarity. `low` and `high` are similarities [R]. `course`
    [MOMENTS, R] are the losses of each part of the run, which has so many `epochs`. `views` were looked at.
    """

    sums: Tensor
    low: Tensor
    high: Tensor
    course: Tensor
    epochs: list[int]
    views: int

    @classmethod
    def of(cls, terms: TermResults, target: TargetResult, moment: int) -> _Sums:
        weight, loss = terms.weight.mean(0), terms.loss.mean(0)
        taken = target.multiplicity * terms.taken.expand_as(terms.loss)
        weighted = (target.weight[:, None] * terms.weight * terms.loss * taken).abs().sum(0)
        similarity = torch.zeros_like(terms.loss) if terms.similarity is None else terms.similarity
        low, high = similarity.aminmax(dim=0)
        sums = torch.stack([weight, taken.sum(0), weighted, loss, similarity.mean(0)])
        course = loss.new_zeros(MOMENTS, len(loss))
        course[moment] = loss
        epochs = [int(number == moment) for number in range(MOMENTS)]
        return cls(sums, low, high, course, epochs, target.multiplicity * len(terms.loss))

    def tensors(self) -> tuple[Tensor, ...]:
        return self.sums, self.low, self.high, self.course

    def add(self, other: _Sums) -> None:
        self.sums += other.sums
        torch.minimum(self.low, other.low, out=self.low)
        torch.maximum(self.high, other.high, out=self.high)
        self.course += other.course
        self.epochs = [a + b for a, b in zip(self.epochs, other.epochs, strict=True)]
        self.views += other.views


@dataclass(frozen=True)
class Row:
    """A feature or constraint over a run: means of weight and loss, views in which it counted, share of the loss.

    `loss` is that of one view, unweighted; `share` is of the weighted losses of its target. `similarity` of a feature
    is its mean, lowest and highest one. `views` is in how many views it took part, chosen by `select` or not. `course`
    has the mean loss for each part of the run since the resolution changed last: (number of epochs until then, loss).
    """

    index: int
    target: str
    kind: str
    name: str
    weight: float
    count: int
    share: float
    loss: float
    similarity: tuple[float, float, float] | None
    views: int = 0
    course: tuple[tuple[int, float], ...] = ()

    def line(self) -> str:
        text = f"  {self.kind} '{self.name}': weight {self.weight:.3f}, count {self.count}, "
        text += f"{100 * self.share:.1f}% of the loss, {self.loss:.4f} a view unweighted"
        if self.similarity:
            text += ", similarity {:.2f} ({:.2f} to {:.2f})".format(*self.similarity)
        return text


@dataclass
class Statistics:
    """Sums by target, and by the features or the constraint that took part together."""

    targets: dict[tuple[int, str], dict[tuple[str, Columns], _Sums]] = field(default_factory=dict)
    ends: list[int] = field(default_factory=lambda: [0] * MOMENTS)
    """The epochs that were done at the end of each part of the run."""
    _size: tuple[int, int] | None = None
    _since: int = 0

    def add(self, step: Step) -> None:
        """Take in an epoch, without waiting for the device."""
        moment = step.epoch * MOMENTS // step.now.epochs
        if self._size not in (None, step.run.resolution):
            self._since = moment + 1  # part of this one had another size
        self._size, self.ends[moment] = step.run.resolution, step.epoch + 1
        for result in step.targets:
            found = self.targets.setdefault((result.index, result.name), {})
            for terms in result.terms:
                _add(found, (terms.kind, terms.columns), _Sums.of(terms, result, moment))

    def state_dict(self) -> dict[str, Any]:
        """All of it, as lists, numbers and tensors; these are not copies."""
        sums = [
            [index, name, kind, [list(column) for column in columns], *one.tensors(), one.epochs, one.views]
            for (index, name), found in self.targets.items()
            for (kind, columns), one in found.items()
        ]
        return {"sums": sums, "ends": self.ends, "size": list(self._size or ()), "since": self._since}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Take over the sums of another run.

        Raises:
            ValueError: they are none.
        """
        ends, since = list(state["ends"]), state["since"]
        whole(since, *ends, least=0)
        reached = [end for end in ends if end]
        if len(ends) != MOMENTS or since > MOMENTS or reached != sorted(reached) or not isinstance(state["sums"], list):
            raise ValueError("the statistics have other sizes than they should")
        self.targets, self.ends, self._since = {}, ends, since
        size = tuple(state["size"])
        whole(*size)
        self._size = (size[0], size[1]) if len(size) == 2 else None
        for index, name, kind, columns, *tensors, epochs, views in state["sums"]:
            count = len(columns)
            whole(index, views, *(number for number, _ in columns), *epochs, least=0)
            names = [name, *(text for _, text in columns)]
            if kind not in ("feature", "constraint") or not all(isinstance(text, str) for text in names):
                raise ValueError("the statistics are of something unknown")
            shapes = [list(one.shape) for one in tensors]
            if shapes != [[5, count], [count], [count], [MOMENTS, count]] or len(epochs) != MOMENTS or not any(epochs):
                raise ValueError("the statistics have other sizes than they should")
            sums, low, high, course = (one.to(device, torch.float32, copy=True) for one in tensors)
            key = (kind, tuple((number, text) for number, text in columns))
            if key in self.targets.get((index, name), {}) or len(set(key[1])) != count:
                raise ValueError(f"the statistics have '{name}' twice")
            if not all(one.isfinite().all() for one in tensors):
                raise ValueError(f"the statistics of '{name}' are not finite")
            self.targets.setdefault((index, name), {})[key] = _Sums(sums, low, high, course, list(epochs), views)

    def rows(self) -> list[Row]:
        """One for each feature and constraint that took part; features first."""
        rows = []
        for (index, target), found in self.targets.items():
            single = _by_column(found)
            total = sum(one.sums[2].item() for one in single.values()) or 1.0
            for (kind, _, name), one in sorted(single.items(), key=lambda item: (item[0][0] != "feature", item[0])):
                weight, count, weighted, loss, similarity = one.sums.flatten().tolist()
                epochs = sum(one.epochs)
                mean = (similarity / epochs, one.low.item(), one.high.item()) if kind == "feature" else None
                share, weight, loss = weighted / total, weight / epochs, loss / epochs
                course = self._course(one)
                rows.append(Row(index, target, kind, name, weight, round(count), share, loss, mean, one.views, course))
        return rows

    def _course(self, sums: _Sums) -> tuple[tuple[int, float], ...]:
        parts = zip(self.ends, sums.course.tolist(), sums.epochs, strict=True)
        return tuple((end, loss / epochs) for end, loss, epochs in [*parts][self._since :] if epochs)


def table(rows: Iterable[Row]) -> list[str]:
    """The rows of a run, for people."""
    lines: list[str] = []
    for _, found in groupby(rows, lambda row: row.index):
        target = [*found]
        lines += [f"target '{target[0].target}', means over the run:", *(row.line() for row in target)]
    return lines


def _by_column(found: dict[tuple[str, Columns], _Sums]) -> dict[tuple[str, int, str], _Sums]:
    """The sums of each feature and constraint, over all groups in which it took part; read from the device at once."""
    single: dict[tuple[str, int, str], _Sums] = {}
    for (kind, columns), sums in found.items():
        table = torch.cat([sums.sums, sums.low[None], sums.high[None], sums.course]).cpu()
        for (index, name), column in zip(columns, table.unbind(1), strict=True):
            parts = column[:5].clone(), column[5].clone(), column[6].clone(), column[7:].clone()
            one = _Sums(*parts, sums.epochs, sums.views)
            _add(single, (kind, index, name), one)
    return single


def _add(found: dict[Key, _Sums], key: Key, sums: _Sums) -> None:
    if key in found:
        found[key].add(sums)
    else:
        found[key] = sums
