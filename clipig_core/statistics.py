"""What targets, features and constraints did over a run, summed up on the device and read only when asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from clipig_core.run import Step
from clipig_core.target import Part


@dataclass
class _Sums:
    """Sums over the epochs in which a feature or constraint took part."""

    weight: Tensor
    count: Tensor
    weighted: Tensor
    loss: Tensor
    similarity: Tensor | None
    low: Tensor | None
    high: Tensor | None
    epochs: int = 1

    @classmethod
    def of(cls, part: Part) -> _Sums:
        weight, loss = torch.as_tensor(part.weight, device=part.loss.device).float().mean(), part.loss.mean()
        similarity = part.similarity
        low, high = similarity.aminmax() if similarity is not None else (None, None)
        mean = similarity.mean() if similarity is not None else None
        count = torch.as_tensor(part.count, device=part.loss.device).float()
        return cls(weight, count, (weight * loss).abs() * count, loss, mean, low, high)

    def add(self, other: _Sums) -> None:
        for name in ("weight", "count", "weighted", "loss"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if self.similarity is not None and other.similarity is not None:
            self.similarity = self.similarity + other.similarity
        if self.low is not None and other.low is not None and self.high is not None and other.high is not None:
            self.low, self.high = torch.minimum(self.low, other.low), torch.maximum(self.high, other.high)
        self.epochs += 1


@dataclass
class Statistics:
    """Sums by target and part."""

    parts: dict[tuple[int, str], dict[tuple[str, int, str], _Sums]] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """Take in an epoch, without waiting for the device."""
        for outcome in step.outcomes:
            sums = self.parts.setdefault((outcome.index, outcome.name), {})
            for kind, parts in (("feature", outcome.features), ("constraint", outcome.constraints)):
                for part in parts:
                    key = (kind, part.index, part.name)
                    if key in sums:
                        sums[key].add(_Sums.of(part))
                    else:
                        sums[key] = _Sums.of(part)

    def lines(self) -> list[str]:
        """For each feature and constraint: weight, count, share of the loss, mean loss, similarity mean, min, max."""
        lines = []
        for (_, target), sums in self.parts.items():
            lines.append(f"target '{target}', means over the run:")
            total = sum(float(one.weighted) for one in sums.values()) or 1.0
            for (kind, _, name), one in sums.items():
                share = 100 * float(one.weighted) / total
                text = f"  {kind} '{name}': weight {float(one.weight) / one.epochs:.3f}, count {float(one.count):.0f}, "
                text += f"share {share:.1f}%, loss {float(one.loss) / one.epochs:.4f}"
                if kind == "feature" and one.similarity is not None and one.low is not None and one.high is not None:
                    mean, low, high = float(one.similarity) / one.epochs, float(one.low), float(one.high)
                    text += f", similarity {mean:.2f} ({low:.2f} to {high:.2f})"
                lines.append(text)
        return lines
