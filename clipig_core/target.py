"""One target: from the picture to its views, and from their features to a loss for each view."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core.config import ConstraintConfig, FeatureConfig, TargetConfig, Use
from clipig_core.device import numbers
from clipig_core.encoder import Encoder
from clipig_core.errors import InputError, PluginError, Problem
from clipig_core.expressions import SIMILARITY
from clipig_core.params import Value, Values
from clipig_core.registry import Component
from clipig_core.schedule import Now
from clipig_core.views import Axis, Images, Pixels, Views, is_lazy, pixels


@dataclass
class Scope:
    """What the present epoch offers to components: variables for expressions, and the two sources of randomness."""

    now: Now
    variables: dict[str, Any]
    draw: random.Random
    rng: torch.Generator
    rehearsal: bool = False
    _known: dict[Any, Any] = field(default_factory=dict, repr=False)

    def constant(self, value: Value) -> Any:
        """The value in this epoch, resolved once."""
        if id(value) not in self._known:
            self._known[id(value)] = value.resolve(self.variables, self.draw)
        return self._known[id(value)]

    def active(self, values: Values) -> bool:
        """Whether a part with these is not switched off."""
        return "active" not in values or bool(self.constant(values["active"]))

    def open(self, values: Values) -> bool:
        """Whether a part with these `start`, `end` and `active` takes part in this epoch."""
        return self.active(values) and self.now.within(self.constant(values["start"]), self.constant(values["end"]))

    def ever_open(self, values: Values) -> bool:
        """Whether a part with these may take part now or later, as far as constants can tell."""
        window = [values["start"], values["end"]]
        return self.active(values) and (not all_constant(window) or self.now.still_opens(*map(self.constant, window)))

    def _draws(self, value: Value) -> random.Random:
        """Random numbers of a value that has one for each view; they do not depend on which views come together."""
        key = ("draws", id(value))
        if key not in self._known:
            self._known[key] = random.Random(self.draw.getrandbits(64))
        found: random.Random = self._known[key]
        return found

    def of_view(self, similarity: float) -> Scope:
        """The same for one view with this similarity."""
        return Scope(self.now, self._variables(similarity), self.draw, self.rng, self.rehearsal)

    def _variables(self, similarity: float) -> dict[str, Any]:
        return self.variables | dict.fromkeys(SIMILARITY, similarity)

    def per_view(self, values: Sequence[Value], similarity: Tensor) -> Tensor:
        """[1, F] numbers; or [B, F], one for each view, if any of the expressions uses `similarity` [B, F]."""
        if not any(value.names & SIMILARITY for value in values):
            return numbers([float(self.constant(value)) for value in values], similarity)[None]
        columns = [
            [float(value.resolve(self._variables(number), draws)) for number in column]
            if value.names & SIMILARITY
            else [float(self.constant(value))] * len(column)
            for value, draws, column in zip(values, map(self._draws, values), similarity.T.tolist(), strict=True)
        ]
        return torch.tensor(columns).T.to(similarity)


def call(use: Use, images: Images, arguments: Mapping[str, Any], scope: Scope) -> Images:
    """Run a transform on [B, 3, H, W]. One that is lazy gets and gives `Views`, so that crops are known in time.

    Raises:
        InputError: it refuses its parameters with a ValueError.
        PluginError: it fails in any other way, or returns a wrong shape.
    """
    if is_lazy(use.component.function):
        images = Pixels(images) if isinstance(images, Tensor) else images
    else:
        images = pixels(images)
    result = _result(use, images, arguments, scope)
    if isinstance(result, Views):
        return _Guarded(result, use, images)
    good = isinstance(result, Tensor) and result.is_floating_point() and result.device == images.device
    if not good or result.dim() != 4 or result.shape[:2] != images.shape[:2]:
        raise _broken(use.component, result, f"floats [B, 3, h, w] for images {list(images.shape)}")
    moved: Tensor = result
    return moved


class _Guarded(Views):
    """What a lazy transform returned; if reading goes wrong, it is this transform that is to blame."""

    def __init__(self, views: Views, use: Use, images: Images) -> None:
        self.views, self.use = views, use
        with use.component.calling(use.node.place):
            self.shape, self.dtype, self.device = torch.Size(views.shape), views.dtype, views.device
        if len(self.shape) != 4 or self.shape[:2] != images.shape[:2] or self.device != images.device:
            found = f"images {list(self.shape)} on {self.device}"
            raise PluginError(f"{use.component.describe()} returned {found} for images {list(images.shape)}")

    def read(self, columns: Axis, rows: Axis) -> Tensor:
        with self.use.component.calling(self.use.node.place):
            result = self.views.read(columns, rows)
        wanted = (*self.shape[:2], rows.index.shape[1], columns.index.shape[1])
        if not isinstance(result, Tensor) or result.shape != wanted:
            raise _broken(self.use.component, result, f"the floats {list(wanted)} that were read")
        return result


def call_constraint(use: Use, images: Tensor, arguments: Mapping[str, Any], scope: Scope) -> Tensor:
    """Run a constraint on [B, 3, H, W] -> [B].

    Raises:
        InputError: it refuses its parameters with a ValueError.
        PluginError: it fails in any other way, or returns a wrong shape.
    """
    return _losses_of(use, _result(use, images, arguments, scope), images)


def call_loss(use: Use, features: Tensor, wanted: Tensor) -> Tensor:
    """Run a loss on [B, D] and [B, D] -> [B].

    Raises:
        PluginError: it fails, or returns a wrong shape.
    """
    with use.component.calling(use.node.place):
        result = use.component.function(features, wanted)
    return _losses_of(use, result, features)


def _result(use: Use, images: Images, arguments: Mapping[str, Any], scope: Scope) -> Any:
    extra = {"rng": scope.rng} if use.component.random else {}
    with use.component.calling(use.node.place, "" if scope.rehearsal else f"in epoch {scope.now.epoch}"):
        return use.component.function(images, **arguments, **extra)


def _losses_of(use: Use, result: Any, given: Tensor) -> Tensor:
    good = isinstance(result, Tensor) and result.is_floating_point() and result.device == given.device
    if not good or result.shape != given.shape[:1]:
        raise _broken(use.component, result, f"floats [B] for {list(given.shape)}")
    losses: Tensor = result
    return losses


def _broken(component: Component, result: object, wanted: str) -> PluginError:
    given = f"{list(result.shape)}, {result.dtype} on {result.device}" if isinstance(result, Tensor) else repr(result)
    return PluginError(f"{component.describe()} returned {given[:200]}, not {wanted}")


@dataclass
class Part:
    """What one feature or constraint did in one epoch; tensors stay on the device until somebody looks.

    `loss` [B] is unweighted, `weight` [1] or [B], `count` the number of views in which it took part.
    """

    index: int
    name: str
    weight: Tensor
    loss: Tensor
    count: Tensor
    similarity: Tensor | None = None


@dataclass
class Table:
    """Features or a constraint of a target in one epoch, a column for each.

    `loss` [B, R] is unweighted, `weight` [B or 1, R], `taken` [B or 1, R] is 1 where they took part, else 0.
    """

    kind: str
    columns: tuple[tuple[int, str], ...]
    loss: Tensor
    weight: Tensor
    taken: Tensor
    similarity: Tensor | None = None

    def parts(self) -> list[Part]:
        count = self.taken.expand_as(self.loss).sum(0)
        parts = []
        for i, (index, name) in enumerate(self.columns):
            similarity = None if self.similarity is None else self.similarity[:, i]
            parts.append(Part(index, name, self.weight[:, i], self.loss[:, i], count[i], similarity))
        return parts


@dataclass
class Outcome:
    """What one target did in one epoch.

    `loss` [B] and `weight` [B or 1] are those of its views, each of which counts `multiplicity` times.
    """

    index: int
    name: str
    weight: Tensor
    loss: Tensor
    tables: list[Table]
    multiplicity: int

    @property
    def features(self) -> list[Part]:
        return [part for table in self.tables if table.kind == "feature" for part in table.parts()]

    @property
    def constraints(self) -> list[Part]:
        return [part for table in self.tables if table.kind == "constraint" for part in table.parts()]


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
            raise _broken(component, vector, "a feature [D]")
        return cls(index, config, F.normalize(vector.detach().float().to(device), dim=0))

    @property
    def name(self) -> str:
        return str(self.config.source.values["value"].source)


class Target:
    """A target that is ready to run."""

    def __init__(self, index: int, config: TargetConfig, encoder: Encoder | None, device: torch.device) -> None:
        self.index, self.config, self.device = index, config, device
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

    def views(self, image: Tensor, scope: Scope) -> Tensor:
        """[1, 3, H, W] -> [B, 3, h, w]; B is 1 if nothing is random, as all views would be the same."""
        views: Images = image
        for use in self.config.transforms:
            if use.component.random and views.shape[0] < self.batch_size:
                views = Pixels(pixels(views), self.batch_size)
            views = call(use, views, use.arguments(scope.variables, scope.draw), scope)
        return pixels(views)


def rehearse(config: TargetConfig, image: Tensor, scope: Scope) -> list[Problem]:
    """What does not fit an image [1, 3, H, W], as far as constants can tell; no model is needed for that."""
    if not scope.ever_open(config.values):
        return []
    views: Images = image
    try:
        for use in config.transforms:
            if not all_constant(use.values.values()):
                return []
            views = call(use, views, use.arguments({}, scope.draw), scope)
    except InputError as error:
        return error.problems
    problems = _nothing_to_mix(config, scope)
    for constraint in config.constraints:
        if all_constant(constraint.use.values.values()) and scope.ever_open(constraint.values):
            try:
                arguments = constraint.use.arguments({}, scope.draw)
                call_constraint(constraint.use, pixels(views), arguments, scope)
            except InputError as error:
                problems += error.problems
    return problems


def _nothing_to_mix(config: TargetConfig, scope: Scope) -> list[Problem]:
    weights = [feature.values["weight"] for feature in config.features]
    if scope.constant(config.values["select"]) != "mix" or not weights or not all_constant(weights):
        return []
    if any(map(scope.constant, weights)):
        return []
    message = "the weights of the features sum to zero, so there is nothing to mix"
    return [Problem(message, weights[0].node.place)]


def all_constant(values: Iterable[Value]) -> bool:
    """Whether none of them depends on the epoch."""
    return all(value.constant for value in values)


class Look:
    """What a target sees of the picture in one epoch, and what it makes of it.

    Features come in chunks, in the order of the views. `judge` gives the loss of each, so that its graph can be used
    and dropped before the next one.
    """

    def __init__(self, target: Target, image: Tensor, scope: Scope) -> None:
        self.target, self.scope = target, scope
        self.wanted = [wanted for wanted in target.features if scope.open(wanted.config.values)]
        self.views = target.views(image, scope)
        """[B, 3, h, w]"""
        self._judged: list[Judgement] = []

    def judge(self, features: Tensor) -> Judgement:
        """What is to be said of b views with these unit-length features [b, D]."""
        return Judgement.of(features, self)

    def add(self, judgement: Judgement) -> None:
        """Take in what is said of the next views; nothing needs its graph any more."""
        judgement.loss, judgement.losses = judgement.loss.detach(), judgement.losses.detach()
        self._judged.append(judgement)

    def finish(self) -> tuple[Outcome, Tensor]:
        """What the target did, and the sum of the losses of its constraints, with a graph."""
        views, tables = self.views, []
        similarity, weight, loss = views.new_zeros(len(views)), None, views.new_zeros(len(views))
        if self._judged:
            tables = [self._features_table()]
            similarity = torch.cat([found.similarity for found in self._judged]).mean(1)
            weight = torch.cat([found.weight.expand(len(found.losses), 1) for found in self._judged])[:, 0]
            loss = torch.cat([found.loss for found in self._judged])
        if weight is None:
            weight = self.weight(similarity[:, None])[:, 0]
        held = views.new_zeros(len(views))
        for index, constraint in enumerate(self.target.config.constraints):
            table = self._constraint(index, constraint, similarity)
            if table:
                held = held + self.multiplicity * weight * (table.weight * table.loss)[:, 0]
                table.loss = table.loss.detach()
                tables.append(table)
        total = loss + held.detach()
        outcome = Outcome(self.target.index, self.target.name, weight, total, tables, self.multiplicity)
        return outcome, held.sum()

    @property
    def multiplicity(self) -> int:
        """How often each view counts."""
        return 1 if self.target.random else self.target.batch_size

    def weight(self, similarity: Tensor) -> Tensor:
        """Of the target, [1, 1] or [B, 1] for the mean similarity [B, 1] of each view."""
        return self.scope.per_view([self.target.config.values["weight"]], similarity)

    def _features_table(self) -> Table:
        columns = tuple((one.index, one.name) for one in self.wanted)
        rows = [len(found.losses) for found in self._judged]

        def joined(name: str) -> Tensor:
            parts = [getattr(found, name) for found in self._judged]
            return torch.cat([part.expand(count, -1) for part, count in zip(parts, rows, strict=True)])

        return Table("feature", columns, joined("losses"), joined("weights"), joined("chosen"), joined("similarity"))

    def _constraint(self, index: int, constraint: ConstraintConfig, similarity: Tensor) -> Table | None:
        use, views = constraint.use, self.views
        windows = {name: constraint.values[name] for name in ("start", "end")}
        scopes, parts = [self.scope], [views]
        if any(value.names & SIMILARITY for value in [*use.values.values(), *windows.values()]):
            scopes, parts = [self.scope.of_view(number) for number in similarity.tolist()], list(views.split(1))
        opened = [scope.open(windows) for scope in scopes]
        if not any(opened):
            return None
        losses = [
            call_constraint(use, part, use.arguments(scope.variables, scope.draw), scope)
            if inside
            else part.new_zeros(len(part))
            for scope, part, inside in zip(scopes, parts, opened, strict=True)
        ]
        weight = self.scope.per_view([constraint.values["weight"]], similarity[:, None])
        taken = numbers([float(inside) for inside in opened], views)[:, None]
        return Table("constraint", ((index, use.name),), torch.cat(losses)[:, None], weight, taken)


@dataclass
class Judgement:
    """Of b views and F features: the weighted `loss` [b] of each view.

    `losses`, `chosen` and `similarity` are [b, F], `weights` [b or 1, F], `weight` of the target [b or 1, 1].
    """

    loss: Tensor
    losses: Tensor
    weights: Tensor
    chosen: Tensor
    similarity: Tensor
    weight: Tensor

    @classmethod
    def of(cls, features: Tensor, look: Look) -> Judgement:
        target, scope, wanted = look.target, look.scope, look.wanted
        vectors = _vectors(wanted, features)
        cosines = (features @ vectors.T).detach()
        raw = 100 * cosines * numbers([one.factor for one in wanted], cosines)
        similarity = raw * scope.per_view([one.config.values["scale"] for one in wanted], raw)
        weights = scope.per_view([one.config.values["weight"] for one in wanted], similarity)
        losses = _losses(wanted, features, vectors)
        chosen = _chosen(target.select, similarity)
        if target.select == "mix":
            loss = _mixed(wanted, features, vectors, weights)
        else:
            loss = (weights * losses * chosen).sum(1)
        weight = look.weight(similarity.mean(1, keepdim=True))
        loss = look.multiplicity * weight[:, 0] * loss
        return cls(loss, losses, weights, chosen, similarity, weight)


def _vectors(wanted: Sequence[WantedFeature], features: Tensor) -> Tensor:
    """[F, D]"""
    for one in wanted:
        if one.vector.shape != features.shape[1:]:
            plugin = one.config.source.component.describe()
            raise PluginError(f"{plugin} gave {len(one.vector)} numbers; the model's features have {features.shape[1]}")
    return torch.stack([one.vector for one in wanted])


def _losses(wanted: Sequence[WantedFeature], features: Tensor, vectors: Tensor) -> Tensor:
    """[b, F]: each loss function is called once, for all pairs of a view and a feature that use it."""
    groups: dict[int, list[int]] = {}
    for i, one in enumerate(wanted):
        groups.setdefault(id(one.config.loss.component), []).append(i)
    columns: list[Tensor] = [features] * len(wanted)
    for members in groups.values():
        shape = (len(features), len(members), features.shape[1])
        pairs = features[:, None].expand(shape), torch.stack([vectors[i] for i in members]).expand(shape)
        losses = call_loss(wanted[members[0]].config.loss, *(side.reshape(-1, shape[2]) for side in pairs))
        for i, column in zip(members, losses.view(shape[:2]).unbind(1), strict=True):
            columns[i] = column
    return torch.stack(columns, 1)


def _chosen(select: str, similarity: Tensor) -> Tensor:
    """[B, F] of zeros and ones: which features count in which view."""
    if select in ("all", "mix"):
        return torch.ones_like(similarity)
    best = similarity.argmax(1) if select == "best" else similarity.argmin(1)
    return torch.zeros_like(similarity).scatter_(1, best[:, None], 1)


def _mixed(wanted: Sequence[WantedFeature], features: Tensor, vectors: Tensor, weights: Tensor) -> Tensor:
    """[b]: the loss for the weighted mean of the features; the mean of features without weight is zero."""
    total = weights.abs().sum(1, keepdim=True)
    mixture = (weights @ vectors) / total.clamp(min=1e-9)
    return call_loss(wanted[0].config.loss, features, mixture.expand_as(features))
