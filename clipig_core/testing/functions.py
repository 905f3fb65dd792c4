"""The check of functions of expressions."""

from __future__ import annotations

import inspect
import math
import random

from clipig_core.extension.kinds import FUNCTION
from clipig_core.testing.base import Function, _Subject

__tracebackhide__ = True


def check_function(function: Function, /, *numbers: float) -> None:
    """Check `function(*numbers) -> number` with numbers that a config could give it."""
    subject = _Subject(FUNCTION, function)
    subject.need(inspect.isroutine(function), "is not a function", "wrap it in one, with `def`")
    subject.need(bool(inspect.getdoc(function)), "has no docstring", "say what it computes, for `clipig plugins`")
    given = [number if isinstance(number, bool) else float(number) for number in numbers]
    before = random.getstate()
    with subject.running(f"with {given}"):
        results = [function(*given) for _ in range(3)]
    subject.need(
        all(isinstance(result, int | float) and math.isfinite(result) for result in results),
        f"returns {results[0]!r} for {given}",
        "return one finite number, or raise ValueError where there is none",
    )
    subject.need(
        len({*results}) == 1 and random.getstate() == before,
        f"gives other results for the same numbers, or draws random ones: {results}",
        "let nothing but the arguments decide; expressions have random() and others",
    )
