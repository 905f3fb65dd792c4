"""What targets, features and constraints did over a run, summed up on the device and read only when asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from clipig_core.run import Step
from clipig_core.target import Outcome, Table

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
    def of(cls, table: Table, outcome: Outcome) -> _Sums:
        weight, loss = table.weight.mean(0), table.loss.mean(0)
        taken = outcome.multiplicity * table.taken.expand_as(table.loss)
        weighted = (outcome.weight[:, None] * table.weight * table.loss * taken).abs().sum(0)
        similarity = torch.zeros_like(table.loss) if table.similarity is None else table.similarity
        low, high = similarity.aminmax(dim=0)
        sums = torch.stack([weight, taken.sum(0), weighted, loss, similarity.mean(0)])
        return cls(sums, low, high)

    def add(self, other: _Sums) -> None:
        self.sums += other.sums
        torch.minimum(self.low, other.low, out=self.low)
        torch.maximum(self.high, other.high, out=self.high)
        self.epochs += other.epochs


@dataclass
class Statistics:
    """Sums by target, and by the features or the constraint that took part together."""

    targets: dict[tuple[int, str], dict[tuple[str, Columns], _Sums]] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """Take in an epoch, without waiting for the device."""
        for outcome in step.outcomes:
            found = self.targets.setdefault((outcome.index, outcome.name), {})
            for table in outcome.tables:
                _add(found, (table.kind, table.columns), _Sums.of(table, outcome))

    def lines(self) -> list[str]:
        """For each feature and constraint: weight, count, share of the loss, mean loss, similarity mean, min, max."""
        lines = []
        for (_, target), found in self.targets.items():
            lines.append(f"target '{target}', means over the run:")
            single = _by_column(found)
            total = sum(one.sums[2].item() for one in single.values()) or 1.0
            for (kind, _, name), one in sorted(single.items(), key=lambda item: (item[0][0] != "feature", item[0])):
                weight, count, weighted, loss, similarity = one.sums.flatten().tolist()
                text = f"  {kind} '{name}': weight {weight / one.epochs:.3f}, count {count:.0f}, "
                text += f"share {100 * weighted / total:.1f}%, loss {loss / one.epochs:.4f}"
                if kind == "feature":
                    text += (
                        f", similarity {similarity / one.epochs:.2f} ({one.low.item():.2f} to {one.high.item():.2f})"
                    )
                lines.append(text)
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
