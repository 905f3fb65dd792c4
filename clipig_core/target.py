"""One target: from the picture to its views, and from their features to a loss for each view."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core.config import ConstraintConfig, FeatureConfig, TargetConfig, Use
from clipig_core.encoder import Encoder, fit
from clipig_core.errors import InputError, PluginError, Problem
from clipig_core.expressions import SIMILARITY
from clipig_core.params import Value, Values
from clipig_core.schedule import Now


@dataclass
class Scope:
    """What the present epoch offers to components: variables for expressions, and the two sources of randomness."""

    now: Now
    variables: dict[str, Any]
    draw: random.Random
    rng: torch.Generator

    def constant(self, value: Value) -> Any:
        return value.resolve(self.variables, self.draw)

    def open(self, values: Values) -> bool:
        """Whether a part with these `start`, `end` and `active` takes part in this epoch."""
        if "active" in values and not self.constant(values["active"]):
            return False
        return self.now.within(self.constant(values["start"]), self.constant(values["end"]))

    def per_view(self, value: Value, similarity: Tensor) -> float | Tensor:
        """A number, or one for each view [B] if the expression uses `similarity` [B]."""
        if not value.names & SIMILARITY:
            return float(self.constant(value))
        numbers = [value.resolve(self.variables | view, self.draw) for view in views_of(similarity)]
        return torch.tensor(numbers, device=similarity.device)


def views_of(similarity: Tensor) -> list[dict[str, float]]:
    """The variables of the similarity groups for each view; reads [B] values back from the device."""
    return [dict.fromkeys(SIMILARITY, number) for number in similarity.tolist()]


def call(use: Use, images: Tensor, arguments: Mapping[str, Any], scope: Scope) -> Tensor:
    """Run a transform or constraint on [B, 3, H, W].

    Raises:
        InputError: it refuses its parameters with a ValueError.
        PluginError: it fails in any other way, or returns a wrong shape.
    """
    component = use.component
    extra = {"rng": scope.rng} if component.random else {}
    with component.calling(use.node.place, f"in epoch {scope.now.epoch}"):
        result: Tensor = component.function(images, **arguments, **extra)
    images_wanted = component.kind == "transform"
    good = isinstance(result, Tensor) and result.is_floating_point() and result.device == images.device
    good = good and (
        result.dim() == 4 and result.shape[:2] == images.shape[:2]
        if images_wanted
        else result.shape == images.shape[:1]
    )
    if not good:
        wanted = "[B, 3, h, w]" if images_wanted else "[B]"
        detail = f"; {result.dtype} on {result.device}" if isinstance(result, Tensor) else ""
        given = f"{_describe(result)} for images {list(images.shape)}{detail}"
        raise PluginError(f"{component.describe()} returned {given}, not floats {wanted}")
    return result


def _describe(value: object) -> str:
    return str(list(value.shape)) if isinstance(value, Tensor) else type(value).__name__


@dataclass
class Part:
    """What one feature or constraint did in one epoch; tensors [B] stay on the device until somebody looks.

    `loss` is unweighted, `weight` a number or [B], `count` the views in which it took part.
    """

    index: int
    name: str
    weight: float | Tensor
    loss: Tensor
    count: float | Tensor
    similarity: Tensor | None = None


@dataclass
class Outcome:
    """What one target did in one epoch."""

    index: int
    name: str
    weight: float | Tensor
    loss: Tensor
    features: list[Part] = field(default_factory=list)
    constraints: list[Part] = field(default_factory=list)


@dataclass
class WantedFeature:
    """A feature of the config, encoded once: `vector` [D] has unit length; `factor` makes similarities fair."""

    index: int
    config: FeatureConfig
    vector: Tensor
    factor: float = 1.0

    @classmethod
    def encode(cls, index: int, config: FeatureConfig, encoder: Encoder, device: torch.device) -> WantedFeature:
        component = config.source.component
        arguments = config.source.arguments({}, random.Random(0))
        with torch.no_grad(), component.calling(config.source.node.place):
            vector = component.function(arguments.pop("value"), encoder, **arguments)
        if not isinstance(vector, Tensor) or vector.dim() != 1:
            raise PluginError(f"{component.describe()} returned {_describe(vector)}, not a feature [D]")
        return cls(index, config, F.normalize(vector.detach().float().to(device), dim=0))

    @property
    def name(self) -> str:
        return str(self.config.source.values["value"].source)

    def loss(self, features: Tensor, target: Tensor) -> Tensor:
        component = self.config.loss.component
        with component.calling(self.config.loss.node.place):
            result: Tensor = component.function(features, target)
        if not isinstance(result, Tensor) or result.shape != features.shape[:1]:
            raise PluginError(f"{component.describe()} returned {_describe(result)}, not a loss [B]")
        return result


class Target:
    """A target that is ready to run."""

    def __init__(self, index: int, config: TargetConfig, encoder: Encoder | None, device: torch.device) -> None:
        self.index, self.config = index, config
        fixed = {
            name: config.values[name].resolve({}, random.Random(0))
            for name in ("name", "select", "batch_size", "feature_scale")
        }
        self.name, self.select, self.batch_size = fixed["name"], fixed["select"], fixed["batch_size"]
        self.fair = fixed["feature_scale"] == "fair"
        self.features: list[WantedFeature] = []
        if encoder:
            self.features = [WantedFeature.encode(i, f, encoder, device) for i, f in enumerate(config.features)]
        self.random = any(use.component.random for use in config.transforms)

    def make_fair(self, features: Tensor) -> None:
        """Choose factors, at most 1, so that all features have the same similarity to `features` [1, D].

        A similarity that is not positive cannot be scaled to another; its factor stays 1.
        """
        similarities = [float((features @ wanted.vector).mean()) for wanted in self.features]
        positive = [similarity for similarity in similarities if similarity > 1e-6]
        for wanted, similarity in zip(self.features, similarities, strict=True):
            wanted.factor = min(positive) / similarity if similarity > 1e-6 else 1.0

    def active_features(self, scope: Scope) -> list[WantedFeature]:
        return [wanted for wanted in self.features if scope.open(wanted.config.values)]

    def views(self, image: Tensor, scope: Scope) -> Tensor:
        """[1, 3, H, W] -> [B, 3, h, w]; B is 1 if nothing is random, as all views would be the same."""
        views = image
        for use in self.config.transforms:
            if use.component.random and len(views) < self.batch_size:
                views = views.expand(self.batch_size, -1, -1, -1)
            views = call(use, views, use.arguments(scope.variables, scope.draw), scope)
        return views

    def evaluate(self, views: Tensor, features: Tensor | None, scope: Scope) -> Outcome:
        """The loss of all views [B, 3, h, w], and of their unit-length `features` [B, D] if any feature is active."""
        outcome = Outcome(self.index, self.name, 1.0, views.new_zeros(len(views)))
        similarity = None
        if features is not None:
            similarity = self._add_features(outcome, self.active_features(scope), features, scope)
        for index, constraint in enumerate(self.config.constraints):
            self._add_constraint(outcome, index, constraint, views, similarity, scope)
        outcome.weight = scope.per_view(self.config.values["weight"], self._or_zero(similarity, views))
        outcome.loss = outcome.weight * outcome.loss * (1 if self.random else self.batch_size)
        return outcome

    def _or_zero(self, similarity: Tensor | None, views: Tensor) -> Tensor:
        return views.new_zeros(len(views)) if similarity is None else similarity

    def _add_features(
        self, outcome: Outcome, wanted: Sequence[WantedFeature], features: Tensor, scope: Scope
    ) -> Tensor:
        """Adds the loss of the features; returns the mean similarity of each view [B]."""
        for one in wanted:
            if one.vector.shape != features.shape[1:]:
                plugin = one.config.source.component.describe()
                raise PluginError(
                    f"{plugin} gave {len(one.vector)} numbers; the model's features have {features.shape[1]}"
                )
        cosines = features @ torch.stack([one.vector for one in wanted]).T
        columns, weights = [], []
        for one, cosine in zip(wanted, cosines.detach().unbind(1), strict=True):
            raw = 100 * cosine * one.factor
            columns.append(raw * scope.per_view(one.config.values["scale"], raw))
            weights.append(scope.per_view(one.config.values["weight"], columns[-1]))
        similarity = torch.stack(columns, 1)
        if self.select == "mix":
            outcome.loss = outcome.loss + self._mixed(wanted, weights, features)
            chosen = torch.ones_like(similarity)
        else:
            chosen = self._chosen(similarity)
        for index, (one, weight) in enumerate(zip(wanted, weights, strict=True)):
            loss = one.loss(features, one.vector)
            if self.select != "mix":
                outcome.loss = outcome.loss + weight * loss * chosen[:, index]
            part = Part(one.index, one.name, weight, loss.detach(), chosen[:, index].sum(), similarity[:, index])
            outcome.features.append(part)
        return similarity.mean(1)

    def _chosen(self, similarity: Tensor) -> Tensor:
        """[B, F] of zeros and ones: which features count in which view."""
        if self.select == "all":
            return torch.ones_like(similarity)
        best = similarity.argmax(1) if self.select == "best" else similarity.argmin(1)
        return F.one_hot(best, similarity.shape[1]).to(similarity.dtype)

    def _mixed(self, wanted: Sequence[WantedFeature], weights: Sequence[float | Tensor], features: Tensor) -> Tensor:
        vectors = torch.stack([one.vector for one in wanted])
        columns = [torch.as_tensor(w, device=features.device).expand(len(features)) for w in weights]
        table = torch.stack(columns, 1)
        total = table.abs().sum(1, keepdim=True)
        if all(isinstance(weight, float) for weight in weights) and not any(weights):
            place = wanted[0].config.values["weight"].node.place
            raise InputError(Problem("the weights of the features sum to zero, so there is nothing to mix", place))
        return wanted[0].loss(features, (table @ vectors) / total.clamp(min=1e-9))

    def _add_constraint(
        self,
        outcome: Outcome,
        index: int,
        constraint: ConstraintConfig,
        views: Tensor,
        similarity: Tensor | None,
        scope: Scope,
    ) -> None:
        use = constraint.use
        known = self._or_zero(similarity, views)
        windows = {name: constraint.values[name] for name in ("start", "end")}
        everything = [*use.values.values(), *windows.values()]
        if any(value.names & SIMILARITY for value in everything):
            scopes = [Scope(scope.now, scope.variables | view, scope.draw, scope.rng) for view in views_of(known)]
            pairs = list(zip(scopes, views.split(1), strict=True))
        else:
            pairs = [(scope, views)]
        losses = [
            call(use, part, use.arguments(own.variables, own.draw), own)
            if own.open(windows)
            else part.new_zeros(len(part))
            for own, part in pairs
        ]
        count = sum(len(part) for own, part in pairs if own.open(windows))
        if not count:
            return
        loss, weight = torch.cat(losses), scope.per_view(constraint.values["weight"], known)
        outcome.loss = outcome.loss + weight * loss
        outcome.constraints.append(Part(index, use.name, weight, loss.detach(), float(count), similarity))


def encode_views(views: Sequence[Tensor], encoder: Encoder) -> list[Tensor]:
    """Unit-length features [B, D] of several batches of views [B, 3, h, w], in one pass through the encoder."""
    fitted = [fit(batch, encoder.image_size) for batch in views]
    features = F.normalize(encoder.encode_image(torch.cat(fitted)).float(), dim=-1)
    return list(features.split([len(batch) for batch in fitted]))
