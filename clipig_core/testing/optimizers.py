"""The check of optimizers."""

from __future__ import annotations

import torch

from clipig_core.extension.kinds import OPTIMIZER
from clipig_core.testing.base import (
    Function,
    _arguments,
    _describe,
    _devices,
    _Subject,
)

__tracebackhide__ = True  # pytest then shows the author's line, not those of this file


def check_optimizer(optimizer: Function, /, **arguments: object) -> None:
    """Check `optimizer(parameters, **arguments) -> torch.optim.Optimizer`."""
    given = _arguments(OPTIMIZER, optimizer, arguments)
    for device in _devices():
        subject = _Subject(OPTIMIZER, optimizer, device)
        pixels = torch.nn.Parameter(torch.full((1, 3, 16, 16), 0.5, device=device))
        wanted = (torch.arange(16, device=device) % 2).float()
        with subject.running():
            made = optimizer([pixels], **given)
        subject.need(
            isinstance(made, torch.optim.Optimizer),
            f"returns {_describe(made)}, not a torch.optim.Optimizer",
            "return an optimizer of torch, or a subclass",
        )
        rate = made.defaults.get("lr")
        subject.need(
            isinstance(rate, float | int) and rate > 0,
            f"its defaults have lr {rate!r}, not a number above 0",
            "give it the step size that `learnrate: 1.0` should mean: Adam(parameters, lr=0.01)",
        )
        losses = []
        for factor in [1] * 10 + [0, 0]:
            for group in made.param_groups:
                group["lr"] = rate * factor
            loss = (pixels - wanted).square().mean()
            made.zero_grad(set_to_none=True)
            loss.backward()
            with subject.running():
                made.step()
            losses.append(float(loss.detach()))
        subject.need(
            losses[10] < losses[0],
            f"ten steps on mean((pixels - wanted) ** 2) go from {losses[0]:.3g} to {losses[10]:.3g}",
            "step against the gradient, with a smaller lr if it overshoots",
        )
        subject.need(
            losses[11] == losses[10],
            "moves the pixels though core has set `lr` to 0 in its param_groups",
            'read the step size from `group["lr"]` in each step',
        )
