"""The optimizers of torch, with step sizes that make them comparable.

They are tuned by hand: a gradient that stays the same, and is as small as those of CLIP, moves a pixel about as far
with each of them in the 300 epochs of a default run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import torch
from torch import Tensor

from clipig_core import Floats2, Param

_ALMOST_ONE = 0.999999  # at 1 a mean would never move

Betas = Annotated[Floats2, Param("Decay of the running means of gradient and square.", min=0, max=_ALMOST_ONE)]
Decay = Annotated[float, Param("Decay of the running mean of squares.", min=0, max=_ALMOST_ONE)]
Eps = Annotated[float, Param("Added to the denominator.", above=0)]
Momentum = Annotated[float, Param("The part of a step that the next one repeats.", min=0, max=_ALMOST_ONE)]
WeightDecay = Annotated[float, Param("Adds this part of each value to its gradient, which pulls it to zero.", min=0)]
Amsgrad = Annotated[bool, Param("Divide by the largest mean of squares so far (Reddi et al. 2018).")]


def adam(
    parameters: Iterable[Tensor],
    betas: Betas = (0.9, 0.999),
    eps: Eps = 1e-8,
    weight_decay: WeightDecay = 0.0,
    amsgrad: Amsgrad = False,
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015), the default.

    Example: {betas: .8 .99}
    """
    return torch.optim.Adam(
        parameters, lr=0.01, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, fused=True
    )


def adamw(
    parameters: Iterable[Tensor],
    betas: Betas = (0.9, 0.999),
    eps: Eps = 1e-8,
    weight_decay: Annotated[float, Param("How much of every value a step takes away, times its size.", min=0)] = 0.01,
    amsgrad: Amsgrad = False,
) -> torch.optim.Optimizer:
    """Adam that also pulls all values towards zero (Loshchilov and Hutter 2019).

    Example: {weight_decay: .1}
    """
    return torch.optim.AdamW(
        parameters, lr=0.01, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, fused=True
    )


def nadam(
    parameters: Iterable[Tensor],
    betas: Betas = (0.9, 0.999),
    eps: Eps = 1e-8,
    weight_decay: WeightDecay = 0.0,
    momentum_decay: Annotated[float, Param("How slowly the momentum grows to its full size.", min=0)] = 4e-3,
) -> torch.optim.Optimizer:
    """Adam with Nesterov momentum (Dozat 2016)."""
    return torch.optim.NAdam(
        parameters, lr=0.01, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay
    )


def radam(
    parameters: Iterable[Tensor], betas: Betas = (0.9, 0.999), eps: Eps = 1e-8, weight_decay: WeightDecay = 0.0
) -> torch.optim.Optimizer:
    """Adam whose first steps are careful (Liu et al. 2020)."""
    return torch.optim.RAdam(parameters, lr=0.03, betas=betas, eps=eps, weight_decay=weight_decay)


def adadelta(
    parameters: Iterable[Tensor], rho: Decay = 0.9, eps: Eps = 1e-6, weight_decay: WeightDecay = 0.0
) -> torch.optim.Optimizer:
    """Adadelta (Zeiler 2012): steps as large as the last ones were.

    Example: {rho: .95}
    """
    return torch.optim.Adadelta(parameters, lr=20, rho=rho, eps=eps, weight_decay=weight_decay)


def adagrad(
    parameters: Iterable[Tensor],
    lr_decay: Annotated[float, Param("The step size is divided by 1 plus this, times the steps so far.", min=0)] = 0.0,
    weight_decay: WeightDecay = 0.0,
    initial_accumulator_value: Annotated[float, Param("First value of the sums of squares.", min=0)] = 0.0,
    eps: Eps = 1e-10,
) -> torch.optim.Optimizer:
    """Adagrad (Duchi et al. 2011): steps that shrink with every gradient seen."""
    return torch.optim.Adagrad(
        parameters,
        lr=0.1,
        lr_decay=lr_decay,
        weight_decay=weight_decay,
        initial_accumulator_value=initial_accumulator_value,
        eps=eps,
    )


def rmsprop(
    parameters: Iterable[Tensor],
    alpha: Decay = 0.99,
    eps: Eps = 1e-8,
    weight_decay: WeightDecay = 0.0,
    momentum: Momentum = 0.1,
    centered: Annotated[bool, Param("Divide by the deviation of gradients from their mean, not by their size.")] = True,
) -> torch.optim.Optimizer:
    """RMSprop, with gradients divided by their deviation from their mean (Graves 2013).

    Example: {momentum: .5}
    """
    return RMSprop(
        parameters, lr=0.003, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered
    )


class RMSprop(torch.optim.RMSprop):
    """torch's, also for gradients that stay the same: their variance is 0, and not less, as rounding may have it."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """torch's own takes the root of the rounded variance, which is nan if that is negative."""
        if not self.defaults["centered"]:
            return super().step(closure)
        for group in self.param_groups:
            for values in group["params"]:
                if values.grad is not None:
                    self._move(values, values.grad.add(values, alpha=group["weight_decay"]), group)
        return None

    def _move(self, values: Tensor, gradient: Tensor, group: Mapping[str, Any]) -> None:
        memory, alpha = self.state[values], group["alpha"]
        if not memory:
            memory["step"] = torch.zeros(())
            memory |= {name: torch.zeros_like(values) for name in ("square_avg", "grad_avg", "momentum_buffer")}
        memory["step"] += 1
        square, mean, buffer = memory["square_avg"], memory["grad_avg"], memory["momentum_buffer"]
        square.mul_(alpha).addcmul_(gradient, gradient, value=1 - alpha)
        mean.lerp_(gradient, 1 - alpha)
        deviation = square.addcmul(mean, mean, value=-1).clamp_min_(0).sqrt_().add_(group["eps"])
        buffer.mul_(group["momentum"]).addcdiv_(gradient, deviation)
        values.add_(buffer, alpha=-group["lr"])


def sparse_adam(
    parameters: Iterable[Tensor], alpha: Decay = 0.99, eps: Eps = 1e-8, weight_decay: WeightDecay = 0.0
) -> torch.optim.Optimizer:
    """Plain RMSprop, under a name of old configs."""
    return RMSprop(parameters, lr=0.01, alpha=alpha, eps=eps, weight_decay=weight_decay)


def sgd(
    parameters: Iterable[Tensor],
    momentum: Momentum = 0.0,
    dampening: Annotated[float, Param("The part of a gradient that does not enter the momentum.", min=0, max=1)] = 0.0,
    weight_decay: WeightDecay = 0.0,
    nesterov: Annotated[bool, Param("Nesterov momentum; needs a momentum, and no dampening.")] = False,
) -> torch.optim.Optimizer:
    """Plain gradient descent. Raises ValueError if `nesterov` has no momentum, or dampening.

    Example: {momentum: .9}
    """
    return torch.optim.SGD(
        parameters, lr=10, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov
    )
