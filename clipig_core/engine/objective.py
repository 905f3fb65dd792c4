"""The loss of some views, as a pure function of their features, the wanted ones, and the present epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipig_core.config.plan import FeaturePlan
from clipig_core.engine.context import EpochContext, call_loss
from clipig_core.engine.device import numbers
from clipig_core.errors import PluginError
from clipig_core.language.params import Value


@dataclass
class WantedFeature:
    """A feature of the config, encoded once: `vector` [D] has unit length; `factor` makes similarities fair."""

    index: int
    plan: FeaturePlan
    vector: Tensor
    factor: float = 1.0

    @property
    def name(self) -> str:
        return self.plan.label


@dataclass(frozen=True)
class Terms:
    """What the loss of a view consists of: all `features` of a target, and which of them are `active` now.

    `weight` is that of the target, each view of which counts `multiplicity` times.
    """

    features: Sequence[WantedFeature]
    active: Sequence[int]
    select: str
    weight: Value
    multiplicity: int
    place: str

    @property
    def wanted(self) -> list[WantedFeature]:
        """The active features."""
        return [self.features[index] for index in self.active]


@dataclass
class ChunkLosses:
    """Of b views and F active features: the weighted `loss` [b] of each view.

    `losses`, `chosen` and `similarity` are [b, F], `weights` [b or 1, F], `weight` of the target [b or 1, 1], `mean`
    [b] the mean similarity of all features, inactive ones too.
    """

    loss: Tensor
    losses: Tensor
    weights: Tensor
    chosen: Tensor
    similarity: Tensor
    mean: Tensor
    weight: Tensor


def chunk_losses(features: Tensor, terms: Terms, context: EpochContext) -> ChunkLosses:
    """What is to be said of b views with these unit-length features [b, D]."""
    everything, wanted = vectors(terms.features, features), terms.wanted
    cosines = 100 * (features @ everything.T).detach()
    raw = cosines * numbers([one.factor for one in terms.features], cosines)
    scales = [one.plan.section["scale"] for one in terms.features]
    similarities = raw * context.per_view(scales, raw, f"{terms.place}/scale")
    similarity = similarities if len(wanted) == len(terms.features) else similarities[:, list(terms.active)]
    active = everything if len(wanted) == len(terms.features) else everything[list(terms.active)]
    weights = context.per_view([one.plan.section["weight"] for one in wanted], similarity, f"{terms.place}/weight")
    losses = _losses(wanted, features, active)
    chosen = _chosen(terms.select, similarity)
    loss = _mixed(wanted, features, active, weights) if terms.select == "mix" else (weights * losses * chosen).sum(1)
    mean = similarities.mean(1)
    weight = context.per_view([terms.weight], mean[:, None], f"{terms.place}/target weight")
    return ChunkLosses(terms.multiplicity * weight[:, 0] * loss, losses, weights, chosen, similarity, mean, weight)


def vectors(wanted: Sequence[WantedFeature], features: Tensor) -> Tensor:
    """[F, D]

    Raises:
        PluginError: a feature is of another length than those of the model.
    """
    for one in wanted:
        if one.vector.shape != features.shape[1:]:
            plugin = one.plan.source.component.describe()
            raise PluginError(f"{plugin} gave {len(one.vector)} numbers; the model's features have {features.shape[1]}")
    return torch.stack([one.vector for one in wanted])


def _losses(wanted: Sequence[WantedFeature], features: Tensor, targets: Tensor) -> Tensor:
    """[b, F]: each loss function is called once, for all pairs of a view and a feature that use it."""
    groups: dict[int, list[int]] = {}
    for i, one in enumerate(wanted):
        groups.setdefault(id(one.plan.loss.component), []).append(i)
    columns: list[Tensor] = [features] * len(wanted)
    for members in groups.values():
        shape = (len(features), len(members), features.shape[1])
        pairs = features[:, None].expand(shape), torch.stack([targets[i] for i in members]).expand(shape)
        losses = call_loss(wanted[members[0]].plan.loss, *(side.reshape(-1, shape[2]) for side in pairs))
        for i, column in zip(members, losses.view(shape[:2]).unbind(1), strict=True):
            columns[i] = column
    return torch.stack(columns, 1)


def _chosen(select: str, similarity: Tensor) -> Tensor:
    """[B, F] of zeros and ones: which features count in which view."""
    if select in ("all", "mix"):
        return torch.ones_like(similarity)
    best = similarity.argmax(1) if select == "best" else similarity.argmin(1)
    return torch.zeros_like(similarity).scatter_(1, best[:, None], 1)


def _mixed(wanted: Sequence[WantedFeature], features: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """[b]: the loss for the weighted mean of the features; the mean of features without weight is zero."""
    total = weights.abs().sum(1, keepdim=True)
    mixture = (weights @ targets) / total.clamp(min=1e-9)
    return call_loss(wanted[0].plan.loss, features, mixture.expand_as(features))
