"""The optimizer `lion`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from clipig_core import Floats2, Param
from torch import Tensor


def lion(
    parameters: Iterable[Tensor],
    betas: Annotated[
        Floats2, Param("Decay of the running mean of gradients, for the step and for what is kept.", min=0, max=1)
    ] = (0.9, 0.99),
) -> torch.optim.Optimizer:
    """Steps of one size, in the direction of the sign of a mean of gradients (Chen et al. 2023)."""
    return Lion(parameters, lr=0.01, betas=betas)


class Lion(torch.optim.Optimizer):
    """EvoLved Sign Momentum, without weight decay."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, betas: Floats2) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            ahead, kept = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                mean = state.get("mean", torch.zeros_like(parameter))
                parameter.sub_(mean.lerp(parameter.grad, 1 - ahead).sign(), alpha=group["lr"])
                state["mean"] = mean.lerp(parameter.grad, 1 - kept)
