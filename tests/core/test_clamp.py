"""Values held in [0, 1]."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from clipig_core.imaging.clamp import clamp_through

NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 0.5, -1e-30, 1 + 2**-23, 1 - 2**-24, 2**-22]) | st.floats(-3, 3, width=32)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20)


@given(PAIRS)
def test_it_stops_exactly_the_steps_that_lead_further_out(pairs: list[tuple[float, float]]) -> None:
    values, gradient = torch.tensor(pairs).unbind(1)
    values = values.clone().requires_grad_()
    held = clamp_through(values)
    assert torch.equal(held, values.detach().clamp(0, 1))
    held.backward(gradient)
    wanted = [  # what is nearer to a bound than numbers near 1 are to each other is at it
        0.0 if (value <= 2**-23 and slope > 0) or (value >= 1 - 2**-23 and slope < 0) else slope
        for value, slope in zip(values.tolist(), gradient.tolist(), strict=True)
    ]
    assert values.grad is not None
    assert values.grad.tolist() == wanted


@given(PAIRS)
def test_a_small_step_never_leaves_the_interval_further(pairs: list[tuple[float, float]]) -> None:
    """And where a step would lead inside, it is the one that the gradient wants."""
    values, gradient = torch.tensor(pairs, dtype=torch.float64).unbind(1)
    leaf = values.clone().requires_grad_()
    clamp_through(leaf).backward(gradient)
    assert leaf.grad is not None
    outside = (values - values.clamp(0, 1)).abs()
    at_or_beyond = (values <= 0) | (values >= 1)
    stepped = values - 1e-3 * leaf.grad.clamp(-1, 1)
    still = (stepped - stepped.clamp(0, 1)).abs()
    assert bool((still <= outside)[at_or_beyond].all())
    inside = (values > 1e-15) & (values < 1 - 1e-15)
    assert torch.equal(leaf.grad[inside], gradient[inside])
