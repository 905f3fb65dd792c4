"""One target: from the picture to its views, and from their features to a loss for each view."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clipig_core.config.plan import Section, TargetPlan
from clipig_core.config.sections import Constraint
from clipig_core.engine.context import EpochContext, Placed, call_constraint, call_transform
from clipig_core.engine.device import numbers
from clipig_core.engine.encoding import ChunkedEncoder
from clipig_core.engine.objective import ChunkLosses, Terms, WantedFeature, chunk_losses
from clipig_core.imaging.clamp import clamp_through
from clipig_core.imaging.views import Images, Pixels, pixels
from clipig_core.language.expressions import SIMILARITY


@dataclass
class TermResult:
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
class TermResults:
    """Features or a constraint of a target in one epoch, a column for each.

    `loss` [B, R] is unweighted, `weight` [B or 1, R], `taken` [B or 1, R] is 1 where they took part, else 0.
    """

    kind: str
    columns: tuple[tuple[int, str], ...]
    loss: Tensor
    weight: Tensor
    taken: Tensor
    similarity: Tensor | None = None

    def single(self) -> list[TermResult]:
        count = self.taken.expand_as(self.loss).sum(0)
        results = []
        for i, (index, name) in enumerate(self.columns):
            similarity = None if self.similarity is None else self.similarity[:, i]
            results.append(TermResult(index, name, self.weight[:, i], self.loss[:, i], count[i], similarity))
        return results


@dataclass
class TargetResult:
    """What one target did in one epoch.

    `loss` [B] and `weight` [B or 1] are those of its views, each of which counts `multiplicity` times.
    """

    index: int
    name: str
    weight: Tensor
    loss: Tensor
    terms: list[TermResults]
    multiplicity: int

    @property
    def features(self) -> list[TermResult]:
        return [result for terms in self.terms if terms.kind == "feature" for result in terms.single()]

    @property
    def constraints(self) -> list[TermResult]:
        return [result for terms in self.terms if terms.kind == "constraint" for result in terms.single()]

    @property
    def similarity(self) -> Tensor | None:
        """[B, F] of the features that took part, or None if there was none."""
        found = [terms.similarity for terms in self.terms if terms.similarity is not None]
        return found[0] if found else None


class BoundTarget:
    """A target that is ready to run."""

    def __init__(
        self, index: int, plan: TargetPlan, encoder: ChunkedEncoder | None, features: list[WantedFeature]
    ) -> None:
        self.index, self.plan, self.encoder, self.features = index, plan, encoder, features
        fixed = plan.section.fixed
        self.name, self.select, self.color = fixed.name, fixed.select, fixed.color
        self.fair = fixed.feature_scale == "fair"
        self.normalized = fixed.gradient == "normalized"
        self.place = f"targets/{index}"
        self.transforms = Placed.all(plan.transforms, f"{self.place}/transforms")
        self.constraints = Placed.all([one.use for one in plan.constraints], f"{self.place}/constraints")
        self.random = any(part.use.component.random for part in self.transforms)

    def make_fair(self, features: Tensor) -> None:
        """Choose factors, at most 1, so that all features have the same similarity to `features` [1, D].

        A similarity that is not positive cannot be scaled to another; its factor stays 1.
        """
        similarities = [float((features @ wanted.vector).mean()) for wanted in self.features]
        positive = [similarity for similarity in similarities if similarity > 1e-6]
        for wanted, similarity in zip(self.features, similarities, strict=True):
            wanted.factor = min(positive) / similarity if similarity > 1e-6 else 1.0

    def batch_size(self, context: EpochContext) -> int:
        """How many views there are in an epoch."""
        return context.at(self.plan.section, self.place).batch_size

    def views(self, image: Tensor, context: EpochContext) -> Tensor:
        """[1, 3, H, W] -> [B, 3, h, w]; B is 1 if nothing is random, as all views would be the same."""
        views: Images = image
        for part in self.transforms:
            if part.use.component.random and views.shape[0] < self.batch_size(context):
                views = Pixels(pixels(views), self.batch_size(context))
            views = call_transform(part, views, context)
        return pixels(views)


class TargetPass:
    """What a target sees of the picture in one epoch, and what it makes of it.

    Features come in chunks, in the order of the views. `losses` says what is to be said of each, so that its graph can
    be used and dropped before the next one.
    """

    def __init__(self, target: BoundTarget, image: Tensor, context: EpochContext) -> None:
        self.target, self.context, self.image = target, context, image
        active = [
            i
            for i, wanted in enumerate(target.features)
            if context.open(wanted.plan.section, f"{target.place}/features/{i}")
        ]
        weight = target.plan.section["weight"]
        self.multiplicity = 1 if target.random else target.batch_size(context)
        """How often each view counts: views are all the same if no transform is random, and then there is one."""
        self.terms = Terms(target.features, active, target.select, weight, self.multiplicity, target.place)
        self.views = target.views(image, context)
        """[B, 3, h, w]"""
        self.gradient: Tensor | None = None
        """Of the losses of the features, with respect to the views."""
        self._chunks: list[ChunkLosses] = []

    @property
    def wanted(self) -> list[WantedFeature]:
        """The features that take part."""
        return self.terms.wanted

    def losses(self, features: Tensor) -> ChunkLosses:
        """What is to be said of b views with these unit-length features [b, D]."""
        return chunk_losses(features, self.terms, self.context)

    def add(self, chunk: ChunkLosses) -> None:
        """Take in what is said of the next views; nothing needs its graph any more."""
        chunk.loss, chunk.losses = chunk.loss.detach(), chunk.losses.detach()
        self._chunks.append(chunk)

    def finish(self) -> TargetResult:
        """What the target did. `constrained` is then the sum of the losses of its constraints, with a graph."""
        views, terms = self.views, []
        similarity, loss = views.new_zeros(len(views)), views.new_zeros(len(views))
        if self._chunks:
            terms = [self._feature_results()]
            similarity = torch.cat([chunk.mean for chunk in self._chunks])
            weight = torch.cat([chunk.weight.expand(len(chunk.losses), 1) for chunk in self._chunks])[:, 0]
            loss = torch.cat([chunk.loss for chunk in self._chunks])
        else:
            weight = self.context.per_view([self.terms.weight], similarity[:, None], self.target.place)[:, 0]
        held = views.new_zeros(len(views))
        seen = clamp_through(views) if self.target.constraints else views
        for index, (part, plan) in enumerate(zip(self.target.constraints, self.target.plan.constraints, strict=True)):
            result = self._constraint(index, part, plan.section, seen, similarity)
            if result:
                held = held + self.multiplicity * weight * (result.weight * result.loss)[:, 0]
                result.loss = result.loss.detach()
                terms.append(result)
        self.weight, self.constrained = weight, held.sum()
        return TargetResult(self.target.index, self.target.name, weight, loss + held.detach(), terms, self.multiplicity)

    def roots(self) -> tuple[list[Tensor], list[Tensor]]:
        """Where the gradient of this target comes from: tensors with a graph, and the gradient of each."""
        pairs = [(self.constrained, torch.ones_like(self.constrained))]
        if self.gradient is not None:
            pairs.append((self.views, self.gradient))
        pairs = [pair for pair in pairs if pair[0].requires_grad]
        return [root for root, _ in pairs], [gradient for _, gradient in pairs]

    def adjusted(self, gradient: Tensor) -> Tensor:
        """The gradient with respect to the picture [1, 3, H, W], as this target's settings want it.

        Normalized, its norm is the target's weight, whatever words, model and canvas are; its difference from gray
        counts `color` times.
        """
        if self.target.color != 1:
            gray = gradient.mean(1, keepdim=True)
            gradient = gray + self.target.color * (gradient - gray)
        if self.target.normalized:
            gradient = gradient * (self.weight.abs().mean() / (gradient.norm() + 1e-12))
        return gradient

    @property
    def plain(self) -> bool:
        """Whether its gradient is taken as it is."""
        return not self.target.normalized and self.target.color == 1

    def _feature_results(self) -> TermResults:
        columns = tuple((one.index, one.name) for one in self.wanted)
        rows = [len(chunk.losses) for chunk in self._chunks]

        def joined(name: str) -> Tensor:
            parts = [getattr(chunk, name) for chunk in self._chunks]
            return torch.cat([part.expand(count, -1) for part, count in zip(parts, rows, strict=True)])

        return TermResults("feature", columns, *map(joined, ("losses", "weights", "chosen", "similarity")))

    def _constraint(
        self, index: int, part: Placed, section: Section[Constraint], views: Tensor, similarity: Tensor
    ) -> TermResults | None:
        contexts, parts = [self.context], [views]
        if any(value.names & SIMILARITY for value in [*part.use.values.values(), section["start"], section["end"]]):
            contexts = [self.context.of_view(i, number) for i, number in enumerate(similarity.tolist())]
            parts = list(views.split(1))
        opened = [context.open(section, part.place) for context in contexts]
        if not any(opened):
            return None
        losses = [
            call_constraint(part, some, context) if inside else some.new_zeros(len(some))
            for context, some, inside in zip(contexts, parts, opened, strict=True)
        ]
        weight = self.context.per_view([section["weight"]], similarity[:, None], f"{part.place}/weight")
        taken = numbers([float(inside) for inside in opened], views)[:, None]
        columns = ((index, part.use.name),)
        return TermResults("constraint", columns, torch.cat(losses)[:, None], weight, taken)


def picture_gradient(passes: list[TargetPass], picture: Tensor) -> Tensor | None:
    """[1, 3, H, W]: the sum of the gradients of all targets; None if none of them has any.

    Targets whose gradient is taken as it is share one backward pass.
    """
    groups = [[one] for one in passes if not one.plain]
    groups += [[one for one in passes if one.plain]]
    total: Tensor | None = None
    for group in groups:
        roots = [root for one in group for root in zip(*one.roots(), strict=True)]
        if not roots:
            continue
        (found,) = torch.autograd.grad(
            [root for root, _ in roots], picture, [gradient for _, gradient in roots], allow_unused=True
        )
        if found is not None:
            found = found if group[0].plain else group[0].adjusted(found)
            total = found if total is None else total + found
    return total
