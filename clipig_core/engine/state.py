"""What the state of a run may be: it can come from a file of a stranger, and native code trusts sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

MAX_SIDE = 16384
"""Of a picture, as in configs."""


def whole(*numbers: Any, least: int = 1, most: float = math.inf) -> tuple[int, ...]:
    """Raises ValueError if something else than whole numbers in these bounds is among them."""
    if not all(type(number) is int and least <= number <= most for number in numbers):
        raise ValueError(f"the state has {numbers!r:.100} where it should have whole numbers")
    return numbers


def alike(some: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """Whether tensors have the same shapes and number formats."""
    return [(one.shape, one.dtype) for one in some] == [(one.shape, one.dtype) for one in others]


def check_optimizer(state: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raises ValueError if an optimizer with one `state_dict()` cannot have another one later."""
    pairs = [*zip(known["param_groups"], state["param_groups"], strict=True)]
    pairs += [(known["state"][number], memory) for number, memory in state["state"].items()]
    for before, after in pairs:
        if not all(_may_become(before[name], after[name]) for name in before.keys() & after.keys()):
            raise ValueError("the state is that of another optimizer")


def _may_become(known: Any, saved: Any) -> bool:
    """Only numbers change."""
    if isinstance(known, Tensor) and isinstance(saved, Tensor):
        return alike([known], [saved])
    if isinstance(known, tuple | list) and isinstance(saved, tuple | list):
        return len(known) == len(saved) and all(map(_may_become, known, saved))
    numbers = type(known) in (int, float) and type(saved) in (int, float)
    return numbers or (type(known) is type(saved) and bool(known == saved))
