"""What targets, features and constraints did over a run, summed up on the device and read only when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from clipig_core.engine.state import whole
from clipig_core.engine.targets import TargetResult, TermResults

if TYPE_CHECKING:
    from clipig_core.engine.run import Step

Columns = tuple[tuple[int, str], ...]
Key = TypeVar("Key")


@dataclass
class _Sums:
    """Sums over the epochs in which these features, or this constraint, took part.

    `sums` are [5, R]: weight, count, weighted loss, loss, similarity. `low` and `high` are similarities [R].
    """

    sums: Tensor
    low: Tensor
    high: Tensor
    epochs: int = 1

    @classmethod
    def of(cls, terms: TermResults, target: TargetResult) -> _Sums:
        weight, loss = terms.weight.mean(0), terms.loss.mean(0)
        taken = target.multiplicity * terms.taken.expand_as(terms.loss)
        weighted = (target.weight[:, None] * terms.weight * terms.loss * taken).abs().sum(0)
        similarity = torch.zeros_like(terms.loss) if terms.similarity is None else terms.similarity
        low, high = similarity.aminmax(dim=0)
        sums = torch.stack([weight, taken.sum(0), weighted, loss, similarity.mean(0)])
        return cls(sums, low, high)

    def add(self, other: _Sums) -> None:
        self.sums += other.sums
        torch.minimum(self.low, other.low, out=self.low)
        torch.maximum(self.high, other.high, out=self.high)
        self.epochs += other.epochs


@dataclass(frozen=True)
class Row:
    """A feature or constraint over a run: means of weight and loss, views in which it counted, share of the loss.

    `similarity` of a feature is its mean, lowest and highest one.
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

    def line(self) -> str:
        text = f"  {self.kind} '{self.name}': weight {self.weight:.3f}, count {self.count}, "
        text += f"share {100 * self.share:.1f}%, loss {self.loss:.4f}"
        if self.similarity:
            text += ", similarity {:.2f} ({:.2f} to {:.2f})".format(*self.similarity)
        return text


@dataclass
class Statistics:
    """Sums by target, and by the features or the constraint that took part together."""

    targets: dict[tuple[int, str], dict[tuple[str, Columns], _Sums]] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """Take in an epoch, without waiting for the device."""
        for result in step.targets:
            found = self.targets.setdefault((result.index, result.name), {})
            for terms in result.terms:
                _add(found, (terms.kind, terms.columns), _Sums.of(terms, result))

    def state_dict(self) -> list[Any]:
        """The sums, as lists, numbers and tensors; these are not copies."""
        return [
            [index, name, kind, [list(column) for column in columns], one.sums, one.low, one.high, one.epochs]
            for (index, name), found in self.targets.items()
            for (kind, columns), one in found.items()
        ]

    def load_state_dict(self, state: Sequence[Sequence[Any]], device: torch.device) -> None:
        """Take over the sums of another run.

        Raises:
            ValueError: they are none.
        """
        self.targets = {}
        for index, name, kind, columns, *tensors, epochs in state:
            count = len(columns)
            whole(index, *(number for number, _ in columns), least=0)
            whole(epochs)
            names = [name, *(text for _, text in columns)]
            if kind not in ("feature", "constraint") or not all(isinstance(text, str) for text in names):
                raise ValueError("the statistics are of something unknown")
            if [list(one.shape) for one in tensors] != [[5, count], [count], [count]]:
                raise ValueError("the statistics have other sizes than they should")
            sums, low, high = (one.to(device, torch.float32, copy=True) for one in tensors)
            key = (kind, tuple((number, text) for number, text in columns))
            self.targets.setdefault((index, name), {})[key] = _Sums(sums, low, high, epochs)

    def rows(self) -> list[Row]:
        """One for each feature and constraint that took part; features first."""
        rows = []
        for (index, target), found in self.targets.items():
            single = _by_column(found)
            total = sum(one.sums[2].item() for one in single.values()) or 1.0
            for (kind, _, name), one in sorted(single.items(), key=lambda item: (item[0][0] != "feature", item[0])):
                weight, count, weighted, loss, similarity = one.sums.flatten().tolist()
                mean = (similarity / one.epochs, one.low.item(), one.high.item()) if kind == "feature" else None
                share, weight, loss = weighted / total, weight / one.epochs, loss / one.epochs
                rows.append(Row(index, target, kind, name, weight, round(count), share, loss, mean))
        return rows

    def lines(self) -> list[str]:
        """The rows, for people."""
        lines: list[str] = []
        last = None
        for row in self.rows():
            if row.index != last:
                lines.append(f"target '{row.target}', means over the run:")
            last = row.index
            lines.append(row.line())
        return lines


def _by_column(found: dict[tuple[str, Columns], _Sums]) -> dict[tuple[str, int, str], _Sums]:
    """The sums of each feature and constraint, over all groups in which it took part; read from the device at once."""
    single: dict[tuple[str, int, str], _Sums] = {}
    for (kind, columns), sums in found.items():
        table = torch.cat([sums.sums, sums.low[None], sums.high[None]]).cpu()
        for (index, name), column in zip(columns, table.unbind(1), strict=True):
            one = _Sums(column[:5].clone(), column[5].clone(), column[6].clone(), sums.epochs)
            _add(single, (kind, index, name), one)
    return single


def _add(found: dict[Key, _Sums], key: Key, sums: _Sums) -> None:
    if key in found:
        found[key].add(sums)
    else:
        found[key] = sums
